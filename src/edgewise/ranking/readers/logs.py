"""Logs of evaluation tools: Inspect, lm-evaluation-harness, HELM, AlpacaEval, and edgewise's own runs."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.core.run import Run
from edgewise.core.tables import json_records, read_json
from edgewise.ranking.matrix import tally
from edgewise.ranking.readers.part import Part, Repeats

_NAN = float("nan")
_INSPECT_WORDS = {"c": 1.0, "i": 0.0, "p": 0.5, "n": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_LM_EVAL_FIELDS = {
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash"),
    *("prompt_hash", "target_hash"),
}


class _Responses:
    """Responses being gathered from one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.models: list[str] = []
        self.items: list[str] = []
        self.scores: list[float] = []

    def add(self, model: str, item: str, score: float, row: int) -> None:
        """Add one; its score is checked here, where its row is known."""
        if not (0 <= score <= 1 or np.isnan(score)):
            raise BadInput(f"{score} is no score between 0 and 1", file=self.file, row=row, field=item)
        self.models.append(model)
        self.items.append(item)
        self.scores.append(score)

    def part(self, repeats: Repeats) -> Part:
        """All of them."""
        if not self.models:
            raise BadInput("there are no responses", file=self.file)
        return Part.of(
            tally(self.models, self.items, self.scores, repeats=repeats, source=str(self.file)), str(self.file)
        )


def choose(candidates: list[str], given: str | None, file: Path, what: str) -> str:
    """The candidate that the user gave, or the only one.

    Raises:
        BadInput: There is none, or several; names them.
    """
    names = ", ".join(candidates)
    if given is not None:
        if given not in candidates:
            raise BadInput(f"there is no {what} {given!r}; there are {names or 'none'}", file=file)
        return given
    if len(candidates) != 1:
        problem = f"there are several {what}s: {names}" if candidates else f"there is no {what}"
        raise BadInput(problem, file=file, fix="choose one with --score" if candidates else None)
    return candidates[0]


def read_run(path: Path) -> Part:
    """The competence responses of an edgewise run: the plain questions, without pushback, hints and other treatments.

    A response that could not be scored is missing.
    """
    run = Run.open(path)
    table = run.read_table("responses")
    needed = ["model", "item_id", "kind", "score"]
    lacking = set(needed) - set(table.column_names)
    if lacking:
        raise BadInput(f"its table of responses lacks {', '.join(sorted(lacking))}", file=path)
    found = _Responses(path)
    for row, record in enumerate(table.select(needed).to_pylist(), 1):
        if record["kind"] in ("base", "control"):
            score = record["score"]
            found.add(record["model"], record["item_id"], _NAN if score is None else score, row)
    return found.part("mean")


def read_inspect(path: Path, scorer: str | None) -> Part:
    """An Inspect log. Items are ``task/sample``; epochs are samples of one answer; a sample that failed is missing.

    Args:
        path: ``.eval`` or ``.json``.
        scorer: Which scorer counts, or ``scorer.key`` where a scorer gives several values.
    """
    from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries

    try:
        head = read_eval_log(path, header_only=True)
        samples = read_eval_log_sample_summaries(path)
    except Exception as error:
        raise BadInput(f"Inspect cannot read the log: {str(error).splitlines()[0][:200]}", file=path) from None
    values = [_inspect_values(sample.scores or {}) for sample in samples]
    name = choose(sorted({key for each in values for key in each}), scorer, path, "scorer")
    found = _Responses(path)
    for row, (sample, value) in enumerate(zip(samples, values, strict=True), 1):
        score = _NAN if sample.error or name not in value else _inspect_number(value[name], path, row, name)
        found.add(head.eval.model, f"{head.eval.task}/{sample.id}", score, row)
    return found.part("mean")


