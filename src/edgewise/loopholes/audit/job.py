"""``edgewise loopholes audit``: an environment in, a run folder with its loopholes out; killed, it goes on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput, RunError
from edgewise.core.files import explain_os_errors
from edgewise.core.records import parse_options
from edgewise.core.run import Run
from edgewise.loopholes.audit.caller import Caller
from edgewise.loopholes.audit.examine import Data, Examination
from edgewise.loopholes.audit.policies import (
    BasePolicy,
    ModelPolicy,
    NGramPolicy,
    UniformPolicy,
    default_policy,
    known_words,
)
from edgewise.loopholes.audit.result import AuditConfig, AuditRun
from edgewise.loopholes.audit.subject import Subject, environment_subject
from edgewise.loopholes.audit.summary import NO_TRUSTED, summarise

_FITTED = 256  # tasks whose examples an n-gram is fitted to
_STAGES = ("plan", "pool", "search", "found", "fresh", "confirmed", "repeats")


def audit(config: AuditConfig, folder: Path, *, seed: int = 0) -> AuditRun:
    """Audit an environment in a new run.

    Raises:
        BadInput: The environment or the base policy cannot be used; nothing is written then.
        Unsupported: The environment is a file, and this machine has no sandbox for it.
    """
    subject = environment_subject(config.environment, trust=config.trust)
    about = {"name": config.base, "identity": _digest(config)}
    with Run.create(folder, "loopholes-audit", config.model_dump(mode="json"), seed=seed, model=about) as run:
        return _carry_out(run, config, subject)


def resume_audit(folder: Path) -> AuditRun:
    """Continue a run: answers that were graded are not graded again, and the result is that of a run never stopped.

    Raises:
        RunError: The environment's file has changed since.
    """
    with Run.open(folder, writable=True) as run:
        config = parse_options(AuditConfig, run.manifest.config, what="manifest")
        if _digest(config) != run.manifest.model.get("identity"):
            raise RunError("the environment has changed since", where=config.environment, fix="start a new run")
        return _carry_out(run, config, environment_subject(config.environment, trust=config.trust))


def audit_subject(
    subject: Subject, config: AuditConfig, *, seed: int = 0, policy: BasePolicy | None = None
) -> dict[str, Any]:
    """Audit without a run folder: the summary alone.

    Args:
        subject: What is audited, e.g. ``EnvironmentSubject(environment)``.
        config: Its ``environment`` is a name.
        seed: Of all draws.
        policy: Where training would start, in place of the configuration's.
    """

    def rng(name: str) -> np.random.Generator:
        return np.random.default_rng([seed, *name.encode()])

    caller = Caller(subject, calls=config.calls, seconds=config.seconds, per_answer=config.per_answer)
    with ExitStack() as stack:
        base = policy or open_policy(config, subject, rng("policy"), stack, None)
        return _examined(subject, base, config, caller, rng, lambda _, work: work())


def _digest(config: AuditConfig) -> str:
    """Of the environment's file; empty for what is no file."""
    path = Path(config.environment.rpartition(":")[0] or config.environment)
    path = path if path.suffix == ".py" else Path(config.environment)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.suffix == ".py" and path.is_file() else ""


def open_policy(
    config: AuditConfig, subject: Subject, rng: np.random.Generator, stack: ExitStack, run: Run | None
) -> BasePolicy:
    """The base policy that was asked for.

    Raises:
        BadInput: An n-gram without texts, or a model that there is not.
    """
    if config.base == "auto":
        return default_policy(subject, rng)
    tasks = subject.sample(rng, _FITTED)
    texts = subject.examples(tasks, rng)
    words = known_words(subject, tasks, texts or [])
    if config.base == "uniform":
        return UniformPolicy(words)
    if config.base == "ngram":
        if texts is None:
            raise BadInput("the environment has no examples to fit to", field="base", fix="give a file of texts")
        return NGramPolicy(texts, words)
    if Path(config.base).is_file():
        with explain_os_errors(Path(config.base), "cannot read the texts"):
            lines = [line for line in Path(config.base).read_text(errors="replace").splitlines() if line.strip()]
        if not lines:
            raise BadInput("the file has no text", file=config.base, field="base")
        return NGramPolicy(lines, words)
    from edgewise.models.open import open_model

    model = open_model(config.base)
    stack.callback(model.close)
    return ModelPolicy(model if run is None else model.bind(run))


def _carry_out(run: Run, config: AuditConfig, subject: Subject) -> AuditRun:
    started = time.monotonic()
    run.events.append("started", {"environment": config.environment})

    def once(name: str, work: Callable[[], Data]) -> Data:
        found = run.events.get("stage", name)
        if found is None:
            found = work()
            run.events.append("stage", found, key=name)
        run.progress("audit", _STAGES.index(name) + 1, len(_STAGES))
        return found

    caller = Caller(subject, calls=config.calls, seconds=config.seconds, per_answer=config.per_answer)
    with ExitStack() as stack:
        policy = open_policy(config, subject, run.rng("policy"), stack, run)
        summary = _examined(subject, policy, config, caller, run.rng, once)
    summary["run"] = str(run.path)
    run.events.append("summary", summary)
    seconds = round(time.monotonic() - started, 1)
    run.finish(summary["status"], notes=summary["notes"], seconds=seconds, usage={}, faults={})
    return AuditRun(run.path, summary)


def _examined(
    subject: Subject, policy: BasePolicy, config: AuditConfig, caller: Caller,
    rng: Callable[[str], np.random.Generator], once: Callable[[str, Callable[[], Data]], Data],
) -> dict[str, Any]:  # fmt: skip
    examination = Examination(subject, policy, config, caller, rng, once)
    stages = examination.run()
    summary = summarise(stages, caller, subject.name, policy.name, rng("summary"))
    notes = [] if subject.has_trusted else [NO_TRUSTED]
    if examination.ended:
        notes.append(f"{examination.ended}; what came before stands")
    if summary["deterministic"] is False:
        notes.append("the same answer is not always paid the same")
    if summary["unreached"]:
        notes.append(f"parts of the reward that no answer moved: {', '.join(summary['unreached'])}")
    notes += [f"the grader {_shown(fault)}, {fault['count']} times" for fault in summary["faults"]]
    return summary | {"notes": notes, "status": "incomplete" if examination.ended else "complete"}


def _shown(fault: dict[str, Any]) -> str:
    return fault["kind"] if fault["detail"] == fault["kind"] else f"{fault['kind']} ({fault['detail']})"
