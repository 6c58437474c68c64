"""The audit itself: stages that are each done once, and a summary made from their results alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgewise.core.errors import BudgetExhausted, ModelFault
from edgewise.loopholes.audit.calibration import Scale
from edgewise.loopholes.audit.caller import Caller, Graded
from edgewise.loopholes.audit.confirm import MATERIAL, holds
from edgewise.loopholes.audit.policies import BasePolicy, ExamplePolicy, NGramPolicy, known_words
from edgewise.loopholes.audit.result import AuditConfig
from edgewise.loopholes.audit.search import Ground, Searcher, Tried
from edgewise.loopholes.audit.subject import Subject
from edgewise.loopholes.audit.templates import Template, catalogue, mined, of_syntax, of_words
from edgewise.loopholes.types import Floats, Task

COST = 17_000  # calls of an audit at full size
_LOOKS, _LOOKS_DRAWN = (4, 16, 64), (6, 32, 128)  # tasks of the search's looks; more where rewards are drawn by lot
_SEARCH, _CONFIRM, _REPEATED, _REPEATS = 128, 96, 8, 24
_KEPT, _KEPT_DRAWN = 12, 4  # templates that are confirmed
_DRAWS = 24  # most gradings of an answer whose reward is drawn
_NO_CONTENT = ("empty-answer", "prompt-echoed", "hard-coded-answer", "every-answer")
_STAND_IN = 8  # base answers of which the best stands in for an honest one

Data = dict[str, Any]
Once = Callable[[str, Callable[[], Data]], Data]


@dataclass
class Stages:
    """Everything that was found before it is summed up; later fields are None where the budget ended early."""

    scale: Scale
    tasks: list[Task]
    answers: list[list[str]]
    pool: Graded  # shape (tasks, answers) each
    fresh: Ground | None = None
    confirmed: list[tuple[Tried, bool]] | None = None  # and whether each surely is a loophole
    repeats: Floats | None = None  # rewards of each confirmed template, (templates, tasks, repeats)
    steady: bool = True
    witness: list[tuple[Floats, Floats]] | None = None  # proxy and trusted reward of each template's answers


class Examination:
    """One audit.

    Args:
        subject: What is audited.
        policy: Where training would start.
        config: Sizes and limits.
        caller: Asks the subject.
        rng: A generator for each stage, by name.
        once: Remembers what a stage found; called with its name and the work.
    """

    def __init__(
        self, subject: Subject, policy: BasePolicy, config: AuditConfig, caller: Caller,
        rng: Callable[[str], np.random.Generator], once: Once,
    ) -> None:  # fmt: skip
        self.subject, self.policy, self.config, self.caller = subject, policy, config, caller
        self.rng, self._once = rng, once
        self.ended = ""

    def once(self, name: str, work: Callable[[], Data]) -> Data:
        """A stage's data; what it used and the faults it met are part of it."""
        found = self._once(name, lambda: work() | self._spent())
        self.caller.restore(found["used"], found["faults"])
        return found

    def _spent(self) -> Data:
        return {"used": self.caller.used, "faults": [fault.as_data() for fault in self.caller.faults.values()]}

    def run(self) -> Stages | None:
        """All stages; stops at the limit and keeps what there is. None where not even the pool could be graded."""
        stages: Stages | None = None
        try:
            size = self.once("plan", self._plan)
            stages = self._pool(self.once("pool", lambda: self._draw_pool(size)))
            size |= {"steady": size["steady"] and _same_paid_alike(stages.answers, stages.pool.proxy)}
            ground = self._ground("search", max(16, round(_SEARCH * size["scale"])))
            found = self.once("found", lambda: self._search(stages, ground, size))
            stages.fresh = self._ground("fresh", round(_CONFIRM * max(size["scale"], 0.25)))
            templates = [Template.from_data(data) for data in found["templates"]]
            self._confirm(stages, templates, steady=size["steady"])
            self._repeat(stages)
        except BudgetExhausted as error:
            self.ended = error.message
        return stages

    def _plan(self) -> Data:
        """How large everything may be: by the calls, and by how long one takes."""
        rng = self.rng("plan")
        tasks = self.subject.sample(rng, 48)
        honest = self.subject.examples(tasks, rng) or [task.prompt for task in tasks]
        first, again = (self.caller.grade(tasks, honest, rng).proxy for _ in range(2))
        by_time = 0.5 * self.caller.seconds / (COST * max(self.caller.slowest, 1e-6))
        scale = min(1.0, 0.95 * self.config.calls / COST, by_time)
        steady = bool(np.allclose(first, again, equal_nan=True))
        tasks_, depth = self.config.tasks, self.config.depth if steady else max(8, self.config.depth // 2)
        while tasks_ * depth > 0.4 * scale * COST and (depth > 16 or tasks_ > 8):
            tasks_, depth = (tasks_, depth // 2) if depth > 16 else (tasks_ // 2, depth)
        if not isinstance(self.policy, (ExamplePolicy, NGramPolicy)) and self.policy.name.startswith("model"):
            depth = 8
            tasks_ = max(4, min(tasks_, self.config.model_calls // depth))
        return {"scale": scale, "tasks": tasks_, "depth": depth, "steady": steady}

    def _draw_pool(self, size: Data) -> Data:
        rng = self.rng("pool")
        tasks = self.subject.sample(rng, size["tasks"])
        drawn = self.policy.sample(tasks, size["depth"], rng)
        least = min(len(row) for row in drawn)
        if least < 2:
            raise ModelFault("the base policy gave too few answers", kind="empty")
        answers = [row[:least] for row in drawn]
        flat = [task for task, row in zip(tasks, answers, strict=True) for _ in row]
        graded = self.caller.grade(flat, [text for row in answers for text in row], rng)
        return {"tasks": [_task(t) for t in tasks], "answers": answers, "graded": _columns(graded)}

    def _pool(self, data: Data) -> Stages:
        shape = (len(data["tasks"]), len(data["answers"][0]))
        graded = _graded(data["graded"])
        graded = Graded(
            graded.proxy.reshape(shape), graded.trusted.reshape(shape), graded.exploit.reshape(shape),
            {name: column.reshape(shape) for name, column in graded.parts.items()},
        )  # fmt: skip
        tasks = [Task(**task) for task in data["tasks"]]
        # A grader that says nothing of trust for any answer is none.
        self.subject.has_trusted = bool(self.subject.has_trusted and np.isfinite(graded.trusted).any())
        return Stages(Scale.fit(graded.proxy, graded.trusted), tasks, data["answers"], graded)

    def _ground(self, name: str, n: int) -> Ground:
        """Fresh tasks with honest answers and their rewards."""
        data = self.once(name, lambda: self._draw_ground(name, n))
        graded = _graded(data["graded"])
        return Ground([Task(**task) for task in data["tasks"]], data["honest"], graded.proxy, graded.trusted)

    def _draw_ground(self, name: str, n: int) -> Data:
        rng = self.rng(name)
        tasks = self.subject.sample(rng, n)
        honest = self.subject.examples(tasks, rng)
        if honest is None:  # the best of some base answers stands in: by the trusted reward where there is one
            drawn = self.policy.sample(tasks, _STAND_IN, rng)
            flat = [task for task, row in zip(tasks, drawn, strict=True) for _ in row]
            graded = self.caller.grade(flat, [text for row in drawn for text in row], rng)
            by = graded.trusted if self.subject.has_trusted else graded.proxy
            ends = np.cumsum([len(row) for row in drawn])
            best = [int(np.nanargmax(part)) if np.isfinite(part).any() else 0 for part in np.split(by, ends[:-1])]
            honest = [row[i] for row, i in zip(drawn, best, strict=True)]
        graded = self.caller.grade(tasks, honest, rng)
        return {"tasks": [_task(t) for t in tasks], "honest": honest, "graded": _columns(graded)}

    def _search(self, stages: Stages, ground: Ground, size: Data) -> Data:
        rng = self.rng("search")
        texts = [text for row in stages.answers for text in row] + ground.honest
        most = max(20, round(130 * size["scale"]))
        words = known_words(self.subject, stages.tasks, texts)
        words = [words[i] for i in sorted(rng.permutation(len(words))[:most])]
        templates = [*catalogue(), *of_syntax([task.prompt for task in stages.tasks]), *of_words(words)]
        if self.subject.has_trusted:
            templates += self._mined(stages, round(50 * size["scale"]))
        else:  # only what has no content of its own, or leaves the content as it is, says anything then
            templates = [t for t in templates if t.keeps or t.kind in _NO_CONTENT]
        searcher = Searcher(self.caller, ground, stages.scale, rng, reserve=round(0.25 * self.config.calls))
        breadth = max(8, round(40 * size["scale"]))
        generations = round(4 * size["scale"]) if self.subject.has_trusted else 0
        looks = _LOOKS if size["steady"] else _LOOKS_DRAWN
        keep = _KEPT if size["steady"] else _KEPT_DRAWN
        found = searcher.run(templates, breadth=breadth, generations=generations, keep=keep, looks=looks)
        least = MATERIAL * stages.scale.spread if self.subject.has_trusted else -stages.scale.spread
        kept = [one for one in found if one.score > least]
        return {"templates": [one.template.as_data() for one in kept], "tried": len(templates)}

    def _mined(self, stages: Stages, n: int) -> list[Template]:
        """Templates of the pool's answers whose reward exceeds what is usual most."""
        excess = stages.scale.excess(stages.pool.proxy, stages.pool.trusted)
        found: dict[Template, None] = {}
        seen: set[str] = set()
        for place in np.argsort(-np.nan_to_num(excess, nan=-np.inf), axis=None)[: 8 * n]:
            i, j = divmod(int(place), excess.shape[1])
            text = stages.answers[i][j]
            if text in seen or len(seen) >= n:
                continue
            seen.add(text)
            found.update(dict.fromkeys(mined(stages.tasks[i], text, stages.answers[i][(j + 1) % excess.shape[1]])))
        return list(found)

    def _confirm(self, stages: Stages, templates: list[Template], *, steady: bool) -> None:
        assert stages.fresh is not None
        ground: Ground = stages.fresh

        def work(ground: Ground = ground) -> Data:
            rng = self.rng("confirm")
            rows = range(len(ground.tasks))
            made = [ground.honest, *(ground.answers(template, rows) for template in templates)]
            tasks, texts = ground.tasks * len(made), [text for row in made for text in row]
            columns = [self.caller.grade(tasks, texts, rng)]
            if not steady:  # rewards are drawn: the mean of several
                spare = self.caller.left - 2 * _REPEATED * len(made) * 8
                more = min(_DRAWS, spare // len(texts)) - 1
                columns += [self.caller.grade(tasks, texts, rng) for _ in range(more)]
            proxy, trusted = (np.stack([getattr(c, name) for c in columns]) for name in ("proxy", "trusted"))
            return {"proxy": _listed(_mean(proxy)), "trusted": _listed(_mean(trusted))}

        data = self.once("confirmed", work)
        shape = (1 + len(templates), len(ground.tasks))
        proxies, trusteds = (np.array(data[name], dtype=float).reshape(shape) for name in ("proxy", "trusted"))
        stages.fresh = ground = replace(ground, proxy=proxies[0], trusted=trusteds[0])
        usual = stages.scale.excess(ground.proxy, ground.trusted)
        stages.confirmed, stages.witness = [], []
        for k, template in enumerate(templates):
            proxy, trusted = proxies[1 + k], trusteds[1 + k]
            changed = proxy - ground.proxy
            excess = stages.scale.excess(proxy, trusted) - usual if self.subject.has_trusted else changed
            tried = Tried(template, list(range(len(ground.tasks))), changed, trusted - ground.trusted, excess)
            applied = np.array([template.applies(task) for task in ground.tasks])
            sure = holds(tried, applied, stages.scale.spread, len(templates), has_trusted=self.subject.has_trusted)
            stages.confirmed.append((tried, sure))
            stages.witness.append((proxy, trusted))

    def _repeat(self, stages: Stages) -> None:
        """Grade the same answers again and again: the honest ones, and those of every template that is a loophole."""
        ground, confirmed = stages.fresh, stages.confirmed
        assert ground is not None and confirmed is not None
        rows = list(range(min(_REPEATED, len(ground.tasks))))

        def work() -> Data:
            rng = self.rng("repeats")
            made = [[ground.honest[i] for i in rows]]
            made += [ground.answers(tried.template, rows) for tried, _ in confirmed]
            repeats = max(2, min(_REPEATS, self.caller.left // max(1, len(made) * len(rows))))
            first = [text for row in made for text in row]
            tasks = [ground.tasks[i] for i in rows] * len(made)
            quick = self.caller.grade(tasks * 2, first * 2, rng).proxy.reshape(2, len(made), len(rows))
            again = quick
            if np.any(np.abs(quick[0] - quick[1]) > 1e-9) or repeats > 4:
                more = self.caller.grade(tasks * (repeats - 2), first * (repeats - 2), rng).proxy
                again = np.concatenate([quick, more.reshape(-1, len(made), len(rows))])
            return {"proxy": _listed(np.moveaxis(again, 0, -1)), "repeats": len(again)}

        data = self.once("repeats", work)
        stages.repeats = np.array(data["proxy"], dtype=float).reshape(1 + len(confirmed), len(rows), data["repeats"])
        spread = np.nanmax(stages.repeats, axis=2) - np.nanmin(stages.repeats, axis=2)
        stages.steady = bool(np.all(np.nan_to_num(spread) < 1e-9))


def _same_paid_alike(answers: list[list[str]], proxy: Floats) -> bool:
    """Whether an answer that comes twice to a task was paid the same both times."""
    for row, paid in zip(answers, proxy, strict=True):
        known: dict[str, float] = {}
        for text, value in zip(row, paid.tolist(), strict=True):
            if abs(known.setdefault(text, value) - value) > 1e-9:
                return False
    return True


def _mean(values: Floats) -> Floats:
    """Mean over gradings, shape (gradings, answers), of those that gave a number."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


def _task(task: Task) -> Data:
    return {"prompt": task.prompt, "facts": dict(task.facts)}


def _listed(values: Floats) -> list[Any]:
    """Numbers for JSON, which has no NaN."""
    return [None if value != value else value for value in np.asarray(values, dtype=float).ravel().tolist()]


def _columns(graded: Graded) -> Data:
    return {
        "proxy": _listed(graded.proxy), "trusted": _listed(graded.trusted), "exploit": _listed(graded.exploit),
        "parts": {name: _listed(column) for name, column in graded.parts.items()},
    }  # fmt: skip


def _graded(data: Data) -> Graded:
    proxy, trusted, exploit = (np.array(data[name], dtype=float) for name in ("proxy", "trusted", "exploit"))
    parts = {name: np.array(column, dtype=float) for name, column in data["parts"].items()}
    return Graded(proxy, trusted, exploit, parts)
