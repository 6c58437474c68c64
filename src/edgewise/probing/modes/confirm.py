"""Is a mode real? Fresh questions that meet its trigger, against fresh ones that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgewise.probing.features import meets
from edgewise.probing.modes.find import rate_of
from edgewise.probing.search.runner import Step, Trail, ask_all
from edgewise.probing.targets import Target
from edgewise.probing.types import Case, Mode
from edgewise.probing.worlds.world import World
from edgewise.stats.multiple import benjamini_hochberg

FRESH = 16  # questions for a mode, where the budget allows
_FEWEST = 5  # below which nothing could be confirmed
_FIRST = 0.5  # share of the questions for the first look
_EDGE = 0.1  # by how much a mode must fail more often there
LEVEL = 0.05


class Writer(Protocol):
    """Writes questions from a mode's description alone."""

    async def __call__(self, mode: Mode, count: int, *, outside: bool = False) -> list[Case]:
        """Up to so many questions that the description is true of; ``outside``: close to it, and not."""
        ...


@dataclass(frozen=True)
class Plan:
    """How many fresh questions are asked.

    Attributes:
        modes: How many modes can be tested.
        fresh: Questions for each.
        controls: Questions that meet no trigger, the same for all modes.
    """

    modes: int
    fresh: int
    controls: int


def plan_holdout(modes: int, questions: int | None) -> Plan:
    """Divide questions among modes and controls so that each comparison is as sharp as can be.

    Many groups against one control are best compared if the control is larger by the square root of their number
    (Dunnett 1955).

    Args:
        modes: How many there are, the most promising first.
        questions: How many may be asked; ``None`` for as many as are of use.
    """
    for tested in range(modes, 0, -1):
        root = float(np.sqrt(tested))
        fresh = FRESH if questions is None else min(FRESH, int(questions / (tested + root)))
        controls = round(root * fresh)
        if questions is not None:
            controls = min(max(controls, 2 * fresh), questions - tested * fresh)
        else:
            controls = max(controls, 2 * fresh)
        if fresh >= _FEWEST:
            return Plan(tested, fresh, controls)
    return Plan(0, 0, 0)


async def confirm_modes(
    modes: Sequence[Mode],
    trail: Trail,
    world: World,
    target: Target,
    *,
    calls: int | None = None,
    jobs: int = 1,
    writer: Writer | None = None,
) -> list[Mode]:
    """Ask fresh questions that meet each trigger, and ones that meet none, and keep what holds beyond chance.

    The questions become steps of the trail, so that the mode's rates can be checked. Each is asked once: in the mean
    over questions, an answer that comes out differently the next time is no bias.

    Args:
        modes: Tentative modes, the most promising first.
        trail: Of the search.
        world: Source of fresh questions.
        target: Who answers.
        calls: Calls that may be made at most. Never overrun.
        jobs: Questions in flight at a time.
        writer: Writes questions from a mode's description, where the world has too few. Then the mode's controls are
            written as well, so that the comparison is not one of two sources.

    Returns:
        The modes with their rates, confirmed or tentative. Those that the budget did not reach have no rates.
    """
    from scipy.stats import fisher_exact

    if not modes:
        return []
    left = calls
    sources = _Sources(world, writer)
    # Half of the questions go to all modes, the rest to those that still look real. To stop where there is nothing to
    # be seen makes the test at the end no less strict.
    for share in (_FIRST, 1.0):
        promising = [mode for mode in modes if share < 1 or _looks_real(mode, trail)]
        plan = plan_holdout(len(promising), None if left is None else int(share * left))
        drawn = await sources.draw(promising[: plan.modes], modes, plan)
        known = {step.case.case_id for step in trail.steps}
        fresh = []
        for about, case in drawn:
            if case.case_id not in known:
                known.add(case.case_id)
                fresh.append((about, case))
        outcomes = await ask_all(target, [case for _, case in fresh], again=0, jobs=jobs)
        for (about, case), outcome in zip(fresh, outcomes, strict=True):
            trail.steps.append(Step(len(trail.steps), "holdout", None, case, outcome, about))
        if left is not None:
            left -= sum(outcome.calls for outcome in outcomes)
    counts = {mode.mode_id: _counts(mode, trail, of_mode=True) for mode in modes}
    others = {mode.mode_id: _counts(mode, trail, of_mode=False) for mode in modes}
    p_values: dict[str, float] = {}
    for mode in modes:
        failed, n = counts[mode.mode_id]
        other, other_n = others[mode.mode_id]
        if n and other_n:
            table = np.array([[failed, n - failed], [other, other_n - other]])
            p_values[mode.mode_id] = float(fisher_exact(table, alternative="greater").pvalue)
    adjusted = np.asarray(benjamini_hochberg(list(p_values.values()))).tolist() if p_values else []
    q_values = dict(zip(p_values, adjusted, strict=True))
    return [
        mode.model_copy(
            update={
                "rate": rate_of(*counts[mode.mode_id]),
                "other_rate": rate_of(*others[mode.mode_id]),
                "p_value": p_values.get(mode.mode_id),
                "q_value": q_values.get(mode.mode_id),
                "status": "confirmed" if q_values.get(mode.mode_id, 1.0) < LEVEL else "tentative",
            }
        )
        for mode in modes
    ]


