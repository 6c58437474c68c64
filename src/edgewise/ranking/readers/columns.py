"""Columns of a table turned into ids and scores, strictly: what cannot be read is named by file, row and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking.matrix import Floats, check_scores

if TYPE_CHECKING:
    import pyarrow as pa

NULLS = ("", "na", "n/a", "nan", "null", "none")  # compared in lower case
_WORDS = {"true": 1.0, "false": 0.0}


def is_text(column: pa.Array) -> bool:
    """Whether most of the first entries of a column are no numbers, truth values or nulls."""
    import pyarrow as pa

    if not _stringy(column.type):
        return not (
            pa.types.is_boolean(column.type)
            or pa.types.is_integer(column.type)
            or pa.types.is_floating(column.type)
            or pa.types.is_decimal(column.type)
            or pa.types.is_null(column.type)
        )
    known = [_number(value) is None for value in column.slice(0, 1000).to_pylist()]
    return sum(known) > len(known) / 2


def scores(column: pa.Array, *, file: str, name: str, first_row: int) -> Floats:
    """Scores in [0, 1], NaN where the column has none. Arguments and errors as for ``floats``."""
    found = floats(column, file=file, name=name, first_row=first_row)
    check_scores(found, source=file, field=name, first_row=first_row)
    return found


def floats(column: pa.Array, *, file: str, name: str, first_row: int) -> Floats:
    """Numbers, NaN where the column has none.

    Args:
        column: Numbers, truth values, or text that says one of them.
        file: Named in errors.
        name: Of the column.
        first_row: Number of the column's first row within the file.

    Raises:
        BadInput: Anything else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if _stringy(column.type):
        column = column.cast(pa.string())
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(column))
        known = pc.if_else(pc.is_in(plain, value_set=pa.array(NULLS)), pa.scalar(None, pa.string()), plain)
        try:
            column = known.cast(pa.float64())
        except pa.ArrowInvalid:
            values = [_number(value) for value in column.to_pylist()]
            for offset, value in enumerate(values):
                if value is None:
                    text = column[offset].as_py()
                    raise BadInput(
                        f"{text[:60]!r} is no number",
                        file=file,
                        row=first_row + offset,
                        field=name,
                        fix="remove the column if it holds no scores" if offset == 0 else None,
                    ) from None
            column = pa.array(values, type=pa.float64())
    elif is_text(column):
        raise BadInput(f"the column holds {column.type}; need numbers", file=file, field=name)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if not column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    whole = pc.fill_null(column.cast(pa.float64()), pa.scalar(np.nan, pa.float64()))
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def ids(column: pa.Array, *, file: str, name: str, first_row: int) -> list[str]:
    """Ids as their text is written: 1 and "1" are the same, "01" is another.

    Raises:
        BadInput: One is missing or empty, or the column holds fractions, whose text is not settled.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (_stringy(column.type) or pa.types.is_integer(column.type)):
        raise BadInput(
            f"ids are {column.type}; need text or whole numbers",
            file=file,
            field=name,
            fix="write the ids as text" if pa.types.is_floating(column.type) else None,
        )
    found: list[str | None] = column.cast(pa.string()).to_pylist()
    for offset, value in enumerate(found):
        if not value:
            raise BadInput("an id is missing", file=file, row=first_row + offset, field=name)
    return found  # type: ignore[return-value]


def _stringy(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _number(text: str | None) -> float | None:
    """A number, NaN for a null, or nothing if the text is neither."""
    plain = (text or "").strip().lower()
    if plain in NULLS:
        return float("nan")
    if plain in _WORDS:
        return _WORDS[plain]
    try:
        return float(plain) if "_" not in plain else None
    except ValueError:
        return None
