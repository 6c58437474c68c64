"""The tree, the policies and the runner: counts, order, bridges, budgets."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.core.errors import BadInput, BudgetExhausted
from edgewise.models.embedder import TfIdf
from edgewise.probing import POLICIES, Case, Families, Planted, RuleEdits, Search, Workbench, explore, find_policy
from edgewise.probing.grading import is_right
from edgewise.probing.probe import probe
from edgewise.probing.search.runner import Trail, ask_until_sure
from edgewise.probing.search.tree import REGIMES, Tree
from edgewise.probing.targets import PlantedTarget
from edgewise.probing.types import Outcome


def run(policy: str, seed: int, budget: int = 60, jobs: int = 1) -> Trail:
    world = Planted(np.random.default_rng(seed))
    return asyncio.run(explore(world, PlantedTarget(world), POLICIES[policy], budget=budget, jobs=jobs))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=60), st.integers(1, 4))
@settings(max_examples=60)
def test_counts_are_those_of_the_subtrees(steps: list[tuple[bool, bool, bool]], w_max: int) -> None:
    """After any steps, a node's counts are the sums below it, and it is open exactly if something below can grow."""
    tree = Tree(w_max=w_max, max_depth=4)
    for regime in REGIMES:
        for k in range(3):
            tree.attach(tree.root(regime), f"seed{k}", failed=k == 0)
    for n, (micro, failed, used) in enumerate(steps):
        regime = REGIMES[micro]
        if not tree.can_grow(regime):
            continue
        node = tree.select(regime)
        assert node.depth > 0 and node.asked <= w_max
        if used:
            tree.settle(node, float(failed))
            tree.attach(node, f"case{n}", failed=failed)
        else:
            tree.undo(node, barren=True)
    children: dict[int, list[int]] = {}
    for node in tree.nodes:
        children.setdefault(node.parent, []).append(node.node_id)

    def can_grow(place: int) -> bool:
        node = tree.nodes[place]
        own = 0 < node.depth < 4 and node.asked < w_max and node.barren < tree.patience
        return own or any(can_grow(child) for child in children.get(place, ()))

    for node in tree.nodes:
        assert node.is_open == can_grow(node.node_id)
        below = children.get(node.node_id, [])
        own = 1 if node.depth else 0  # a new node starts with its own outcome
        seeds = sum(tree.nodes[c].depth == 1 for c in below)
        assert tree.visits[node.node_id] == own + sum(tree.visits[c] for c in below) - seeds
        assert set(node.open_children) == {c for c in below if tree.nodes[c].is_open}


def test_selection_prefers_what_fails_then_what_is_unvisited() -> None:
    tree = Tree(beta=0.0)
    for k in range(40):  # more children than the plain loop takes
        tree.attach(tree.root("micro"), str(k), failed=k == 31)
    assert tree.select("micro").case_id == "31"
    tree = Tree(beta=5.0)
    first = tree.attach(tree.root("micro"), "a", failed=True)
    tree.attach(tree.root("micro"), "b", failed=False)
    for _ in range(2):
        assert tree.select("micro") is first or tree.select("micro")
    assert {tree.nodes[2].asked, tree.nodes[3].asked} != {0, 3}  # virtual visits spread a search in parallel


def test_nothing_to_expand_is_said() -> None:
    with pytest.raises(LookupError, match="nothing to expand in macro"):
        Tree().select("macro")
    assert Search(POLICIES["bridge"]).next() is None
    with pytest.raises(BadInput, match="there is no policy 'best'"):
        find_policy("best")


def test_the_bridge_hands_macro_failures_to_micro() -> None:
    for name, promoted in (("bridge", True), ("paper", False)):
        search = Search(POLICIES[name])
        search.seed("s", failed=False)
        ticket = search.next()
        assert ticket is not None and ticket.regime == "macro"
        search.settle(ticket, "found", failed=True)
        micro = [node.case_id for node in search.tree.nodes if node.parent == search.tree.root("micro").node_id]
        assert ("found" in micro) == promoted


