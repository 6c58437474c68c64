"""The society instrument: a few short games in which the examined model sits in every seat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, field_validator

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Measure
from edgewise.core.instrument import Capability, Control, Cost, Instrument, InstrumentConfig
from edgewise.core.profile import Evidence, Panel, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Block, Section, Text

if TYPE_CHECKING:
    from edgewise.models.door import Model
    from edgewise.society.scenario import Scenario
    from edgewise.society.types import Trial

_PROMPT, _ANSWER, _ATTEMPTS = 600, 300, 3  # tokens of a call at most, and calls of a turn
_NULL = 40  # trials of the null population
_CAVEAT = (
    "Each figure compares conditions of the same trials, or is set beside agents that must not show the risk; a "
    "verdict says whether the risk is there. `edgewise society run SCENARIO --agents MODEL` plays more trials, and "
    "more games."
)


class SocietyInstrumentConfig(InstrumentConfig):
    """Which games, how many trials. The defaults are the quick setting.

    Attributes:
        scenarios: Parameters by scenario: those that are played.
        seeds: Trials of each.
        memory: Rounds of its own past that the model is shown; all unless given.
        jobs: Trials in flight.
    """

    scenarios: dict[str, dict[str, Any]] = {
        "majority_vote": {"questions": 1},
        "authority_cue": {"cases": 1, "ladder": False, "seated_auditor": False},
    }
    seeds: int = Field(default=20, ge=2)
    memory: int | None = 1
    jobs: int = Field(default=8, ge=1)

    @field_validator("scenarios")
    @classmethod
    def _scenarios_known(cls, scenarios: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        from edgewise.society.scenarios import find_scenario

        for name, options in scenarios.items():
            try:
                find_scenario(name, **options)
            except BadInput as error:
                raise ValueError(f"{error.message} ({error.fix})") from None
        return scenarios

    @classmethod
    def full(cls) -> Self:
        """More games, and trials enough for a verdict."""
        names = ("majority_vote", "authority_cue", "central_dispatch", "handoff_chain", "compute_commons",
                 "bertrand_market", "report_relay", "unasked_question")  # fmt: skip
        return cls(scenarios={name: {} for name in names}, seeds=40, memory=None, jobs=16)

    def found(self) -> dict[str, Scenario]:
        """The scenarios by name."""
        from edgewise.society.scenarios import find_scenario

        return {name: find_scenario(name, **options) for name, options in self.scenarios.items()}


@dataclass(frozen=True)
class Population:
    """A group without a model, as a control of the instrument.

    Attributes:
        kind: A population that every scenario has, or ``default``: the one that shows the risk.
    """

    kind: str

    @property
    def name(self) -> str:
        """Shown in reports."""
        return f"{self.kind} agents"

    @property
    def capabilities(self) -> frozenset[Capability]:
        """It can play."""
        return frozenset({Capability.TEXT})


class Society(Instrument["Model | Population", SocietyInstrumentConfig]):
    """Puts a model into groups of itself and measures what the group does (arXiv 2603.27771).

    The games, indicators and verdicts are those of ``edgewise society run``; ``docs/society.md`` describes them.
    """

    name: ClassVar[str] = "society"
    title: ClassVar[str] = "Society"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.TEXT})
    Config = SocietyInstrumentConfig

    async def run(self, model: Model | Population, config: SocietyInstrumentConfig, run: Run) -> Panel:
        """Examine ``model``. Writes a table of turns for each scenario, ``society_NAME``."""
        from edgewise.society.measure import judge
        from edgewise.society.records import turns_table

        if self.missing(model):
            return self.not_measured(config, "the model takes no text")
        seeds = run.rng("society").integers(2**31, size=config.seeds).tolist()
        dimensions: dict[str, Measure] = {}
        verdicts: dict[str, Verdict] = {}
        evidence: list[Evidence] = []
        for done, (name, scenario) in enumerate(config.found().items()):
            trials = await self._trials(model, config, scenario, seeds)
            nulls = _offline(scenario, "null", run.rng("society/null").integers(2**31, size=_NULL).tolist())
            found = scenario.indicators(trials)[scenario.primary]
            dimensions[_dimension(scenario)] = found
            null = scenario.indicators(nulls)[scenario.primary]
            verdicts[f"no_{name}"] = judge(found, null, scenario.margin)[0]
            run.write_table(f"society_{name}", turns_table({"agents": trials, "null": nulls}))
            evidence += _evidence(scenario, trials)
            run.progress("society", done + 1, len(config.scenarios))
        return Panel(
            instrument=self.name,
            dimensions=dimensions,
            lower_is_better=tuple(dimensions),
            evidence=tuple(evidence),
            verdicts=verdicts,
            caveats=(_CAVEAT,),
        )

    async def _trials(
        self, model: Model | Population, config: SocietyInstrumentConfig, scenario: Scenario, seeds: list[int]
    ) -> Sequence[Trial]:
        from edgewise.society.agents.chat import ChatAgent
        from edgewise.society.engine import play_trials

        if isinstance(model, Population):
            return _offline(scenario, scenario.default if model.kind == "default" else model.kind, seeds)
        teams = [[ChatAgent(model, memory=config.memory, max_tokens=_ANSWER) for _ in scenario.seats] for _ in seeds]
        trials, _ = await play_trials(scenario, teams, seeds, jobs=config.jobs)
        return trials

    def dimension_names(self, config: SocietyInstrumentConfig) -> tuple[str, ...]:
        """Each scenario's primary indicator."""
        return tuple(_dimension(scenario) for scenario in config.found().values())

    def cost(self, config: SocietyInstrumentConfig) -> Cost:
        """Upper estimate: every turn of every trial, asked for as often as it may be."""
        turns = 0
        for scenario in config.found().values():
            (trial,) = _offline(scenario, "null", [0])
            turns += sum(len(episode.turns) for episode in trial.values())
        return Cost.of(turns * config.seeds * _ATTEMPTS, _PROMPT, _ANSWER)

    def controls(self) -> Sequence[Control[Model | Population]]:
        """Agents that learned the risk or derive it, and agents that must not show it."""
        return (
            Control("default populations", "positive", lambda seed: Population("default"), _seen_everywhere),
            Control("null populations", "negative", lambda seed: Population("null"), _seen_nowhere),
        )

    def section(self, panel: Panel, run: Run) -> Section:
        """Time lines, payoffs and transcripts of each scenario."""
        from edgewise.society.report import figures_of
        from edgewise.society.scenarios import find_scenario

        if not panel.measured:
            return Section(title=self.title, lead="", blocks=tuple(Text(text=caveat) for caveat in panel.caveats))
        blocks: list[Block] = []
        for dimension in panel.dimensions:
            name = dimension.partition("/")[0]
            scenario = find_scenario(name)
            rows = [r for r in run.read_table(f"society_{name}").to_pylist() if r["population"] == "agents"]
            blocks.append(Text(text=f"{scenario.title} (risk {scenario.risk}). {scenario.about}"))
            blocks += figures_of(scenario, rows)
        return Section(title=self.title, lead="The examined model sits in every seat.", blocks=tuple(blocks))


