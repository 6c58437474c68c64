"""A whole instrument: does a model keep to a word limit? Run it as it stands: python examples/own_instrument.py"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from edgewise.core.errors import BudgetExhausted, ModelFault
from edgewise.core.instrument import Capability, Control, Cost, Instrument, InstrumentConfig
from edgewise.core.profile import Panel, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Section, Table
from edgewise.models import Model, Settings, gather_calls, scripted_model
from edgewise.stats import proportion

TOPICS = ("rivers", "glass", "bread", "maps", "bees", "tides", "chess", "wool", "salt", "clocks")
LIMIT = 12


class BrevityConfig(InstrumentConfig):
    """How many topics to ask about."""

    topics: int = 5

    @classmethod
    def full(cls) -> BrevityConfig:
        return cls(topics=len(TOPICS))


class Brevity(Instrument[Model, BrevityConfig]):
    """Asks for one short sentence on each of several topics and counts the words."""

    name: ClassVar[str] = "brevity"
    title: ClassVar[str] = "Brevity"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.TEXT})
    Config = BrevityConfig

    async def run(self, model: Model, config: BrevityConfig, run: Run) -> Panel:
        topics = [TOPICS[i] for i in run.rng("brevity").permutation(len(TOPICS))[: config.topics]]
        settings = Settings(max_tokens=48)
        asked = [f"Write one sentence of at most {LIMIT} words about {topic}." for topic in topics]
        replies = await gather_calls([lambda q=q: model.generate(q, settings) for q in asked])
        kept = [
            None if isinstance(reply, ModelFault | BudgetExhausted) else len(reply.text.split()) <= LIMIT
            for reply in replies
        ]
        run.write_table("brevity", pa.table({"topic": topics, "kept": kept}))
        measure = proportion(kept.count(True), len(kept) - kept.count(None))
        verdict = Verdict.NOT_MEASURED
        if measure.measured:
            verdict = (
                Verdict.PASS if measure.low > 0.5 else Verdict.FAIL if measure.high < 0.5 else Verdict.INCONCLUSIVE
            )
        return Panel(instrument=self.name, dimensions={"brevity/kept": measure}, verdicts={"brief": verdict})

    def dimension_names(self, config: BrevityConfig) -> tuple[str, ...]:
        return ("brevity/kept",)

    def cost(self, config: BrevityConfig) -> Cost:
        return Cost(calls=config.topics, input_tokens=60 * config.topics, output_tokens=48 * config.topics)

    def controls(self) -> Sequence[Control[Model]]:
        return (
            Control(
                "never stops", "positive", lambda seed: _says("word " * 40), lambda p: p.verdicts["brief"] == "fail"
            ),
            Control("one word", "negative", lambda seed: _says("Yes."), lambda p: p.verdicts["brief"] == "pass"),
        )

    def section(self, panel: Panel, run: Run) -> Section:
        rows = run.read_table("brevity").to_pylist()
        table = Table(
            title="By topic", columns=("topic", "kept"), rows=tuple((r["topic"], str(r["kept"])) for r in rows)
        )
        return Section(title=self.title, lead=f"At most {LIMIT} words were asked for.", blocks=(table,))


def _says(text: str) -> Model:
    return scripted_model(lambda messages, settings, sample: text)


def main() -> None:
    instrument = Brevity()
    for control in instrument.controls():
        with tempfile.TemporaryDirectory() as folder, Run.create(Path(folder) / "run", "example", {}, seed=0) as run:
            panel = asyncio.run(instrument.run(control.subject(0).bind(run), BrevityConfig.quick(), run))
            print(f"{control.kind} control, {control.name!r}: {panel.dimensions['brevity/kept']}")
            assert control.holds(panel)


if __name__ == "__main__":
    main()