def test_least_share_of_a_regime() -> None:
    search = Search(POLICIES["bridge"])
    for k in range(30):
        search.seed(f"s{k}", failed=False)
    given_ = dict.fromkeys(REGIMES, 0)
    for n in range(200):
        ticket = search.next()
        assert ticket is not None
        given_[ticket.regime] += 1
        search.settle(ticket, f"c{n}", failed=ticket.regime == "micro")
    assert given_["macro"] >= 0.39 * 200


@pytest.mark.parametrize("policy", POLICIES)
def test_the_same_seed_is_the_same_search_however_many_are_in_flight(policy: str) -> None:
    again = [(s.case.case_id, s.phase, s.parent, s.outcome.verdict) for s in run(policy, 3).steps]
    assert again == [(s.case.case_id, s.phase, s.parent, s.outcome.verdict) for s in run(policy, 3).steps]
    for jobs in (1, 7):
        trail = run(policy, 3, jobs=jobs)
        assert trail.simulations == 60 and len(trail.steps) == 70 and trail.ended == "budget"
        assert len({step.case.case_id for step in trail.steps}) == 70


def test_outcomes_are_settled_in_the_order_of_their_tickets() -> None:
    """A slow answer does not change the search."""
    world = Planted(np.random.default_rng(1))

    class Slow:
        name, repeats = "slow", False

        def __init__(self, delays: bool) -> None:
            self.delays = delays

        async def ask(self, case: Case, trial: int = 0) -> Outcome:
            if self.delays:
                await asyncio.sleep(0.001 * (int(case.case_id[1:]) * 7 % 5))
            wrong = int(case.case_id[1:]) % 3 == 0
            return Outcome(verdict="fail" if wrong else "pass", failed=int(wrong))

    found = []
    for delays in (False, True):
        world = Planted(np.random.default_rng(1))
        trail = asyncio.run(explore(world, Slow(delays), POLICIES["bridge"], budget=40, jobs=8))
        found.append([(s.case.case_id, s.parent) for s in trail.steps])
    assert found[0] == found[1]


def test_invalid_answers_cost_no_budget_and_an_empty_purse_keeps_what_was_found() -> None:
    class Odd:
        name, repeats = "odd", True

        def __init__(self, purse: int) -> None:
            self.purse = purse

        async def ask(self, case: Case, trial: int = 0) -> Outcome:
            if not self.purse:
                raise BudgetExhausted("nothing left")
            self.purse -= 1
            number = int(case.case_id[1:])
            return Outcome(verdict=("invalid", "pass", "fail")[number % 3], failed=int(number % 3 == 2))

    world = Planted(np.random.default_rng(1))
    trail = asyncio.run(explore(world, Odd(10_000), POLICIES["bridge"], budget=50))
    assert trail.simulations == 50 and trail.invalid > 10
    assert sum(s.outcome.verdict != "invalid" for s in trail.steps if s.phase != "seed") == 50
    world = Planted(np.random.default_rng(1))
    trail = asyncio.run(explore(world, Odd(40), POLICIES["bridge"], budget=50, jobs=5))
    assert trail.ended == "out of calls" and trail.calls <= 40 and 10 < len(trail.steps) < 40


def test_a_failure_that_does_not_repeat_is_flaky() -> None:
    class Once:
        name, repeats = "once", True

        async def ask(self, case: Case, trial: int = 0) -> Outcome:
            return Outcome(verdict="pass" if trial else "fail", failed=int(not trial))

    world = Planted(np.random.default_rng(1))
    trail = asyncio.run(explore(world, Once(), POLICIES["bridge"], budget=10))
    assert not trail.failures and all(step.outcome.trials == 3 for step in trail.steps) and trail.calls == 60


@pytest.mark.parametrize(
    ("later", "stable"),
    [
        ("fail fail", True),
        ("fail invalid", True),
        ("pass fail", True),
        ("pass invalid", False),
        ("invalid invalid", False),
    ],
)
def test_a_failure_counts_if_two_of_three_askings_fail(later: str, stable: bool) -> None:
    class Told:
        name, repeats = "told", True

        async def ask(self, case: Case, trial: int = 0) -> Outcome:
            verdict = ("fail", *later.split())[trial]
            return Outcome(verdict=verdict, failed=int(verdict == "fail"))

    outcome = asyncio.run(ask_until_sure(Told(), Case(case_id="a", question="?", answer="b"), again=2))
    assert outcome.stable == stable and outcome.calls == 3 and outcome.verdict == "fail"


