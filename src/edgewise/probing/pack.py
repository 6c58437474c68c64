"""A regression pack: confirmed modes frozen with their questions, to be asked again of any model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import orjson
from pydantic import ValidationError

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.core.files import write_atomically
from edgewise.core.records import Record
from edgewise.core.run import Run
from edgewise.core.tables import json_records
from edgewise.models.judge import Judge
from edgewise.models.open import open_model
from edgewise.probing.features import meets
from edgewise.probing.grading import needs_judge
from edgewise.probing.modes.find import rate_of
from edgewise.probing.search.runner import Step, Trail, ask_all
from edgewise.probing.tables import read_modes, read_trail, short, write_tables
from edgewise.probing.targets import ModelTarget, Target, is_planted, read_planted
from edgewise.probing.types import Case, Mode, Outcome

Kind = Literal["member", "fresh", "boundary", "control"]
Change = Literal["fixed", "regressed", "new", "unchanged", "unclear"]
_LEVEL = 0.05
_CANARY = "edgewise pack; questions for regression tests, not to be trained on"


class Question(Record):
    """A question of a pack.

    Attributes:
        modes: Modes it belongs to; none for a control.
        kind: A ``member`` was found by searching; a ``fresh`` one was drawn to confirm the mode, whatever came of it; a
            ``boundary`` one is close to a member and was passed; a ``control`` met no trigger.
        failed: Whether the target failed on it when the pack was made.
        case: The question.
    """

    modes: tuple[str, ...]
    kind: Kind
    failed: bool
    case: Case


class Pack(Record):
    """Confirmed modes with their questions.

    Attributes:
        model: Who was examined.
        judge: Who judged answers that no rule could; ``None`` if nobody did.
        modes: Confirmed ones.
        questions: Theirs, and controls.
    """

    SCHEMA: ClassVar[str] = "pack/1"
    model: str
    judge: str | None = None
    modes: tuple[Mode, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Changed:
    """One mode before and after.

    Attributes:
        mode: It.
        before: Failure rate of questions that meet its trigger and were not chosen for failing.
        after: The same of the other run or model; ``None`` if too few were asked.
        outcome: ``fixed`` and ``regressed`` mean less and more often, beyond chance; ``new`` that only the second has
            it; ``unclear`` that it cannot be told.
    """

    mode: Mode
    before: Estimate | None
    after: Estimate | None
    outcome: Change

    def as_data(self) -> dict[str, Any]:
        """For ``--json``."""
        rates: dict[str, Any] = {
            name: short(None if rate is None else rate.model_dump())
            for name, rate in (("before", self.before), ("after", self.after))
        }
        return {"name": self.mode.name, "trigger": list(self.mode.trigger), **rates, "outcome": self.outcome}


@dataclass(frozen=True)
class Checked:
    """A pack asked again."""

    model: str
    changes: tuple[Changed, ...]
    unanswered: int
    run: Path

    def as_data(self) -> dict[str, Any]:
        """For ``--json``."""
        modes: list[Any] = [change.as_data() for change in self.changes]
        return {"model": self.model, "modes": modes, "unanswered": self.unanswered, "run": str(self.run)}


def write_pack(run: Run, path: Path) -> Pack:
    """Freeze the confirmed modes of a probe: a header line, then a line for each question.

    Raises:
        BadInput: The run has not probed, or has no confirmed mode.
    """
    _need_modes(run)
    modes = [mode for mode in read_modes(run) if mode.status == "confirmed"]
    if not modes:
        raise BadInput("the run has no confirmed mode", file=run.path, fix="a larger --budget may confirm some")
    confirmed = {mode.mode_id for mode in modes}
    near = {case_id: mode.mode_id for mode in modes for _, case_id in mode.boundary}
    questions = []
    for step in read_trail(run).steps:
        if step.outcome.verdict == "invalid":
            continue
        met = tuple(mode.mode_id for mode in modes if meets(step.case, mode.trigger))
        kind: Kind | None = None
        if step.phase == "holdout":
            if step.about in confirmed:  # one that was written from the description need not meet the conditions
                kind, met = "fresh", tuple(dict.fromkeys((step.about, *met)))
            else:
                kind = None if step.about or met else "control"
        elif met and step.outcome.stable:
            kind = "member"
        elif step.case.case_id in near:
            kind, met = "boundary", (near[step.case.case_id],)
        if kind is not None:
            questions.append(Question(modes=met, kind=kind, failed=step.outcome.stable, case=step.case))
    who, judge = str(run.manifest.model.get("name", "?")), run.manifest.config.get("judge")
    pack = Pack(model=who, judge=judge, modes=tuple(modes), questions=tuple(questions))
    header: dict[str, Any] = {"pack": Pack.SCHEMA, "canary": _CANARY, "model": who, "judge": judge}
    header |= {"modes": [mode.model_dump(mode="json") for mode in modes]}
    lines = [header, *(question.model_dump(mode="json") for question in questions)]
    write_atomically(path, b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return pack


def _need_modes(run: Run) -> None:
    if run.manifest.kind not in ("probe", "checkup") or not run.table_path("modes").is_file():
        need = "one of `edgewise probe`, or a check-up with the instrument `probing`"
        raise BadInput(f"this {run.manifest.kind} run holds no search for failure modes; need {need}", file=run.path)


def read_pack(path: Path) -> Pack:
    """Read a pack.

    Raises:
        BadInput: It is none, or a line is damaged; names the line.
    """
    if not path.is_file():
        raise BadInput("there is no such pack", file=path, fix="`edgewise probe pack RUN` writes one")
    header: dict[str, Any] | None = None
    questions = []
    for row, record in json_records(path):
        try:
            if header is None:
                if record.get("pack") != Pack.SCHEMA:
                    raise BadInput(f"this is no pack of the form {Pack.SCHEMA}", file=path, row=row, field="pack")
                header = record
                modes = tuple(Mode.model_validate(mode) for mode in record["modes"])
            else:
                questions.append(Question.model_validate(record))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"]))
            raise BadInput(problem["msg"], file=path, row=row, field=field) from None
        except KeyError as error:
            raise BadInput("it is missing", file=path, row=row, field=str(error.args[0])) from None
    if header is None:
        raise BadInput("the file is empty", file=path)
    judge = header.get("judge")
    return Pack(
        model=str(header.get("model", "?")),
        judge=None if judge is None else str(judge),
        modes=modes,
        questions=tuple(questions),
    )


async def check_pack(
    path: Path,
    spec: str,
    folder: Path,
    *,
    judge: str | None = None,
    jobs: int = 8,
    max_tokens: int = 256,
    seed: int = 0,
) -> Checked:
    """Ask a pack's questions of a model, in a run of its own.

    Modes are judged by their fresh questions alone: members were chosen for having failed once, and would look better
    on any second asking.

    Args:
        path: The pack.
        spec: Who is asked: a specification for ``open_model``, or ``planted:RULES.yaml``.
        folder: Of the run.
        judge: Model that judges what no rule can. If the pack's own run had a judge and this has none, answers that
            only a judge could clear have no verdict.
        jobs: Questions in flight at a time.
        max_tokens: Of an answer.
        seed: Of the run.
    """
    pack = read_pack(path)
    config = {"model": spec, "pack": str(path), "judge": judge, "max_tokens": max_tokens, "jobs": jobs}
    with ExitStack() as stack:
        models = {}
        for role, wanted in (("target", None if is_planted(spec) else spec), ("judge", judge)):
            if wanted is not None:
                models[role] = open_model(wanted, role=role)
                stack.callback(models[role].close)
        planted = read_planted(spec) if is_planted(spec) else None
        about = {"name": spec, "spec": spec, "identity": spec} if planted else models["target"].describe()
        run = stack.enter_context(Run.create(folder, "probe-check", config, seed=seed, model=about))
        run.events.append("started", config)
        target: Target | None = planted
        if target is None:
            asked = Judge(models["judge"].bind(run)) if judge is not None else None
            target = ModelTarget(models["target"].bind(run), max_tokens=max_tokens, judge=asked)
        cases = [question.case for question in pack.questions]
        outcomes = await ask_all(target, cases, again=0, jobs=jobs)
        if pack.judge is not None and judge is None:
            outcomes = [_unjudged(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]
        write_tables(run, _as_trail(pack, outcomes), pack.modes)
        changes = []
        for mode in pack.modes:
            pairs = [
                (question.failed, outcome.verdict == "fail")
                for question, outcome in zip(pack.questions, outcomes, strict=True)
                if question.kind == "fresh" and mode.mode_id in question.modes and outcome.verdict != "invalid"
            ]
            changes.append(_paired(mode, pairs))
        unanswered = sum(outcome.verdict == "invalid" for outcome in outcomes)
        data = Checked(str(about["name"]), tuple(changes), unanswered, run.path)
        run.finish("incomplete" if unanswered else "complete", modes=[c.as_data() for c in changes])
        return data


def _unjudged(case: Case, outcome: Outcome) -> Outcome:
    """A wrong answer by rule is none where the pack's own answers had a judge."""
    if outcome.verdict != "fail" or not needs_judge(case):
        return outcome
    return outcome.model_copy(update={"verdict": "invalid", "failed": 0, "error": "a judge would have to say"})


