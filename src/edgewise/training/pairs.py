"""Preference pairs by dimension, from a folder with splits or from one file of JSON lines.

A line is what TRL takes: ``prompt``, ``chosen``, ``rejected`` as messages or as plain texts, and here ``dimension``.
Pairs of one ``record`` (a scenario) belong together: they are never in two splits, and are one unit of an interval.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from edgewise.core.errors import BadInput

_HELD_OUT = 5  # of a single file, every fifth record is held out
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Pair:
    """One preference.

    Attributes:
        prompt: Messages, as dictionaries with ``role`` and ``content``.
        chosen: The better answer.
        rejected: The other.
        dimension: What it is better in.
        record: What it belongs to.
    """

    prompt: tuple[dict[str, str], ...]
    chosen: str
    rejected: str
    dimension: str
    record: str

    def row(self) -> dict[str, Any]:
        """As TRL takes it."""
        return {
            "prompt": list(self.prompt),
            "chosen": [{"role": "assistant", "content": self.chosen}],
            "rejected": [{"role": "assistant", "content": self.rejected}],
            "dimension": self.dimension,
        }


@dataclass(frozen=True)
class PairData:
    """Pairs to train on and pairs held out, with the digest of the files they came from."""

    train: tuple[Pair, ...]
    held_out: tuple[Pair, ...]
    digest: str
    notes: tuple[str, ...]

    def needed(self, steps: int, batch: int, *, stratified: bool, held_out: int, seed: int) -> PairData:
        """The pairs that so many steps can see, at random, and at most so many held-out ones of each dimension.

        A run asks the reference for every pair that it is given, so it should be given no more than these. They are
        sorted by length, so that neighbours, which are asked about together, need little padding.
        """
        rng = np.random.default_rng((seed, 1))
        if stratified:
            each = -(-steps * batch // len(self.dimensions))
            train = _at_most(self.train, each, rng)
        else:
            rows = rng.permutation(len(self.train))[: steps * batch]
            train = tuple(self.train[i] for i in sorted(rows.tolist()))
        missing = sorted(set(self.dimensions) - {pair.dimension for pair in train})
        if missing:  # too rare for so short a run: one pair keeps the dimension known
            train += tuple(next(pair for pair in self.train if pair.dimension == name) for name in missing)
        notes = list(self.notes)
        if len(train) < len(self.train):
            notes.append(f"{len(train)} of {len(self.train)} training pairs are seen in {steps} steps")
        kept = tuple(sampled(self.held_out, held_out))
        if len(kept) < len(self.held_out):
            notes.append(f"{len(kept)} of {len(self.held_out)} held-out pairs are scored")
        return PairData(_by_length(train), _by_length(kept), self.digest, tuple(notes))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Of the training pairs, sorted."""
        return tuple(sorted({pair.dimension for pair in self.train}))