def test_edits_keep_the_answer_and_families_are_reproducible() -> None:
    def bench() -> Workbench:
        world = Families(("gcd", "chain_sum", "syllogism", "leg_counting"), 3)
        return Workbench(world, [RuleEdits()], np.random.default_rng(0))

    world, twin = bench(), bench()
    seeds = world.seeds(12)
    assert seeds == twin.seeds(12) and len({(c.group, c.knobs["difficulty"]) for c in seeds}) == 12
    made = [world.propose("micro", seeds[k % 12]) for k in range(120)]
    assert made == [twin.propose("micro", seeds[k % 12]) for k in range(120)]
    edits = [case for case in made if case is not None and case.edit]
    assert {case.edit for case in edits} == {"distractor", "paraphrase", "format", "numbers", "negation"}
    by_id = {case.case_id: case for case in seeds}
    for case in edits:
        assert case.parent is not None and case.truth == "inherited"
        assert (case.answer == by_id[case.parent].answer) == (case.edit != "negation")
        assert is_right(case, case.answer) and not is_right(case, case.answer + "1")
    fresh = world.holdout(lambda case: case.edit == "format" and case.group == "gcd", 5)
    assert len(fresh) == 5 and not {c.case_id for c in fresh} & {c.case_id for c in made if c is not None}


@pytest.mark.parametrize(
    ("case", "answer", "right"),
    [
        ({"options": ("red", "blue"), "answer": "B"}, "b", True),
        ({"options": ("red", "blue"), "answer": "B"}, "(B).", True),
        ({"options": ("red", "blue"), "answer": "blue"}, "B", True),
        ({"options": ("red", "blue"), "answer": "B"}, "red", False),
        ({"options": ("red", "blue"), "answer": "B"}, "", False),
        ({"answer": "1,200"}, "1200.0", True),
        ({"answer": "0.5"}, "0.6", False),
        ({"answer": "Paris"}, " paris ", True),
        ({"answer": "3"}, "three", False),
    ],
)
def test_grading_by_rule(case: dict, answer: str, right: bool) -> None:
    assert is_right(Case(case_id="a", question="?", **case), answer) is right


def test_the_planted_world_of_the_specification() -> None:
    """T = 300: regions with four failures or more. The figures with intervals are in benchmarks/bench_probing.py."""
    found = {name: [] for name in ("bridge", "paper")}  # type: dict[str, list[int]]
    for name, counts in found.items():
        for seed in range(12):
            world = Planted(np.random.default_rng(seed))
            target = PlantedTarget(world)
            trail = asyncio.run(explore(world, target, POLICIES[name], budget=300, again=0))
            groups = [step.case.group for step in trail.failures]
            counts.append(sum(groups.count(world.topic(region)) >= 4 for region in world.defective))
    assert np.mean(found["bridge"]) > 6.3 and np.mean(found["paper"]) < 5


@given(
    calls=st.integers(1, 90),
    again=st.integers(0, 3),
    jobs=st.integers(1, 9),
    policy=st.sampled_from(sorted(POLICIES)),
    repeats=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_no_probe_asks_more_than_its_budget(calls: int, again: int, jobs: int, policy: str, repeats: bool) -> None:
    """Whatever fails, is invalid or is flaky, in the search and while modes are confirmed."""
    world = Planted(np.random.default_rng(calls), regions=4, defects=2, bad=1.0)
    asked = 0

    class Counting:
        name = "counting"

        def __init__(self) -> None:
            self.repeats = repeats

        async def ask(self, case: Case, trial: int = 0) -> Outcome:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0)
            failed = world.fails(case)
            if not failed and asked % 7 == 0:
                return Outcome(verdict="invalid")
            return Outcome(verdict="fail" if failed else "pass", failed=int(failed))

    found = asyncio.run(probe(world, Counting(), POLICIES[policy], TfIdf(), calls=calls, again=again, jobs=jobs))
    assert asked == found.trail.calls <= calls