def _inspect_values(scores: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, score in scores.items():
        if isinstance(score.value, dict):
            values.update({f"{name}.{key}": value for key, value in score.value.items()})
        else:
            values[name] = score.value
    return values


def _inspect_number(value: Any, path: Path, row: int, field: str) -> float:
    """As Inspect counts it: C 1, P one half, I and N (no answer) 0."""
    if value is None:
        return _NAN
    if isinstance(value, str) and value.lower() in _INSPECT_WORDS:
        return _INSPECT_WORDS[value.lower()]
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{str(value)[:60]!r} is no score", file=path, row=row, field=field) from None


def read_lm_eval(path: Path, metric: str | None) -> Part:
    """A ``samples_TASK_TIME.jsonl`` of lm-evaluation-harness. Items are ``task/doc_id``.

    The model is what the ``results_TIME.json`` beside it says, or the folder's name with ``__`` read as ``/``, as the
    tool writes it.

    Args:
        path: The file.
        metric: Which metric counts; ``metric,filter`` where the task has several filters.
    """
    stem = re.fullmatch(r"samples_(.+?)(?:_(\d{4}-\d{2}-\d{2}T[\d.:-]+))?", path.stem)
    task, time = (stem[1], stem[2]) if stem else (path.stem, None)
    model = _lm_eval_model(path, time)
    records = list(json_records(path))
    several = len({record.get("filter") for _, record in records}) > 1
    candidates = sorted(
        {_lm_eval_name(metric, record, several) for _, record in records for metric in _lm_eval_metrics(record)}
    )
    name = choose(candidates, metric, path, "metric")
    found = _Responses(path)
    for row, record in records:
        if several and not name.endswith(f",{record.get('filter')}"):
            continue
        key = name.rpartition(",")[0] if several else name
        value = record.get(key)
        if value is not None and not isinstance(value, bool | int | float):
            raise BadInput(f"{str(value)[:60]!r} is no score", file=path, row=row, field=key)
        if "doc_id" not in record:
            raise BadInput("the line lacks its item", file=path, row=row, field="doc_id")
        found.add(model, f"{task}/{record['doc_id']}", _NAN if value is None else float(value), row)
    return found.part("error")


def _lm_eval_metrics(record: dict[str, Any]) -> list[str]:
    """The metrics of a line: as it lists them, or, of older versions, its other fields that are numbers."""
    listed = record.get("metrics")
    names = listed if isinstance(listed, list) else [name for name in record if name not in _LM_EVAL_FIELDS]
    return [name for name in names if isinstance(record.get(name), bool | int | float)]


def _lm_eval_name(metric: str, record: dict[str, Any], several: bool) -> str:
    return f"{metric},{record.get('filter')}" if several else metric


def _lm_eval_model(path: Path, time: str | None) -> str:
    results = path.with_name(f"results_{time}.json")
    if time is not None and results.is_file():
        written = read_json(results)
        name = written.get("model_name") if isinstance(written, dict) else None
        if isinstance(name, str) and name:
            return name
    return path.resolve().parent.name.replace("__", "/")


def read_helm(path: Path, metric: str | None) -> Part:
    """A run folder of HELM: ``per_instance_stats.json`` and ``run_spec.json``.

    Items are the run's name without its model, and the instance; a perturbed instance is an item of its own. Trials are
    samples of one answer.

    Args:
        path: The folder, or its ``per_instance_stats.json``.
        metric: Which statistic counts, such as ``exact_match``.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / "per_instance_stats.json"
    spec_file = folder / "run_spec.json"
    if not spec_file.is_file():
        raise BadInput("run_spec.json is not beside it: the model is not known", file=file)
    spec = read_json(spec_file)
    try:
        model, run_name = str(spec["adapter_spec"]["model"]), str(spec["name"])
    except (KeyError, TypeError):
        raise BadInput("it names no model", file=spec_file, field="adapter_spec.model") from None
    scenario = re.sub(r"([:,])?model=[^,]*,?", lambda found: found[1] or "", run_name).rstrip(",:")
    found = _Responses(file)
    records = [(row, record, _helm_stats(record, file, row)) for row, record in json_records(file)]
    candidates = sorted(
        name
        for name in {name for *_, stats in records for name in stats}
        if all(0 <= stats[name] <= 1 for *_, stats in records if name in stats)
    )
    name = choose(candidates, metric, file, "metric")
    for row, record, stats in records:
        perturbation = record.get("perturbation")
        variant = f"/{perturbation.get('name', 'perturbed')}" if isinstance(perturbation, dict) else ""
        found.add(model, f"{scenario}/{record['instance_id']}{variant}", stats.get(name, _NAN), row)
    return found.part("mean")


def _helm_stats(record: dict[str, Any], file: Path, row: int) -> dict[str, float]:
    """Means by name; a statistic without a mean is left out."""
    try:
        record["instance_id"]
        means = {stat["name"]["name"]: stat.get("mean") for stat in record["stats"]}
    except (KeyError, TypeError):
        raise BadInput("need instance_id and stats with names", file=file, row=row) from None
    return {name: float(mean) for name, mean in means.items() if isinstance(mean, int | float)}


def read_alpaca(path: Path) -> tuple[Part, set[str]]:
    """AlpacaEval annotations. The model is ``generator_2``, its score the probability that it is preferred.

    Items are the first 12 hexadecimal digits of the instruction's SHA-1.

    Returns:
        The responses, and the reference models they were compared with.
    """
    found = _Responses(path)
    references = set()
    for row, record in json_records(path):
        for field in ("instruction", "generator_1", "generator_2", "preference"):
            if field not in record:
                raise BadInput("the annotation lacks it", file=path, row=row, field=field)
        preference = record["preference"]
        if preference is not None and not isinstance(preference, int | float):
            raise BadInput(f"{preference!r} is no preference", file=path, row=row, field="preference")
        if preference is not None and not 1 - 1e-6 <= preference <= 2 + 1e-6 and preference == preference:
            raise BadInput(f"{preference} is not between 1 and 2", file=path, row=row, field="preference")
        score = _NAN if preference is None else min(max(preference - 1.0, 0.0), 1.0)
        references.add(str(record["generator_1"]))
        item = hashlib.sha1(str(record["instruction"]).encode(), usedforsecurity=False).hexdigest()[:12]
        found.add(str(record["generator_2"]), item, score, row)
    return found.part("error"), references
