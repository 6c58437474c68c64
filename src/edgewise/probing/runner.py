"""The probe itself: tickets to questions to outcomes, several at a time, settled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edgewise.core.errors import BudgetExhausted
from edgewise.probing.policies import Policy, Search, Ticket
from edgewise.probing.targets import Target
from edgewise.probing.tree import Regime
from edgewise.probing.types import Case, Outcome
from edgewise.probing.worlds import World

_CHANCES = 3  # questions made for a ticket before it is given back
_GIVE_UP = 50  # tickets in a row that came to nothing


@dataclass(frozen=True)
class Step:
    """One question of the search.

    Attributes:
        number: From 0, seeds first.
        regime: ``seed``, ``macro`` or ``micro``.
        parent: Number of the step it was made from; ``None`` for a seed, and without a tree.
        case: The question.
        outcome: What became of it.
    """

    number: int
    regime: Regime | str
    parent: int | None
    case: Case
    outcome: Outcome


@dataclass
class Trail:
    """All that was asked.

    Attributes:
        steps: In order.
        calls: Questions put to the target, repetitions included.
        simulations: Questions of the search with a verdict: what the budget counts.
        ended: Why the search ended: ``budget``, ``exhausted`` or ``out of calls``.
    """

    steps: list[Step] = field(default_factory=list)
    calls: int = 0
    simulations: int = 0
    ended: str = "budget"

    @property
    def failures(self) -> list[Step]:
        """Steps whose outcome is a stable failure."""
        return [step for step in self.steps if step.outcome.stable]

    @property
    def invalid(self) -> int:
        """Steps without a verdict."""
        return sum(step.outcome.verdict == "invalid" for step in self.steps)


async def ask_until_sure(target: Target, case: Case, *, again: int, count: Callable[[], None]) -> Outcome:
    """Ask, and ask a failure ``again`` times: it is stable if most askings fail."""
    first = await target.ask(case)
    count()
    if first.verdict != "fail" or not target.repeats or not again:
        return first
    trials = failed = 1
    for trial in range(1, again + 1):
        outcome = await target.ask(case, trial)
        count()
        if outcome.verdict != "invalid":
            trials += 1
            failed += outcome.verdict == "fail"
    return first.model_copy(update={"trials": trials, "failed": failed})


async def explore(
    world: World,
    target: Target,
    policy: Policy,
    *,
    budget: int,
    seeds: int = 10,
    again: int = 2,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Trail:
    """Spend the budget on questions.

    The result depends on the world, the target's answers, the policy and ``jobs``, not on how fast answers come:
    outcomes are settled in the order in which their tickets were given.

    Args:
        world: Source of questions.
        target: Who answers.
        policy: How the budget is divided.
        budget: Questions with a verdict, seeds not counted.
        seeds: Questions to start from.
        again: How often a failure is asked again.
        jobs: Questions in flight at a time.
        progress: Told how many of the budget are spent.
    """
    trail, search = Trail(), Search(policy)
    by_case: dict[str, int] = {}

    def count() -> None:
        trail.calls += 1

    def note(regime: str, parent: int | None, case: Case, outcome: Outcome) -> None:
        by_case[case.case_id] = len(trail.steps)
        trail.steps.append(Step(len(trail.steps), regime, parent, case, outcome))

    waiting: deque[tuple[Ticket, Case, asyncio.Task[Outcome]]] = deque()
    try:
        for case in world.seeds(seeds):
            outcome = await ask_until_sure(target, case, again=again, count=count)
            note("seed", None, case, outcome)
            if outcome.verdict != "invalid":
                search.seed(case.case_id, failed=outcome.stable)
        in_vain = 0
        while trail.simulations < budget:
            while len(waiting) < min(jobs, budget - trail.simulations) and in_vain < _GIVE_UP:
                ticket = search.next()
                if ticket is None:
                    break
                anchor = None if ticket.node is None else trail.steps[by_case[ticket.node.case_id]].case
                case_or_none = _make(world, ticket, anchor, by_case)
                if case_or_none is None:
                    search.cancel(ticket, barren=True)
                    in_vain += 1
                    continue
                in_vain = 0
                asking = ask_until_sure(target, case_or_none, again=again, count=count)
                waiting.append((ticket, case_or_none, asyncio.ensure_future(asking)))
            if not waiting:
                trail.ended = "exhausted"
                break
            ticket, case, task = waiting.popleft()
            outcome = await task
            parent = None if ticket.node is None else by_case[ticket.node.case_id]
            note(ticket.regime, parent, case, outcome)
            if outcome.verdict == "invalid":
                search.cancel(ticket, barren=False)
                in_vain += 1
                if in_vain >= _GIVE_UP:
                    trail.ended = "exhausted"
                    break
                continue
            trail.simulations += 1
            kind = (case.group, *sorted(case.knobs.items()))
            novel = outcome.stable and kind not in {
                (s.case.group, *sorted(s.case.knobs.items())) for s in trail.failures[:-1]
            }
            search.settle(ticket, case.case_id, failed=outcome.stable, novel=novel)
            if progress is not None:
                progress(trail.simulations, budget)
    except BudgetExhausted:
        trail.ended = "out of calls"
    finally:
        for *_, task in waiting:
            task.cancel()
        await asyncio.gather(*(task for *_, task in waiting), return_exceptions=True)
    return trail


def _make(world: World, ticket: Ticket, anchor: Case | None, known: dict[str, int]) -> Case | None:
    for _ in range(_CHANCES):
        case = world.propose(ticket.regime, anchor)
        if case is None:
            return None
        if case.case_id not in known:
            return case
    return None
