"""The planner by default: the next step of the goal that is not reached, and backward chaining to its conditions.

It keeps nothing between decisions: all that it knows is in the facts, so that what an arm of the memory ladder forgets,
the planner does not know.
"""

from __future__ import annotations

from edgewise.core.errors import BadInput
from edgewise.embodied.beliefs import Beliefs
from edgewise.embodied.conditions import Names, final_conditions, holds, reached, rest_of
from edgewise.embodied.planners.chaining import Chain, Missing, Stuck, exchangeable
from edgewise.embodied.types import Directive, Goal, Predicate
from edgewise.scene.types import Action, Fact, Observation, Segmentation


class SymbolicPlanner:
    """Chooses primitives by backward chaining over the table of preconditions and effects."""

    name = "symbolic"

    def __init__(self) -> None:
        self._goal: Goal | None = None

    def reset(self, goal: Goal) -> None:
        """A new episode."""
        self._goal = goal

    def decide(
        self, facts: tuple[Fact, ...], observation: Observation, segmentation: Segmentation, feedback: str
    ) -> Directive:
        """The next directive; the pictures are not looked at, and what failed is in the facts."""
        if self._goal is None:
            raise BadInput("the planner has no goal", fix="call reset(goal) first")
        return next_directive(self._goal, Beliefs.of(facts))


def next_directive(goal: Goal, beliefs: Beliefs) -> Directive:
    """The directive that beliefs lead to: the same for the same beliefs."""
    names = beliefs.resolve(goal)
    step = reached(goal, beliefs, names)
    at_end = step + 1 >= len(goal.steps)
    conditions = _verifiable(final_conditions(goal), beliefs, names) if at_end else goal.steps[step + 1].conditions
    later = tuple(c for part in rest_of(goal, step + 1) for c in part)
    chain = Chain(beliefs, names, conditions, () if at_end else later, fresh=step >= max(beliefs.steps_told, 0))
    where = "the end" if at_end else f"step {step + 2} of {len(goal.steps)}"
    try:
        doubt = _doubt(goal, step, chain.first_open(), beliefs, names)
        if doubt:
            return Directive(give_up=doubt, reached=step, thought=f"{where}: {doubt}")
        action = chain.next_action()
    except Missing as missing:
        label = next((r.label for r in goal.referents if r.name == missing.message), missing.message)
        action = _find(chain, label)
        if action is None:
            return Directive(give_up=f"unknown: no {label} was ever seen", reached=step, thought=where)
    except Stuck as stuck:
        return Directive(give_up=stuck.message, reached=step, thought=f"{where}: {stuck.message}")
    if action is None and beliefs.held is not None:
        try:
            action = chain.put_away(beliefs.held)
        except Stuck as stuck:
            return Directive(give_up=stuck.message, reached=step, thought=where)
    if action is None:
        return Directive(done=True, reached=step, thought="every step was reached, and the end holds")
    return Directive(action=_named(action, where, beliefs), reached=step, thought=where)


def _verifiable(conditions: tuple[Predicate, ...], beliefs: Beliefs, names: Names) -> tuple[Predicate, ...]:
    """Without what the facts cannot tell: a memory that does not know where things were takes them for returned."""

    def told(name: str) -> bool:
        return name not in names or beliefs.position_at(names[name], 0.0) is not None

    return tuple(c for c in conditions if c.name != "returned" or told(c.arguments[0]))


def _doubt(goal: Goal, step: int, condition: Predicate | None, beliefs: Beliefs, names: Names) -> str:
    """Why it must not be acted on: it matters which of several alike objects one is, and nobody can tell."""
    if condition is None or holds(condition, beliefs, names) is True:
        return ""
    for name in condition.arguments:
        identity = names.get(name)
        fact = None if identity is None else beliefs.objects.get(identity)
        if fact is None or identity is None:
            continue
        for other in fact.confused_with:
            if not exchangeable(identity, other, rest_of(goal, step), names):
                return f"unknown: {beliefs.called(identity)} and {beliefs.called(other)} cannot be told apart"
    return ""


def _find(chain: Chain, label: str) -> Action | None:
    try:
        return chain.find(label)
    except Stuck:
        return None


def _named(action: Action, where: str, beliefs: Beliefs) -> Action:
    """The action with its reason, for the log."""
    why = f"{where}: {action.why}" if action.why else where
    return Action(0, action.name, action.target, action.reference, action.second, action.position, why)
