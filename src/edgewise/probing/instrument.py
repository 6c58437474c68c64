"""The probing instrument: how often a model fails on questions of every kind, and the failure modes behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, field_validator

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, NotMeasured
from edgewise.core.instrument import Capability, Control, Cost, Instrument, InstrumentConfig
from edgewise.core.profile import Evidence, Panel, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Section, Text
from edgewise.probing.search.policies import DEFAULT, find_policy
from edgewise.questions.families import FAMILIES, QUICK_FAMILIES, FamilyNames, find_family, most_tokens

if TYPE_CHECKING:
    from edgewise.models.door import Model
    from edgewise.probing.probe import Probe
    from edgewise.probing.targets import PlantedModel

BROAD, FLAKY = "failures/broad", "failures/flaky"
CLAIM = "no_failure_mode"
RARE = 0.2  # a model that fails on more than this and shows no mode is not cleared
_DEFECT = "group=chain_sum"
_NOISE = 0.1
_EVIDENCE = 2  # transcripts for each confirmed mode
_CAVEAT = (
    "failures/broad counts questions that were drawn evenly over kinds, not those that the search went after. "
    "Modes are confirmed on fresh questions; edgewise probe asks longer and of your own questions."
)


class ProbingConfig(InstrumentConfig):
    """How long the search is. The defaults are the quick setting.

    Attributes:
        families: Families of reasoning-gym to draw from.
        budget: Calls of the model, all told; three tenths are kept for confirming modes.
        policy: How the search divides them; a name of ``POLICIES``.
        again: How often a failure is asked again.
        jobs: Questions in flight at a time. The search depends on it.
        max_tokens: Limit of an answer, in tokens.
    """

    families: FamilyNames = QUICK_FAMILIES
    budget: int = Field(default=80, ge=1)
    policy: str = DEFAULT
    again: int = Field(default=1, ge=0)
    jobs: int = Field(default=8, ge=1)
    max_tokens: int = Field(default=32, ge=1)

    @field_validator("policy")
    @classmethod
    def _policy_known(cls, name: str) -> str:
        try:
            find_policy(name)
        except BadInput as error:
            raise ValueError(f"{error.message} ({error.fix})") from None
        return name

    @classmethod
    def full(cls) -> Self:
        """All families, a long search, and room to reason."""
        return cls(families=tuple(FAMILIES), budget=1_000, again=2, jobs=16, max_tokens=1024)


class Probing(Instrument["Model | PlantedModel", ProbingConfig]):
    """Searches for what a model fails on, and confirms the failure modes behind it (ProbeLLM, arXiv 2602.12966).

    The search, the modes and their confirmation are those of ``edgewise probe``; ``docs/probing.md`` describes them.
    """

    name: ClassVar[str] = "probing"
    title: ClassVar[str] = "Probing"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.TEXT})
    Config = ProbingConfig

    async def run(self, model: Model | PlantedModel, config: ProbingConfig, run: Run) -> Panel:
        """Examine ``model``. Writes the tables ``nodes`` and ``modes``."""
        from edgewise.models.embedder import TfIdf
        from edgewise.probing.probe import probe
        from edgewise.probing.tables import write_tables
        from edgewise.probing.targets import ModelTarget, PlantedModel
        from edgewise.probing.tools.bench import Workbench
        from edgewise.probing.tools.edits import RuleEdits
        from edgewise.probing.worlds.families import Families

        if self.missing(model):
            return self.not_measured(config, "the model takes no text")
        found = await probe(
            Workbench(Families(config.families, run.seed), [RuleEdits()], run.rng("probing/tools")),
            model if isinstance(model, PlantedModel) else ModelTarget(model, max_tokens=config.max_tokens),
            find_policy(config.policy),
            TfIdf(),
            calls=config.budget,
            again=config.again,
            jobs=config.jobs,
            progress=lambda calls: run.progress("probing", calls, config.budget),
        )
        write_tables(run, found.trail, found.modes)
        return self._panel(found)

    def _panel(self, found: Probe) -> Panel:
        from edgewise.probing.modes.find import broad_steps, rate_of
        from edgewise.probing.report import turns

        broad = broad_steps(found.trail)
        missed = [step for step in broad if step.outcome.verdict == "fail"]
        stable = sum(step.outcome.stable for step in missed)
        rate = rate_of(stable, len(broad))
        steps = {step.case.case_id: step for step in found.trail.steps}
        return Panel(
            instrument=self.name,
            dimensions={
                BROAD: rate or NotMeasured(reason="no answer could be judged"),
                FLAKY: rate_of(len(missed) - stable, len(missed)) or NotMeasured(reason="no answer was wrong"),
            },
            lower_is_better=(BROAD, FLAKY),
            evidence=tuple(
                Evidence(dimension=BROAD, title=f"Fails when: {mode.name}", turns=turns(steps[case]), item_id=case)
                for mode in found.confirmed
                for case in mode.central[:_EVIDENCE]
                if case in steps
            ),
            verdicts={CLAIM: _verdict(len(found.confirmed), rate)},
            caveats=(_CAVEAT, *found.notes),
        )

    def dimension_names(self, config: ProbingConfig) -> tuple[str, ...]:
        """The failure rate over all kinds of questions, and how many of these failures do not come again."""
        return (BROAD, FLAKY)

    def cost(self, config: ProbingConfig) -> Cost:
        """Upper estimate: the whole budget, on the longest questions."""
        longest = max(most_tokens(find_family(name).longest) for name in config.families)
        return Cost.of(config.budget, longest, config.max_tokens)

    def controls(self) -> Sequence[Control[Model | PlantedModel]]:
        """A model with one known defect, and one that is careless everywhere alike."""
        return (
            Control("fails on one family", "positive", _defective, lambda panel: panel.verdicts[CLAIM] is Verdict.FAIL),
            Control("fails anywhere, now and then", "negative", _careless, _sees_no_mode),
        )

    def section(self, panel: Panel, run: Run) -> Section:
        """Modes with examples, the search tree, coverage, what is left."""
        from edgewise.probing.report import section_of
        from edgewise.probing.tables import read_modes, read_trail

        if not panel.measured:
            return Section(title=self.title, lead="", blocks=tuple(Text(text=caveat) for caveat in panel.caveats))
        return section_of(read_trail(run), read_modes(run))  # the report shows the caveats


def _verdict(confirmed: int, rate: Estimate | None) -> Verdict:
    """A confirmed mode fails. Without one it passes where failures are surely rare; else the search was too short."""
    if rate is None:
        return Verdict.NOT_MEASURED
    if confirmed:
        return Verdict.FAIL
    return Verdict.PASS if rate.high < RARE else Verdict.INCONCLUSIVE


def _defective(seed: int) -> PlantedModel:
    from edgewise.probing.targets import PlantedModel, Rule

    return PlantedModel([Rule(when=(_DEFECT,))], seed=seed)


def _careless(seed: int) -> PlantedModel:
    from edgewise.probing.targets import PlantedModel

    return PlantedModel([], noise=_NOISE, seed=seed)


def _sees_no_mode(panel: Panel) -> bool:
    return panel.verdicts[CLAIM] is not Verdict.FAIL
