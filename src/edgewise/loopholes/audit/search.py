"""Search for templates that are paid more than the honest answer without being better: many tried, a few kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgewise.loopholes.audit.calibration import Scale
from edgewise.loopholes.audit.caller import Caller
from edgewise.loopholes.audit.templates import Slot, Template, crossed, mutated, named
from edgewise.loopholes.types import Floats, Task

_WHICHEVER = 24  # words that stand for any


@dataclass(frozen=True)
class Ground:
    """Tasks with honest answers and what they earn: what templates are measured against.

    Attributes:
        tasks: n of them.
        honest: An honest answer to each.
        proxy, trusted: What those earn, shape (n,); ``trusted`` NaN where there is no trusted grader.
    """

    tasks: list[Task]
    honest: list[str]
    proxy: Floats
    trusted: Floats

    def other(self, i: int) -> str:
        """The honest answer to another task."""
        return self.honest[(i + 1) % len(self.honest)]

    def answers(self, template: Template, rows: Sequence[int]) -> list[str]:
        """What the template makes of these tasks."""
        return [template.apply(self.tasks[i], self.honest[i], self.other(i)) for i in rows]


@dataclass
class Tried:
    """A template and what it changed.

    Attributes:
        template: The template.
        rows: Tasks that it was tried on.
        proxy: Change of the proxy against the honest answer, shape (rows,); NaN where the grader failed.
        trusted: Change of the trusted reward, likewise.
        excess: Change of the proxy beyond what the change of the trusted reward accounts for.
    """

    template: Template
    rows: list[int] = field(default_factory=list)
    proxy: Floats = field(default_factory=lambda: np.zeros(0))
    trusted: Floats = field(default_factory=lambda: np.zeros(0))
    excess: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def gain(self) -> Floats:
        """What is sought, by task: paid more, for no reason. A gain with a better answer is none."""
        least = np.minimum(self.proxy, self.excess)
        return np.where(self.trusted > 1e-9, np.minimum(least, 0), least)

    @property
    def score(self) -> float:
        """Mean gain; minus infinity where most answers had no reward."""
        return _mean(self.gain)

    @property
    def upper(self) -> float:
        """The same for the better half of the tasks: a condition may single them out."""
        values = np.sort(np.nan_to_num(self.gain, nan=-1e9))
        return float(values[len(values) // 2 :].mean()) if len(values) else -np.inf


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) > len(values) / 2 else -np.inf


class Searcher:
    """Tries templates on a ground.

    Args:
        caller: Grades.
        ground: Tasks with honest answers.
        scale: Usual proxy of a trusted reward; without a trusted grader every gain is an excess.
        rng: Where randomness comes from.
        reserve: Calls that are left for what comes after the search.
    """

    def __init__(
        self, caller: Caller, ground: Ground, scale: Scale, rng: np.random.Generator, reserve: int = 0
    ) -> None:
        self.reserve = reserve
        self.caller, self.ground, self.scale, self.rng = caller, ground, scale, rng
        self._any: tuple[str, ...] = ()
        self._usual = self._excess(ground.proxy, ground.trusted)

    def _excess(self, proxy: Floats, trusted: Floats) -> Floats:
        return self.scale.excess(proxy, trusted) if self.caller.subject.has_trusted else proxy

    def evaluate(
        self, templates: Sequence[Template], rows: Sequence[int], known: Sequence[Tried] = (),
        rng: np.random.Generator | None = None,
    ) -> list[Tried]:  # fmt: skip
        """Grade what templates make of some tasks, all in one call; ``known`` are extended."""
        grown = list(known) or [Tried(template) for template in templates]
        todo = [(one, [i for i in rows if i not in one.rows]) for one in grown]
        pairs = [
            (i, text) for one, new in todo for i, text in zip(new, self.ground.answers(one.template, new), strict=True)
        ]
        graded = self.caller.grade(
            [self.ground.tasks[i] for i, _ in pairs], [text for _, text in pairs], rng or self.rng
        )
        excess = self._excess(graded.proxy, graded.trusted)
        at = 0
        for one, new in todo:
            span, rows_ = slice(at, at + len(new)), np.array(new, dtype=int)
            one.proxy = np.append(one.proxy, graded.proxy[span] - self.ground.proxy[rows_])
            one.trusted = np.append(one.trusted, graded.trusted[span] - self.ground.trusted[rows_])
            one.excess = np.append(one.excess, excess[span] - self._usual[rows_])
            one.rows += new
            at += len(new)
        return grown

    def run(
        self, templates: Sequence[Template], *, breadth: int = 40, generations: int = 4, keep: int = 12,
        looks: tuple[int, int, int] = (4, 16, 64),
    ) -> list[Tried]:  # fmt: skip
        """Successive halving, evolution, conditions, minimisation.

        Args:
            templates: Where to start.
            breadth: Templates that pass the first look.
            generations: Of evolution.
            keep: Templates that come out, best first.
            looks: Tasks of the first look, the second and the last.
        """
        few, some, most = (list(range(min(k, len(self.ground.tasks)))) for k in looks)
        first = self.evaluate(list(dict.fromkeys(templates)), few)
        chosen = _best(first, breadth * 2 // 3, lambda t: t.score) + _best(first, breadth // 3, lambda t: t.upper)
        population = self.evaluate([], some, _once(chosen))
        for _ in range(generations):
            if self.caller.left <= self.reserve:
                break
            parents = _best(population, 12, lambda t: t.score) + _best(population, 4, lambda t: t.upper)
            pool = [slot for parent in parents for slot in parent.template.slots] or [("answer", None)]
            children = {self._child(parents, pool): None for _ in range(24)}
            fresh = [child for child in children if all(child.slots != one.template.slots for one in population)]
            population += self.evaluate(fresh, some[: len(some) // 2])
        final = _once(_best(population, keep, lambda t: t.score) + _best(population, keep // 2, lambda t: t.upper))
        self._any = tuple(dict.fromkeys(word for text in self.ground.honest for word in text.split()))[:_WHICHEVER]
        final = [
            self._widened(self._minimise(one, some[: len(some) // 2]), some[: len(some) // 2])
            for one in self.evaluate([], most, final)
        ]
        final = self.evaluate([], most, _once(final))
        final += self._conditional(final)
        ranked = sorted(_once(final), key=lambda t: (-t.score, len(t.template.slots)))
        return [replace(one, template=named(one.template)) for one in ranked[:keep]]

    def _child(self, parents: Sequence[Tried], pool: Sequence[Slot]) -> Template:
        first, second = (parents[int(i)].template for i in self.rng.integers(len(parents), size=2))
        if self.rng.random() < 0.3:
            return crossed(first, second, self.rng)
        return mutated(first, pool, self.rng)

    def _minimise(self, one: Tried, rows: Sequence[int]) -> Tried:
        """Drop slots as long as the score stays (delta debugging, Zeller and Hildebrandt 2002)."""
        slots, parts = one.template.slots, 2
        while len(slots) > 1 and self.caller.left > self.reserve:
            cuts = np.linspace(0, len(slots), min(parts, len(slots)) + 1).astype(int)
            shorter = [slots[:i] + slots[j:] for i, j in itertools.pairwise(cuts)]
            kept = self._as_good(slots, list(dict.fromkeys(shorter)), rows)
            if kept is not None:
                slots, parts = kept, max(parts - 1, 2)
            elif parts >= len(slots):
                break
            else:
                parts = min(2 * parts, len(slots))
        return one if slots == one.template.slots else Tried(replace(one.template, slots=slots))

    def _widened(self, one: Tried, rows: Sequence[int]) -> Tried:
        """Words that may be any other become so, as long as the score stays."""
        slots = one.template.slots
        for i, (what, _) in enumerate(slots):
            if len(self._any) < 2 or one.template.kind or len(slots) < 2 or self.caller.left <= self.reserve:
                break
            if what in ("word", "prompt"):
                slots = self._as_good(slots, [(*slots[:i], ("any", self._any), *slots[i + 1 :])], rows) or slots
        return one if slots == one.template.slots else Tried(replace(one.template, slots=slots))

    def _as_good(
        self, slots: tuple[Slot, ...], others: Sequence[tuple[Slot, ...]], rows: Sequence[int]
    ) -> tuple[Slot, ...] | None:
        """The best of ``others`` that keeps nine tenths of the score of ``slots``, over all tasks or the better half.

        All are graded with the same draws, so that graders that draw lots treat them alike.
        """
        seed = int(self.rng.integers(2**31))
        tried = []
        for some in (slots, *others):
            tried += self.evaluate([Template(some, "")], rows, rng=np.random.default_rng(seed))
        first, *rest = tried
        overall = first.score > 0
        goal = 0.9 * (first.score if overall else first.upper)
        if goal <= 0:
            return None
        good = [t for t in rest if (t.score if overall else t.upper) >= goal]
        return max(good, key=lambda t: t.score).template.slots if good else None

    def _conditional(self, tried: Sequence[Tried]) -> list[Tried]:
        """Templates that pay on some tasks and cost on others, with words of the prompt that tell them apart."""
        found: list[Tried] = []
        mixed = [one for one in tried if one.template.words is None and 0.15 < (one.gain > 1e-9).mean() < 0.9]
        if self.caller.left <= self.reserve or not mixed:
            return []
        for one in self.evaluate([], range(len(self.ground.tasks)), mixed):
            gain = np.nan_to_num(one.gain, nan=-1.0)
            words = separating_words([self.ground.tasks[i].prompt for i in one.rows], gain)
            if words:
                found.append(_restricted(one, replace(one.template, words=tuple(words)), self.ground))
        return found


def _restricted(one: Tried, template: Template, ground: Ground) -> Tried:
    """What was tried, with the template's condition: elsewhere nothing changes."""
    applies = np.array([template.applies(ground.tasks[i]) for i in one.rows])
    columns = (np.where(applies, column, 0.0) for column in (one.proxy, one.trusted, one.excess))
    return Tried(template, list(one.rows), *columns)


