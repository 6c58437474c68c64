"""Rewards as people write them: TRL-style functions with prompts, verifiers environments, Gymnasium environments."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.core.files import explain_os_errors
from edgewise.loopholes.audit import worker
from edgewise.loopholes.audit.subject import Answered, EnvironmentSubject, Subject
from edgewise.loopholes.types import Grade, Task

_HOW = "docs/loopholes.md says what an environment needs: prompts, reward, and if there are any true and examples"
_WALL = 50.0  # seconds of one call of the sandbox


class BundleSubject:
    """Prompts and reward functions, graded by ``grade_rows`` wherever that runs.

    Args:
        name: Shown in reports.
        about: What ``worker.serve`` says of the bundle.
        grade: Takes rows, seconds and a seed, and returns what ``worker.grade_rows`` returns.
    """

    def __init__(
        self, name: str, about: dict[str, Any], grade: Callable[[list[dict[str, Any]], float, int], Any]
    ) -> None:
        self.name, self._about, self._grade = name, about, grade
        self.has_trusted: bool = about["has_true"]
        self.fallback: float | None = about["fallback"]
        self.vocabulary: tuple[str, ...] = ()
        self._tasks = [
            Task(row["prompt"], {"row": i, "columns": row["columns"]}) for i, row in enumerate(about["rows"])
        ]

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        """Every prompt once, in random order, before any comes again."""
        rounds = [rng.permutation(len(self._tasks)) for _ in range(-(-n // len(self._tasks)))]
        return [self._tasks[i] for i in np.concatenate(rounds)[:n]]

    def examples(self, tasks: Sequence[Task], rng: np.random.Generator) -> list[str] | None:
        """The example of each prompt, if there are any."""
        given = self._about["examples"]
        return None if given is None else [given[task.facts["row"]] for task in tasks]

    def ask(
        self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator, seconds: float
    ) -> Answered:
        """Weighted sum of the functions; an answer that any of them fails on has no reward."""
        rows = [
            {"prompt": task.prompt, "completion": text, "columns": task.facts["columns"]}
            for task, text in zip(tasks, completions, strict=True)
        ]
        found = self._grade(rows, seconds, int(rng.integers(2**31)))
        if "fault" in found:
            nan = float("nan")
            return Answered([Grade(nan, nan, nan, nan, fault=found["fault"])] * len(rows), len(rows), seconds)
        return Answered(self._rows(found, len(rows)), found["calls"], found["seconds"])

    def _rows(self, found: dict[str, Any], n: int) -> list[Grade]:
        nan, grades = float("nan"), []
        for i in range(n):
            each = [column[i] for column in found["rewards"]]
            faults = [
                fault if len(each) == 1 else f"{fault} ({name})"
                for (_, fault), name in zip(each, self._about["names"], strict=True) if fault
            ]  # fmt: skip
            values = [value for value, _ in each]
            total = nan
            if None not in values:
                total = float(np.dot(self._about["weights"], values))
            parts = dict(zip(self._about["names"], (nan if v is None else float(v) for v in values), strict=True))
            true, wrong = found["true"][i] if found["true"] else (None, "")
            if wrong:
                faults.append(f"{wrong} (true)")
            trusted = nan if true is None else float(true)
            grades.append(Grade(total, trusted, trusted, nan, parts, "; ".join(faults)))
        return grades


def sandboxed_subject(path: str, name: str) -> Subject:
    """A file of reward functions, run in the sandbox: it sees the standard library and its own text.

    Raises:
        BadInput: The file cannot be read or lacks a part; names file, line and what to do.
        Unsupported: This machine has no sandbox.
    """
    from edgewise.sandbox import Limits, run_python_sync

    file = Path(path)
    with explain_os_errors(file, "cannot read the environment"):
        files: dict[str, str | bytes] = {"subject_file.py": file.read_bytes()}
    source = Path(worker.__file__).read_text()

    def call(request: dict[str, Any]) -> dict[str, Any]:
        request = {"path": "subject_file.py", "name": name, **request}
        limits = Limits(wall_seconds=_WALL, cpu_seconds=_WALL, memory_mb=1024, output_kb=1 << 14)
        done = run_python_sync(source, stdin=json.dumps(request), files=files, limits=limits)
        if done.status == "ok":
            reply: dict[str, Any] = json.loads(done.stdout)
            return reply
        last = done.stderr.strip().rpartition("\n")[2][:200]
        return {"fault": f"ends the process: {done.status} {last}".strip()}

    about = call({"do": "describe"})
    if "fault" in about:
        raise BadInput(about["fault"], file=path, fix="run the file by hand first")
    _refuse(about, path, sandboxed=True)
    return BundleSubject(
        f"{file.stem}:{name}" if name else file.stem, about,
        lambda rows, seconds, seed: call({"do": "grade", "rows": rows, "seconds": seconds, "seed": seed}),
    )  # fmt: skip


def _refuse(about: dict[str, Any], path: str, *, sandboxed: bool) -> None:
    """Say what is wrong with a file."""
    if "error" not in about:
        return
    kind, message, line = about["error"], about["message"], about.get("line")
    missing = kind in ("ImportError", "ModuleNotFoundError")
    fix = "give --trust to run it in this process, where installed packages are" if missing and sandboxed else _HOW
    words = message if kind == "ValueError" else f"{kind}: {message}"
    raise BadInput(words, file=path, row=line if isinstance(line, int) else None, fix=fix)


def trusted_file(path: str, name: str) -> Subject:
    """What a file holds, imported into this process.

    Raises:
        BadInput: The file cannot be imported, or holds nothing that can be audited.
    """
    file = Path(path)
    with explain_os_errors(file, "cannot read the environment"):
        file.read_bytes()
    try:
        found = worker.load_source(path, name)
    except EdgewiseError:
        raise
    except BaseException as error:
        _refuse({"error": type(error).__name__, "message": str(error), "line": None}, path, sandboxed=False)
        raise
    return subject_of(found, f"{file.stem}:{name}" if name else file.stem, path)


def module_subject(module: str, name: str) -> Subject:
    """What an installed module holds under a name.

    Raises:
        BadInput: There is no such module or name, or nothing that can be audited.
    """
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise BadInput(str(error), field="ENV", fix="check the module's and the name's spelling") from None
    return subject_of(found, f"{module}:{name}", f"{module}:{name}")


def subject_of(found: Any, name: str, where: str = "") -> Subject:
    """An object as a subject, by what it has: grade, a rubric, reset and step, or prompts and reward.

    Args:
        found: An ``Environment``, a verifiers environment, a Gymnasium environment, a bundle; or a class or function
            without arguments that makes one.
        name: Shown in reports.
        where: Named in errors.

    Raises:
        BadInput: It has none of these.
    """
    if inspect.isfunction(found) or (inspect.isclass(found) and not hasattr(found, "reward")):
        found = found()
    if callable(getattr(found, "grade", None)) and callable(getattr(found, "sample", None)):
        return EnvironmentSubject(found, has_trusted=bool(getattr(found, "has_trusted", True)))
    if hasattr(found, "rubric"):
        from edgewise.loopholes.audit.adapters import verifiers_bundle

        found = verifiers_bundle(found, where or name)
    elif callable(getattr(found, "reset", None)) and callable(getattr(found, "step", None)):
        from edgewise.loopholes.audit.adapters import GymnasiumEpisodes

        return EnvironmentSubject(
            GymnasiumEpisodes(found, name), has_trusted=bool(getattr(found, "has_trusted", False))
        )
    try:
        bundle = worker.read_bundle(found)
    except (ValueError, TypeError) as error:
        raise BadInput(str(error), file=where or name, fix=_HOW) from None
    about = {key: bundle[key] for key in ("weights", "rows", "examples", "fallback", "names")}
    about["has_true"] = bundle["true"] is not None
    return BundleSubject(name, about, lambda rows, seconds, seed: worker.grade_rows(bundle, rows, seconds, seed))
