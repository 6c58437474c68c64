"""A run with everything a report can show, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.profile import Evidence, Panel, Profile, Turn, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Figure, Section, Table, Text, Transcript


def estimate(value: float, low: float, high: float, n: int = 30) -> Estimate:
    return Estimate(value=value, low=low, high=high, n=n, method="wilson")


def panel(text: str) -> Panel:
    turns = (Turn(role="user", text="What is 2 + 2?"), Turn(role="assistant", text=text))
    return Panel(
        instrument="fake",
        dimensions={
            "accuracy/chain_sum": estimate(0.4, 0.25, 0.58),
            "accuracy/a_family_with_a_rather_long_name": estimate(0.9, 0.8, 0.95, 120),
            "accuracy/code": NotMeasured(reason=f"no sandbox here {text[:200]}"),
            "calibration/ece": estimate(0.2, 0.1, 0.3),
            "growth": estimate(130.0, 80.0, 200.0),
        },
        lower_is_better=("calibration/ece",),
        evidence=(Evidence(dimension="accuracy/chain_sum", title=f"A wrong answer {text[:200]}", turns=turns),),
        verdicts={
            "above_guessing": Verdict.PASS,
            "calibrated": Verdict.FAIL,
            "steady": Verdict.INCONCLUSIVE,
            "open": Verdict.NOT_MEASURED,
        },
        caveats=("Each family rests on few items.",),
    )  # fmt: skip


class FakeInstrument:
    """Stands in for a registered instrument."""

    def __init__(self, text: str) -> None:
        self.text = text

    def section(self, panel: Panel, run: Run) -> Section:
        bars = {"type": "bar", "name": "n", "x": ["easy", "hard", self.text[:300]], "y": [1, 2, 3]}
        heat = {"type": "heatmap", "x": ["a", "b"], "y": ["r", "s"], "z": [[0, 1], [0.5, None]]}
        return Section(
            title="Fake",
            lead="What a section looks like.",
            blocks=(
                Text(text=self.text),
                Table(
                    title="Numbers",
                    columns=("name", "value", "wide" * 12),
                    rows=(("x", 1.25, "y" * 90), (self.text, None, 3)),
                ),
                Figure(title="Bars", summary="Three bars.", data=(bars,), layout={"yaxis": {"title": {"text": "n"}}}),
                Figure(title="Heat", summary="A map.", data=(heat,)),
                Transcript(title="A talk", turns=(Turn(role="assistant", text=self.text),)),
            ),
        )  # fmt: skip


@pytest.fixture
def make_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Makes a finished run; ``text`` is put wherever a model's words can appear."""

    def make(text: str = "It is 5.", status: str = "complete", name: str = "run") -> Run:
        monkeypatch.setattr("edgewise.report.view.load_instrument", lambda _: FakeInstrument(text))
        config: dict[str, Any] = {"model": "embedded", "depth": "quick"}
        with Run.create(
            tmp_path / name, "checkup", config, seed=7, model={"name": "m", "capabilities": ["text"]}
        ) as run:
            run.write_profile(Profile(model=f"model {text[:60]}", panels={"fake": panel(text)}))
            usage = {
                "calls": 98,
                "attempts": 99,
                "input_tokens": 12345,
                "output_tokens": 678,
                "cost": 0.0123,
                "cached": 2,
            }
            run.finish(status, usage=usage, faults={"timeout": 2}, notes=["calls without an answer: 2 × timeout"])  # type: ignore[arg-type]
        return Run.open(tmp_path / name)

    return make