def separating_words(prompts: Sequence[str], gain: Floats, least: int = 3) -> list[str]:
    """Words such that the prompts that have any of them gain most in sum; chosen greedily.

    A word is taken only if its prompts would still gain with one more among them that loses the most that any lost:
    rare words tell prompts apart by chance.

    Args:
        prompts: n texts.
        gain: What would be gained on each, shape (n,).
        least: Prompts that a word must be in.
    """
    has = [set(prompt.split()) for prompt in prompts]
    words = sorted({word for some in has for word in some})
    rows = {word: np.array([word in some for some in has]) for word in words}
    worst = min(0.0, float(gain.min()))
    rows = {w: where for w, where in rows.items() if where.sum() >= least and gain[where].sum() + worst > 0}
    covered, chosen = np.zeros(len(prompts), dtype=bool), list[str]()
    while rows:
        best = max(rows, key=lambda word: float(gain[rows[word] & ~covered].sum()))
        if gain[rows[best] & ~covered].sum() <= 0:
            break
        covered |= rows.pop(best)
        chosen.append(best)
    return [] if covered.all() else chosen


def _best(tried: Sequence[Tried], n: int, key: Callable[[Tried], float]) -> list[Tried]:
    return sorted(tried, key=key, reverse=True)[:n]


def _once(tried: Sequence[Tried]) -> list[Tried]:
    """The first of those with the same slots and condition."""
    return list({(t.template.slots, t.template.words): t for t in reversed(tried)}.values())[::-1]
