"""A probe from its first question to its confirmed modes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgewise.core.errors import BudgetExhausted
from edgewise.probing.modes.confirm import confirm_modes
from edgewise.probing.modes.find import base_rate, find_modes
from edgewise.probing.modes.naming import describe_failures, name_modes
from edgewise.probing.search.policies import Policy
from edgewise.probing.search.runner import Trail, explore
from edgewise.probing.targets import Target
from edgewise.probing.types import Mode
from edgewise.probing.worlds.world import World

if TYPE_CHECKING:
    from edgewise.models.door import Model
    from edgewise.models.embedder import Embedder
    from edgewise.probing.tools.written import Writer

RESERVE = 0.3  # share of the calls that is kept to confirm modes with
_MOST = 0.5  # failure rate above which it is said that nothing can stand out


@dataclass(frozen=True)
class Probe:
    """What a probe found.

    Attributes:
        trail: All that was asked, in order.
        modes: Confirmed ones first.
        notes: What a reader must know.
    """

    trail: Trail
    modes: tuple[Mode, ...]
    notes: tuple[str, ...] = ()

    @property
    def confirmed(self) -> list[Mode]:
        """Modes that held on fresh questions."""
        return [mode for mode in self.modes if mode.status == "confirmed"]


async def probe(
    world: World,
    target: Target,
    policy: Policy,
    embedder: Embedder,
    *,
    calls: int,
    seeds: int = 10,
    again: int = 2,
    jobs: int = 1,
    namer: Model | None = None,
    writer: Writer | None = None,
    progress: Callable[[int], None] | None = None,
) -> Probe:
    """Search for failures, find the modes behind them, and confirm these on fresh questions.

    Args:
        world: Source of questions.
        target: Who answers.
        policy: How the search divides its budget.
        embedder: Of failures.
        calls: Questions put to the target, all told. Never overrun; three tenths are kept for confirming.
        seeds: Questions to start from.
        again: How often a failure is asked again.
        jobs: Questions in flight at a time.
        namer: Puts failures and modes into words. Costs no calls of the target.
        writer: Writes fresh questions from a mode's description, where the world has too few.
        progress: Told how many calls were made.
    """
    reserve = round(RESERVE * calls)
    trail = await explore(
        world, target, policy, calls=calls - reserve, seeds=seeds, again=again, jobs=jobs, progress=progress
    )
    notes = []
    if not trail.steps:
        notes.append(f"nothing was asked: {calls} call(s) do not reach for a question that is asked {1 + again} times")
    elif trail.invalid == len(trail.steps):
        kinds = Counter(step.outcome.error for step in trail.steps)
        notes.append(f"no answer could be judged: {', '.join(f'{n} × {kind}' for kind, n in kinds.most_common())}")
    elif trail.ended == "exhausted":
        notes.append("there was nothing more to ask before the budget was spent")
    modes: list[Mode] | None = None
    try:
        if namer is not None:
            await describe_failures(trail, namer, jobs=jobs)
        modes = find_modes(trail, embedder)
        if namer is not None:
            modes = await name_modes(modes, trail, namer, jobs=jobs)
        modes = await confirm_modes(
            modes,
            trail,
            world,
            target,
            calls=calls - trail.calls,
            jobs=jobs,
            writer=None if writer is None else writer.from_description,
        )
    except BudgetExhausted:
        trail.ended = "out of calls"
        modes = find_modes(trail, embedder) if modes is None else modes
    if trail.ended == "out of calls":
        notes.append("a limit ended the probe before its budget was spent")
    if not modes and (rate := base_rate(trail)) > _MOST:
        notes.append(f"about {rate:.0%} of all questions failed: against that, no kind of question stands out")
    untested = sum(mode.q_value is None for mode in modes)
    if untested:
        notes.append(f"{untested} mode(s) could not be tested on fresh questions: the budget or the questions ended")
    modes.sort(key=lambda mode: (mode.status != "confirmed", 1.0 if mode.q_value is None else mode.q_value))
    if progress is not None:
        progress(trail.calls)
    return Probe(trail, tuple(modes), tuple(notes))