def _as_trail(pack: Pack, outcomes: Sequence[Outcome]) -> Trail:
    trail = Trail()
    for question, outcome in zip(pack.questions, outcomes, strict=True):
        about = question.modes[0] if question.modes else ""
        trail.steps.append(Step(len(trail.steps), "holdout", None, question.case, outcome, about))
    return trail


def _paired(mode: Mode, pairs: Sequence[tuple[bool, bool]]) -> Changed:
    """The same questions then and now, by the exact McNemar test."""
    from edgewise.stats.paired import mcnemar_exact

    before = rate_of(sum(a for a, _ in pairs), len(pairs))
    after = rate_of(sum(b for _, b in pairs), len(pairs))
    outcome: Change = "unclear"
    if pairs:
        then, now = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
        if mcnemar_exact(then, now) < _LEVEL:
            outcome = "fixed" if sum(now) < sum(then) else "regressed"
        elif len(pairs) >= 6:
            outcome = "unchanged"
    return Changed(mode, before, after, outcome)


def compare_runs(first: Run, second: Run) -> list[Changed]:
    """What became of the modes that either run confirmed, by questions that were not chosen for failing.

    Raises:
        BadInput: One of them has not probed.
    """
    for run in (first, second):
        _need_modes(run)
    steps = [[s for s in read_trail(run).steps if s.outcome.verdict != "invalid"] for run in (first, second)]
    modes = [[mode for mode in read_modes(run) if mode.status == "confirmed"] for run in (first, second)]
    triggers = {frozenset(mode.trigger) for mode in modes[0]}
    changes = [_between(mode, steps, new=False) for mode in modes[0]]
    changes += [_between(mode, steps, new=True) for mode in modes[1] if frozenset(mode.trigger) not in triggers]
    return changes


def _between(mode: Mode, steps: list[list[Step]], *, new: bool) -> Changed:
    from scipy.stats import fisher_exact

    counts = []
    for run in steps:
        met = [s for s in run if s.phase != "micro" and meets(s.case, mode.trigger)]
        counts.append((sum(step.outcome.stable for step in met), len(met)))
    (a, n), (b, m) = counts
    outcome: Change = "unclear"
    if min(n, m) >= 4:
        p = float(fisher_exact(np.array([[a, n - a], [b, m - b]])).pvalue)
        less = b / m < a / n
        worse: Change = "new" if new else "regressed"
        outcome = "unchanged" if p >= _LEVEL else "fixed" if less else worse
    return Changed(mode, rate_of(a, n), rate_of(b, m), outcome)