def _dimension(scenario: Scenario) -> str:
    return f"{scenario.name}/{scenario.primary}"


def _offline(scenario: Scenario, kind: str, seeds: Sequence[int]) -> list[Mapping[str, Any]]:
    from edgewise.society.engine import play

    teams = scenario.teams(kind, seeds)
    return [
        {name: play(scenario, team, seed, name) for name in scenario.played}
        for team, seed in zip(teams, seeds, strict=True)
    ]


def _evidence(scenario: Scenario, trials: Sequence[Trial]) -> list[Evidence]:
    """The first trial, as it was played in its last condition."""
    from edgewise.society.records import turns_table
    from edgewise.society.report import turn_of

    for trial in trials[:1]:
        condition = list(trial)[-1]
        rows = turns_table({"agents": [{condition: trial[condition]}]}).to_pylist()
        turns = tuple(turn_of(scenario, row) for row in rows)
        return [Evidence(dimension=_dimension(scenario), title=f"A trial, {condition}", turns=turns)]
    return []


def _seen_everywhere(panel: Panel) -> bool:
    """Small numbers may leave one unclear; none may pass."""
    return Verdict.FAIL in panel.verdicts.values() and Verdict.PASS not in panel.verdicts.values()


def _seen_nowhere(panel: Panel) -> bool:
    return Verdict.FAIL not in panel.verdicts.values()
