"""What a path is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from edgewise.core.errors import BadInput
from edgewise.core.tables import json_records, read_json

Format = Literal["table", "long", "wide", "wide-models", "inspect", "lm-eval", "helm", "alpaca-eval", "edgewise"]
FORMATS: tuple[str, ...] = get_args(Format)
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
_HELM = "per_instance_stats.json"


def expand(path: Path) -> list[Path]:
    """The files that a path stands for: itself, or, of a folder that is no run, all in it that can be read, sorted.

    Raises:
        BadInput: It is not there, or is a folder with nothing to read.
    """
    if not path.exists():
        raise BadInput("there is no such file", file=path)
    if not path.is_dir() or _is_run(path) or (path / _HELM).is_file():
        return [path]
    found = sorted(each for each in path.rglob("*") if each.is_file() and _readable(each))
    if not found:
        raise BadInput(
            f"the folder holds no responses: no {', '.join(_TABLES)} or .eval file, no log of a known tool", file=path
        )
    return found


def detect(path: Path) -> Format:
    """The format of a file, by its name and its content.

    Raises:
        BadInput: It is of no known kind, or cannot be read.
    """
    if path.is_dir():
        return "edgewise" if _is_run(path) else "helm"
    suffix = path.suffix.lower()
    if suffix == ".eval":
        return "inspect"
    if path.name == _HELM:
        return "helm"
    if suffix == ".json":
        kind = _json_kind(read_json(path))
        if kind is None:
            raise BadInput("this JSON is neither a list of responses nor a log of a known tool", file=path)
        return kind
    if suffix in (".jsonl", ".ndjson"):
        first = next((record for _, record in json_records(path)), {})
        return "lm-eval" if "doc_id" in first and "resps" in first else "table"
    if suffix in _TABLES:
        return "table"
    raise BadInput(
        f"the ending {suffix!r} is not known; known are {', '.join(_TABLES)}, .json and .eval",
        file=path,
        fix="rename the file to what it holds",
    )


def _is_run(path: Path) -> bool:
    return (path / "manifest.json").is_file() and (path / "events.jsonl").is_file()


def _readable(path: Path) -> bool:
    if path.suffix.lower() in (*_TABLES, ".eval") or path.name == _HELM:
        return not path.name.startswith(("events.", "."))
    if path.suffix.lower() != ".json":
        return False
    try:
        return _json_kind(read_json(path)) in ("inspect", "alpaca-eval")
    except (BadInput, OSError):
        return False


def _json_kind(content: Any) -> Format | None:
    if isinstance(content, dict):
        return "inspect" if {"eval", "version"} <= content.keys() else None
    if not isinstance(content, list):
        return None
    first = content[0] if content and isinstance(content[0], dict) else {}
    if {"instruction", "preference", "generator_2"} <= first.keys():
        return "alpaca-eval"
    return "helm" if {"instance_id", "stats"} <= first.keys() else "table"
