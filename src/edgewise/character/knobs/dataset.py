"""PersonaKnob on disk: one record a line, and its pairs by split in the form that TRL takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from edgewise.character.knobs.lattice import maxima
from edgewise.character.knobs.types import SPLITS, KnobRecord
from edgewise.core.errors import BadInput
from edgewise.core.files import write_atomically

if TYPE_CHECKING:
    from datasets import DatasetDict

RECORDS = "records.jsonl"


def write_dataset(
    folder: Path, records: Sequence[KnobRecord], shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, int]:
    """Write ``records.jsonl`` and the pairs of ``train``, ``validation`` and ``test``.

    Args:
        folder: Where to.
        records: All of them.
        shares: Of training pairs with a dimension, by dimension: so many are left out at random that the share is met.
        rng: For leaving out.

    Returns:
        Training pairs by dimension, chains under an empty name.

    Raises:
        BadInput: A share cannot be met.
    """
    rows = {split: [row for r in records if r.split == split for row in r.rows()] for split in SPLITS}
    rows["train"] = _thinned(rows["train"], shares, rng)
    write_atomically(folder / RECORDS, _lines(record.data() for record in records))
    for split, own in rows.items():
        write_atomically(folder / f"{split}.jsonl", _lines(own))
    names = [row["dimension"] or "" for row in rows["train"]]
    return {name: names.count(name) for name in sorted(set(names))}


def _lines(data: Iterator[dict[str, Any]] | Sequence[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in data)


def _thinned(rows: list[dict[str, Any]], shares: Mapping[str, float], rng: np.random.Generator) -> list[dict[str, Any]]:
    if not shares:
        return rows
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row["dimension"] or "", []).append(place)
    unknown = sorted(set(shares) - set(places))
    if unknown:
        raise BadInput(f"there are no pairs of {unknown[0]!r}", field="share")
    others = sum(len(own) for name, own in places.items() if name and name not in shares)
    rest = 1 - sum(shares.values())
    if not others or rest <= 0:
        raise BadInput("shares must leave something for the other dimensions", field="share")
    dropped: set[int] = set()
    for name, share in shares.items():
        keep = round(others * share / rest)
        if keep > len(places[name]):
            most = len(places[name]) / (others + len(places[name]))
            raise BadInput(f"{name} has a share of {most:.3f} at most", field="share", fix="larger --n, or less")
        if not keep:
            raise BadInput(f"a share of {share:g} leaves no pair of {name}", field="share", fix="larger --n")
        dropped.update(rng.permutation(places[name])[keep:].tolist())
    return [row for place, row in enumerate(rows) if place not in dropped]


def load(folder: Path | str) -> DatasetDict:
    """The pairs as a ``datasets.DatasetDict`` with the splits ``train``, ``validation`` and ``test``.

    Columns are those of ``KnobRecord.rows``: ``prompt``, ``chosen`` and ``rejected`` as TRL takes them.

    Raises:
        BadInput: A file is missing or damaged.
    """
    from datasets import Dataset, DatasetDict

    return DatasetDict({split: Dataset.from_list(list(_read(Path(folder) / f"{split}.jsonl"))) for split in SPLITS})


def load_records(folder: Path | str) -> list[KnobRecord]:
    """All records of a data set.

    Raises:
        BadInput: The file is missing, or a line is no record.
    """
    file = Path(folder) / RECORDS
    found = []
    for row, data in enumerate(_read(file), 1):
        try:
            found.append(KnobRecord.of(data))
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"no record: {error!r}", file=file, row=row) from None
    return found


def _read(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        raise BadInput("there is no such file", file=file, fix="write one with `edgewise character data`")
    for row, line in enumerate(file.read_bytes().splitlines(), 1):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadInput(f"no JSON: {error}", file=file, row=row) from None


def acceptable(record: KnobRecord) -> list[int]:
    """Numbers of the answers that a selection task accepts: those that no other answer is above."""
    best = maxima([response.k for response in record.responses])
    return [number for number, response in enumerate(record.responses) if response.k in best]
