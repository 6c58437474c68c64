"""The probe itself: tickets to questions to outcomes, several at a time, settled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from edgewise.core.errors import BudgetExhausted
from edgewise.probing.search.policies import Policy, Search, Ticket
from edgewise.probing.targets import Target
from edgewise.probing.tools.bench import settled
from edgewise.probing.types import Case, Outcome
from edgewise.probing.worlds.world import Made, World

_CHANCES = 3  # questions made for a ticket before it is given back
_GIVE_UP = 50  # questions in a row that came to nothing
_MORE_SEEDS = 10  # where none had a verdict

Ending = Literal["budget", "exhausted", "out of calls"]
Phase = Literal["seed", "macro", "micro", "holdout"]


@dataclass(frozen=True)
class Step:
    """One question of the search.

    Attributes:
        number: From 0, seeds first.
        phase: ``seed``, ``macro`` or ``micro``; ``holdout`` where a mode is confirmed.
        parent: Number of the step it was made from; ``None`` for a seed, and without a tree.
        case: The question.
        outcome: What became of it.
        about: Of a hold-out question, the mode that it is fresh for; ``not`` and the mode for a control that was
            written to lie beside it; empty for the controls of all.
    """

    number: int
    phase: Phase
    parent: int | None
    case: Case
    outcome: Outcome
    about: str = ""


@dataclass
class Trail:
    """All that was asked.

    Attributes:
        steps: In order.
        simulations: Questions of the search with a verdict, seeds aside.
        barren: Questions that could not be made.
        ended: Why the search ended: its budget was spent, nothing was left to ask, or the door closed.
    """

    steps: list[Step] = field(default_factory=list)
    simulations: int = 0
    barren: int = 0
    ended: Ending = "budget"

    @property
    def failures(self) -> list[Step]:
        """Steps whose outcome is a stable failure."""
        return [step for step in self.steps if step.outcome.stable]

    @property
    def invalid(self) -> int:
        """Steps without a verdict."""
        return sum(step.outcome.verdict == "invalid" for step in self.steps)

    @property
    def calls(self) -> int:
        """Questions put to the target, repetitions included."""
        return sum(step.outcome.calls for step in self.steps)


async def ask_until_sure(target: Target, case: Case, *, again: int) -> Outcome:
    """Ask, and ask a failure ``again`` times: it is stable if most times the answer is wrong."""
    first = await target.ask(case)
    if first.verdict != "fail" or not target.repeats or not again:
        return first
    others = [await target.ask(case, trial) for trial in range(1, again + 1)]
    valid = [first, *(outcome for outcome in others if outcome.verdict != "invalid")]
    failed = sum(outcome.verdict == "fail" for outcome in valid)
    return first.model_copy(update={"trials": len(valid), "failed": failed, "calls": 1 + again})


async def ask_all(target: Target, cases: Sequence[Case], *, again: int, jobs: int) -> list[Outcome]:
    """Outcomes of the cases, in order, so many at a time."""
    gate = asyncio.Semaphore(jobs)

    async def ask(case: Case) -> Outcome:
        async with gate:
            return await ask_until_sure(target, case, again=again)

    tasks = [asyncio.ensure_future(ask(case)) for case in cases]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


@dataclass(frozen=True)
class _Asking:
    """A question on its way: ``ticket`` is ``None`` for a seed."""

    ticket: Ticket | None
    task: asyncio.Task[tuple[Case, Outcome] | None]


async def explore(
    world: World,
    target: Target,
    policy: Policy,
    *,
    budget: int | None = None,
    calls: int | None = None,
    seeds: int = 10,
    again: int = 2,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Trail:
    """Spend the budget on questions.

    The result depends on the world, the target's answers, the policy and ``jobs``, not on how fast answers come:
    outcomes are settled in the order in which their tickets were given, and what a question may cost is set aside
    before it is asked.

    Args:
        world: Source of questions.
        target: Who answers.
        policy: How the budget is divided.
        budget: Questions with a verdict at most, seeds not counted.
        calls: Questions put to the target at most, seeds and repetitions counted. Never overrun.
        seeds: Questions to start from.
        again: How often a failure is asked again.
        jobs: Questions in flight at a time.
        progress: Told how many calls were made.
    """
    return await _Exploration(world, target, policy, budget, calls, again, jobs, progress).run(seeds)


class _Exploration:
    """The state of ``explore``."""

    def __init__(
        self,
        world: World,
        target: Target,
        policy: Policy,
        budget: int | None,
        calls: int | None,
        again: int,
        jobs: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.world, self.target, self.again, self.jobs, self.progress = world, target, again, jobs, progress
        self.trail, self.search = Trail(), Search(policy)
        self.budget, self.left = budget, calls
        self.dearest = 1 + (again if target.repeats else 0)  # calls that a question may take
        self.waiting: deque[_Asking] = deque()
        self.known: dict[str, int | None] = {}  # step of each case that was ever asked for; None until it is settled
        self.kinds: set[tuple[object, ...]] = set()  # of failures
        self.in_vain = self.spent = 0

    async def run(self, seeds: int) -> Trail:
        start = deque(self.world.seeds(seeds))
        try:
            while self._fill(start):
                asking = self.waiting.popleft()
                found = await asking.task
                if self.left is not None:
                    self.left += self.dearest - (found[1].calls if found else 0)
                self._settle(asking.ticket, found)
        except BudgetExhausted:
            self.trail.ended = "out of calls"
        finally:
            for asking in self.waiting:
                asking.task.cancel()
            await asyncio.gather(*(asking.task for asking in self.waiting), return_exceptions=True)
        return self.trail

    def _fill(self, start: deque[Case]) -> bool:
        """Ask until enough is on its way; whether anything is."""
        while len(self.waiting) < self.jobs:
            if self.left is not None and self.left < self.dearest:
                break
            if start:
                self._ask(None, start.popleft())
                continue
            flying = sum(asking.ticket is not None for asking in self.waiting)
            if self.budget is not None and self.trail.simulations + flying >= self.budget:
                break
            ticket = None if self.in_vain >= _GIVE_UP else self.search.next()
            if ticket is None:
                if self.waiting:
                    break
                if self.in_vain < _GIVE_UP and self.trail.invalid == len(self.trail.steps):
                    start.extend(self.world.seeds(_MORE_SEEDS))  # no seed had a verdict: there is no tree yet
                if start:
                    continue
                self.trail.ended = "exhausted"
                break
            made = self._make(ticket)
            if made is None:
                self._cancel(ticket)
            else:
                self._ask(ticket, made)
        return bool(self.waiting)

    def _make(self, ticket: Ticket) -> Made:
        anchor = None
        if ticket.node is not None:
            place = self.known[ticket.node.case_id]
            assert place is not None  # a node is made when its case is settled
            anchor = self.trail.steps[place].case
        for _ in range(_CHANCES):
            made = self.world.propose(ticket.regime, anchor)
            if not isinstance(made, Case) or made.case_id not in self.known:
                return made
        return None

    def _ask(self, ticket: Ticket | None, made: Made) -> None:
        if isinstance(made, Case):
            self.known[made.case_id] = None

        async def work() -> tuple[Case, Outcome] | None:
            case = await settled(made)
            return None if case is None else (case, await ask_until_sure(self.target, case, again=self.again))

        if self.left is not None:
            self.left -= self.dearest
        self.waiting.append(_Asking(ticket, asyncio.ensure_future(work())))

    def _cancel(self, ticket: Ticket) -> None:
        self.search.cancel(ticket, barren=True)
        self.trail.barren += 1
        self.in_vain += 1

    def _settle(self, ticket: Ticket | None, found: tuple[Case, Outcome] | None) -> None:
        if found is None:
            assert ticket is not None  # seeds are there
            self._cancel(ticket)
            return
        case, outcome = found
        if self.known.get(case.case_id) is not None:  # two promises of the same question
            case = case.model_copy(update={"case_id": f"{case.case_id}#{len(self.trail.steps)}"})
            outcome = outcome.model_copy(update={"verdict": "invalid", "error": "this was asked before"})
        parent = None if ticket is None or ticket.node is None else self.known[ticket.node.case_id]
        if self.known.get(case.case_id) is None:
            self.known[case.case_id] = len(self.trail.steps)
        phase: Phase = "seed" if ticket is None else ticket.regime
        self.trail.steps.append(Step(len(self.trail.steps), phase, parent, case, outcome))
        self.spent += outcome.calls
        if self.progress is not None:
            self.progress(self.spent)
        if outcome.verdict == "invalid":
            self.in_vain += 1
            if ticket is not None:
                self.search.cancel(ticket, barren=False)
            return
        self.in_vain = 0
        if ticket is None:
            self.search.seed(case.case_id, failed=outcome.stable)
            return
        self.trail.simulations += 1
        kind = (case.group, *sorted(case.knobs.items()))
        novel = outcome.stable and kind not in self.kinds
        if outcome.stable:
            self.kinds.add(kind)
        self.search.settle(ticket, case.case_id, failed=outcome.stable, novel=novel)
