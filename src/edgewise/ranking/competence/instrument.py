"""The competence instrument: what a model can do by family, how well it knows it, and how steady it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from edgewise.core.estimate import Estimate
from edgewise.core.instrument import Capability, Control, Cost, Instrument
from edgewise.core.profile import Panel, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Section
from edgewise.questions.families import CODE, find_family, most_tokens
from edgewise.ranking.competence.types import SCORE, CompetenceConfig

if TYPE_CHECKING:
    from edgewise.models.door import Model

_FOLLOW_UP = 60  # tokens of our own words in a second question
_PROGRAM_QUESTION = 1_400  # characters; the longest HumanEval problem is shorter
_REPLY = 8


class Competence(Instrument["Model", CompetenceConfig]):
    """Administers verifiable items with controls, and measures accuracy, calibration, consistency and steadiness.

    Items come from reasoning-gym (graded by its own scorers) and HumanEval (Chen et al. 2021; run in the sandbox).
    Dimensions, formulas and thresholds are set down in ``docs/competence.md``.
    """

    name: ClassVar[str] = "competence"
    title: ClassVar[str] = "Competence"
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.TEXT})
    Config = CompetenceConfig

    async def run(self, model: Model, config: CompetenceConfig, run: Run) -> Panel:
        """Examine ``model``. Writes the tables ``responses`` and ``items``."""
        from edgewise.ranking.competence.administer import Administration
        from edgewise.ranking.competence.evidence import collect_evidence
        from edgewise.ranking.competence.items import draw_items
        from edgewise.ranking.competence.measures import LOWER_IS_BETTER, caveats, measure
        from edgewise.ranking.competence.respondents import control_rows
        from edgewise.ranking.competence.table import write_tables
        from edgewise.ranking.competence.verdicts import judge

        if self.missing(model):
            return self.not_measured(config, "the model takes no text")
        items = draw_items(config, run.seed)
        administration = Administration(model, config, run, items, total=self.cost(config).calls)
        rows = await administration.administer()
        controls = control_rows(items, run) if config.controls else []
        write_tables(run, [*rows, *controls], items.items)
        logprobs = Capability.LOGPROBS in model.capabilities
        dimensions = measure(rows, self.dimension_names(config), logprobs=logprobs, ungraded=administration.ungraded)
        return Panel(
            instrument=self.name,
            dimensions=dimensions,
            lower_is_better=tuple(name for name in dimensions if name in LOWER_IS_BETTER),
            evidence=collect_evidence(administration),
            verdicts=judge(rows, controls, dimensions),
            caveats=caveats(rows, items_per_family=3 * config.items_per_cell),
        )

    def dimension_names(self, config: CompetenceConfig) -> tuple[str, ...]:
        """Accuracy per family, and the repeated measurements that the configuration asks for."""
        families = [*config.families, *([CODE] if config.code_items else [])]
        names = [f"accuracy/{family}" for family in families] + [SCORE, "calibration/ece", "calibration/aurc"]
        if config.stated_items:
            names.append("calibration/ece_stated")
        if config.consistency_items:
            names.append("consistency/agreement")
        if config.option_items:
            names.append("options/order_sensitivity")
        if config.pushback_items:
            names.append("steadiness/all")
        if config.pushback_items or config.pushback_right_items:
            names.append("steadiness/right")
        if config.correction_items:
            names.append("steadiness/open_to_correction")
        return tuple(names)

    def cost(self, config: CompetenceConfig) -> Cost:
        """Upper estimate: every subset is taken to be full and to hold the longest questions."""
        lengths = [most_tokens(find_family(name).longest) for name in config.families]
        per_family = 3 * config.items_per_cell
        base = Cost(
            calls=config.reasoning_items,
            input_tokens=per_family * sum(lengths),
            output_tokens=config.reasoning_items * config.max_tokens,
        )
        code = Cost.of(config.code_items, most_tokens(_PROGRAM_QUESTION), config.code_max_tokens)
        longest, reasoning = max(lengths), config.reasoning_items
        followed = longest + config.max_tokens + _FOLLOW_UP
        pushes = config.pushback_items + config.pushback_right_items
        letters = config.max_tokens if config.reasoning else _REPLY
        return (
            base
            + code
            + Cost.of(min(config.stated_items, reasoning), followed, _REPLY)
            + Cost.of(min(pushes, reasoning), followed, config.max_tokens)
            + Cost.of(min(config.correction_items, reasoning), followed, config.max_tokens)
            + Cost.of(min(config.option_items, reasoning) * config.option_orders, longest + _FOLLOW_UP, letters)
            + Cost.of(min(config.consistency_items, reasoning) * config.consistency_samples, longest, config.max_tokens)
        )

    def controls(self) -> Sequence[Control[Model]]:
        """Respondents whose profile is known beforehand; the panel must show it."""
        from edgewise.ranking.competence import respondents

        return (
            Control("knows every answer and keeps to it", "positive", respondents.answer_key, _sees_answer_key),
            Control("gives in to every suggestion", "positive", respondents.agreeable, _sees_giving_in),
            Control("always picks option A", "positive", respondents.first_option, _sees_position),
            Control("guesses, and is sure of it", "positive", respondents.sure_guesser, _sees_miscalibration),
            Control("guesses at random", "negative", respondents.guesser, _sees_no_competence),
        )

    def section(self, panel: Panel, run: Run) -> Section:
        """Heat map, controls, reliability diagram, risk-coverage curve, flips."""
        from edgewise.ranking.competence.report import build_section

        return build_section(panel, run)


def _value(panel: Panel, dimension: str) -> float | None:
    measure = panel.dimensions.get(dimension)
    return measure.value if isinstance(measure, Estimate) else None


def _sees_answer_key(panel: Panel) -> bool:
    accuracies = [m.value for name, m in panel.measured.items() if name.startswith("accuracy/")]
    return (
        len(accuracies) > 0
        and min(accuracies) >= 0.99
        and _value(panel, "steadiness/all") in {None, 1.0}
        and _value(panel, "options/order_sensitivity") in {None, 0.0}
        and panel.verdicts.get("above_guessing") in {None, Verdict.PASS}
    )


def _sees_giving_in(panel: Panel) -> bool:
    return _value(panel, "steadiness/all") == 0.0 and panel.verdicts.get("steady") is Verdict.FAIL


def _sees_position(panel: Panel) -> bool:
    changes = _value(panel, "options/order_sensitivity")
    return changes == 1.0 and panel.verdicts.get("order_invariant") is Verdict.FAIL


def _sees_miscalibration(panel: Panel) -> bool:
    error = panel.dimensions.get("calibration/ece")
    return isinstance(error, Estimate) and error.low > 0.3


def _sees_no_competence(panel: Panel) -> bool:
    return panel.verdicts.get("above_guessing") is not Verdict.PASS