def sampled(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most so many pairs of each dimension, in their order; a hash of records' names decides which."""
    ranked = sorted(range(len(pairs)), key=lambda k: (hashlib.sha256(pairs[k].record.encode()).digest(), k))
    kept: list[int] = []
    seen: Counter[str] = Counter()
    for k in ranked:
        seen[pairs[k].dimension] += 1
        if seen[pairs[k].dimension] <= most:
            kept.append(k)
    return [pairs[k] for k in sorted(kept)]


def _by_length(pairs: tuple[Pair, ...]) -> tuple[Pair, ...]:
    return tuple(sorted(pairs, key=lambda p: sum(len(m["content"]) for m in p.prompt) + len(p.chosen + p.rejected)))


def _at_most(pairs: Sequence[Pair], most: int, rng: np.random.Generator) -> tuple[Pair, ...]:
    """At most so many of each dimension, at random, in their order."""
    kept: list[int] = []
    for name in sorted({pair.dimension for pair in pairs}):
        own = [i for i, pair in enumerate(pairs) if pair.dimension == name]
        kept += own if len(own) <= most else rng.permutation(own)[:most].tolist()
    return tuple(pairs[i] for i in sorted(kept))


def read_pairs(path: Path) -> PairData:
    """Read ``train.jsonl`` and ``test.jsonl`` of a folder, or one file, of which every fifth record is held out.

    Pairs without a dimension (those that differ in several) are left out and counted.

    Raises:
        BadInput: A file is missing or empty, a line is no pair, or a dimension has no held-out pair.
    """
    if path.is_dir():
        files = [path / "train.jsonl", path / "test.jsonl"]
        for file in files:
            if not file.is_file():
                raise BadInput(
                    "there is no such file", file=file, fix="a folder of pairs has train.jsonl and test.jsonl"
                )
        read = [list(_lines(file)) for file in files]
    elif path.is_file():
        files, whole = [path], list(_lines(path))
        read = [[p for p in whole if not _held_out(p)], [p for p in whole if _held_out(p)]]
    else:
        raise BadInput("there is no such file or folder", file=path)
    splits = [tuple(pair for pair in part if pair.dimension) for part in read]
    left_out = sum(map(len, read)) - sum(map(len, splits))
    notes = [f"{left_out} pairs without a dimension are left out"] if left_out else []
    _complete(path, *splits)
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return PairData(splits[0], splits[1], digest, tuple(notes))


def _complete(path: Path, train: Sequence[Pair], held_out: Sequence[Pair]) -> None:
    if not train:
        raise BadInput("there are no pairs with a dimension", file=path)
    counts = Counter(pair.dimension for pair in held_out)
    missing = sorted({pair.dimension for pair in train} - set(counts))
    if missing:
        raise BadInput(f"no pair of {', '.join(missing)} is held out, so it cannot be measured", file=path)
    unknown = sorted(set(counts) - {pair.dimension for pair in train})
    if unknown:
        raise BadInput(f"{', '.join(unknown)} is held out but has no training pairs", file=path)
    both = {pair.record for pair in train} & {pair.record for pair in held_out}
    if both:
        raise BadInput(f"record {min(both)!r} is in both splits", file=path)


def _held_out(pair: Pair) -> bool:
    return int(hashlib.sha256(pair.record.encode()).hexdigest(), 16) % _HELD_OUT == 0


def _lines(file: Path) -> Iterator[Pair]:
    for row, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            data = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"no JSON: {error}", file=file, row=row) from None
        if not isinstance(data, dict):
            raise BadInput("no object", file=file, row=row)
        prompt = _messages(data, file, row)
        chosen, rejected = (_answer(data, key, file, row) for key in ("chosen", "rejected"))
        if chosen == rejected:
            raise BadInput("both answers are the same", file=file, row=row, field="rejected")
        if "dimension" not in data:
            raise BadInput("the field is missing", file=file, row=row, field="dimension")
        dimension = data["dimension"]
        if not (dimension is None or isinstance(dimension, str)):
            raise BadInput(f"{dimension!r} is no name", file=file, row=row, field="dimension")
        record = str(data.get("record", orjson.dumps(prompt).decode()))
        yield Pair(prompt, chosen, rejected, dimension or "", record)


def _messages(data: dict[str, Any], file: Path, row: int) -> tuple[dict[str, str], ...]:
    prompt = data.get("prompt")
    if isinstance(prompt, str) and prompt:
        return ({"role": "user", "content": prompt},)
    if isinstance(prompt, list) and prompt:
        found = []
        for message in prompt:
            known = isinstance(message, dict) and message.get("role") in _ROLES
            if not known or not isinstance(message.get("content"), str):
                raise BadInput(f"{str(message)[:60]} is no message", file=file, row=row, field="prompt")
            found.append({"role": message["role"], "content": message["content"]})
        return tuple(found)
    raise BadInput("there is neither a text nor a list of messages", file=file, row=row, field="prompt")


def _answer(data: dict[str, Any], key: str, file: Path, row: int) -> str:
    value = data.get(key)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0].get("content")
    if not isinstance(value, str) or not value.strip():
        raise BadInput("there is neither a text nor one message", file=file, row=row, field=key)
    return value