class _Sources:
    """Where fresh questions come from: those of a mode all from the world, or all from the writer.

    Args:
        world: Asked first.
        writer: Asked where the world has too few.
    """

    def __init__(self, world: World, writer: Writer | None) -> None:
        self._world, self._writer = world, writer
        self._by_writer: dict[str, bool] = {}

    async def draw(self, tested: Sequence[Mode], modes: Sequence[Mode], plan: Plan) -> list[tuple[str, Case]]:
        """Fresh questions for each mode that is tested, controls for no mode, and those that were written with it."""
        if not tested:
            return []
        free = self._world.holdout(lambda case: not any(meets(case, mode.trigger) for mode in modes), plan.controls)
        # Where some trigger leaves too few, any question will do, for the modes whose trigger it does not meet.
        free += self._world.holdout(lambda case: True, plan.controls - len(free))
        fresh = [("", case) for case in free]
        for mode in tested:
            fresh += await self._about(mode, plan.fresh)
        return fresh

    async def _about(self, mode: Mode, count: int) -> list[tuple[str, Case]]:
        cases = []
        if not self._by_writer.get(mode.mode_id):
            cases = self._world.holdout(lambda case: meets(case, mode.trigger), count)
        if self._writer is not None and len(cases) < count and self._by_writer.get(mode.mode_id, True):
            half = count // 2  # the other half are the mode's own controls
            inside = await self._writer(mode, count - half)
            outside = await self._writer(mode, half, outside=True)
            if inside and outside:
                self._by_writer[mode.mode_id] = True
                return [*((beside(mode), case) for case in outside), *((mode.mode_id, case) for case in inside)]
        self._by_writer.setdefault(mode.mode_id, False)
        return [(mode.mode_id, case) for case in cases]


def beside(mode: Mode) -> str:
    """What a question is about that was written to lie just outside of a mode."""
    return f"not {mode.mode_id}"


def _looks_real(mode: Mode, trail: Trail) -> bool:
    (failed, n), (other, other_n) = (_counts(mode, trail, of_mode=which) for which in (True, False))
    return n > 0 and other_n > 0 and failed / n > other / other_n + _EDGE


def _counts(mode: Mode, trail: Trail, *, of_mode: bool) -> tuple[int, int]:
    """Failures among the fresh questions for a mode, or among its controls, and how many had a verdict.

    A mode that has controls of its own is compared with these alone.
    """
    steps = [step for step in trail.steps if step.phase == "holdout" and step.outcome.verdict != "invalid"]
    if of_mode:
        chosen = [step for step in steps if step.about == mode.mode_id]
    else:
        about = beside(mode) if any(step.about == beside(mode) for step in trail.steps) else ""
        chosen = [step for step in steps if step.about == about and not meets(step.case, mode.trigger)]
    return sum(step.outcome.stable for step in chosen), len(chosen)
