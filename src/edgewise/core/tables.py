"""Table files as named columns in batches of rows: CSV, TSV, Parquet, JSON lines."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa

MAX_COLUMNS = 100_000
_HEADER_BYTES = 1 << 26
_BLOCK_BYTES = 1 << 24
_GROUP_CELLS = 1 << 25  # a row group of more is read in parts
_PART_CELLS = 1 << 22


@dataclass(frozen=True)
class Source:
    """A table being read.

    Attributes:
        file: Named in errors.
        names: Of the columns, each once.
        batches: The rows, some at a time; each batch has all columns.
    """

    file: str
    names: list[str]
    batches: Iterator[pa.RecordBatch]


def open_table(path: Path) -> Source:
    """Open a table file by its suffix.

    Raises:
        BadInput: It is empty, damaged, not UTF-8, has a column twice, or more than ``MAX_COLUMNS``.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json(path)
    return _csv(path, "\t" if suffix == ".tsv" else ",")


def in_parts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, so many at a time that their scores as floats take 32 MiB."""
    for batch in batches:
        rows = max(1, _PART_CELLS // batch.num_columns)
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def check_names(names: list[str], file: str) -> None:
    """Raise ``BadInput`` if there are too many columns, or one twice."""
    if len(names) > MAX_COLUMNS:
        raise BadInput(
            f"there are {len(names):,} columns; at most {MAX_COLUMNS:,} can be read",
            file=file,
            fix="give it as a long table: a row per response, with columns model, item and score",
        )
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise BadInput("the column is there twice", file=file, field=twice)


def _csv(path: Path, delimiter: str) -> Source:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = _header(path, delimiter)
    try:
        reader = arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows=0
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise _csv_error(path, error) from None

    def batches() -> Iterator[pa.RecordBatch]:
        first = True  # the header: it is read as a row because it may span lines
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except pa.ArrowInvalid as error:
                raise _csv_error(path, error) from None
            yield batch.slice(1) if first else batch
            first = first and not batch.num_rows

    return Source(str(path), names, batches())


def _header(path: Path, delimiter: str) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise BadInput("the file is UTF-16", file=path, fix="save it as UTF-8")
    if b"\0" in start[:4096]:
        raise BadInput("this is a binary file, no table of text", file=path)
    try:
        # A cut in the middle of a character is no fault of the file.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start, final=len(start) < _HEADER_BYTES)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error.start) from None
    csv.field_size_limit(_HEADER_BYTES)
    try:
        names = next(csv.reader(iter(text.splitlines(keepends=True)), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise BadInput(f"the header cannot be read: {error}", file=path) from None
    if not names:
        raise BadInput("the file is empty", file=path)
    check_names(names, str(path))
    return names


def _csv_error(path: Path, error: Exception) -> BadInput:
    message = str(error)
    if "UTF8" in message:
        return _not_utf8(path, _bad_byte(path))
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if found:
        # Its rows are counted from the header, which is row 1.
        row = int(found[1]) - 1 if found[1] else None
        return BadInput(f"the row has {found[3]} fields; the header has {found[2]}", file=path, row=row)
    return BadInput(f"the file cannot be read: {message.splitlines()[0][:200]}", file=path)


def _bad_byte(path: Path) -> int:
    decoder, place = codecs.getincrementaldecoder("utf-8")(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            held = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                return place - held + error.start
            place += len(block)
    return place


def _not_utf8(path: Path, place: int) -> BadInput:
    return BadInput(f"the byte at offset {place:,} is not UTF-8", file=path, fix="save the file as UTF-8")


def _parquet(path: Path) -> Source:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        columns = file.metadata.num_columns
        names = file.schema_arrow.names if columns <= MAX_COLUMNS else [""] * columns
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"this is no whole Parquet file: {str(error)[:200]}", file=path) from None
    check_names(names, str(path))

    def batches() -> Iterator[pa.RecordBatch]:
        part = max(1, _PART_CELLS // len(names))
        try:
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).num_rows * len(names) > _GROUP_CELLS:
                    yield from file.iter_batches(part, row_groups=[group])
                else:  # faster, and in less memory
                    yield from file.read_row_group(group).combine_chunks().to_batches()
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"the file is damaged: {str(error)[:200]}", file=path) from None

    return Source(str(path), names, batches())


def _json(path: Path) -> Source:
    """Lines of objects, or one list of objects. Values become their text: 1 and "1" read alike, as they do in CSV."""
    import pyarrow as pa

    columns: dict[str, list[str | None]] = {}
    count = 0
    for _, line in json_records(path):
        for record in _responses(line):
            for name, value in record.items():
                column = columns.setdefault(name, [])
                column.extend([None] * (count - len(column)))
                column.append(_as_text(value))
            count += 1
    if not count:
        raise BadInput("the file is empty", file=path)
    check_names(list(columns), str(path))
    for column in columns.values():
        column.extend([None] * (count - len(column)))
    batch = pa.RecordBatch.from_pydict({name: pa.array(column, pa.string()) for name, column in columns.items()})
    return Source(str(path), list(columns), iter([batch]))


def json_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines file or of a JSON list, with their line or place, from 1.

    Raises:
        BadInput: Not UTF-8, no JSON, or no object; names the line.
    """
    if path.suffix.lower() == ".json":
        records = read_json(path)
        if not isinstance(records, list):
            raise BadInput("need a list of objects", file=path)
        lines: Iterator[tuple[int, Any]] = iter(enumerate(records, 1))
    else:
        lines = _json_lines(path)
    for row, record in lines:
        if not isinstance(record, dict):
            raise BadInput(f"need an object, not {str(record)[:40]}", file=path, row=row)
        yield row, record


def read_json(path: Path) -> Any:
    """A JSON file.

    Raises:
        BadInput: Not UTF-8, or no JSON; names the line.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_no_key_twice)
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error.start) from None
    except json.JSONDecodeError as error:
        raise BadInput(f"this is no whole JSON: {error.msg}", file=path, row=error.lineno) from None
    except KeyError as error:
        raise BadInput("an object has the key twice", file=path, field=str(error.args[0])) from None


def _json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    decode = json.JSONDecoder(object_pairs_hook=_no_key_twice).decode
    place = 0
    with path.open("rb") as file:
        for row, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if row == 1 else "utf-8").strip()
                if text:
                    yield row, decode(text)
            except UnicodeDecodeError as error:
                raise _not_utf8(path, place + error.start) from None
            except json.JSONDecodeError as error:
                raise BadInput(f"the line is no whole JSON: {error.msg}", file=path, row=row) from None
            except KeyError as error:
                raise BadInput("the object has the key twice", file=path, row=row, field=str(error.args[0])) from None
            place += len(line)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise KeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found


def _responses(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record; or, from a line of py-irt's form, which holds all answers of a subject, one record for each."""
    answers = record.get("responses")
    if record.keys() != {"subject_id", "responses"} or not isinstance(answers, dict):
        return [record]
    return [{"model": record["subject_id"], "item": item, "score": score} for item, score in answers.items()]


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)
