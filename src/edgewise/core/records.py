"""The record type that every stored thing in edgewise derives from."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from edgewise.core.errors import BadInput, CorruptRecord

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A frozen record with strict fields and, where it is stored as a file, a schema version.

    A subclass that is stored on its own sets ``SCHEMA`` (``"profile/1"``); the number grows when an old reader would
    misread the new form.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    SCHEMA: ClassVar[str] = ""

    def to_json(self) -> bytes:
        """Canonical JSON bytes: keys sorted, schema first in meaning if not in place, one trailing newline."""
        data: dict[str, Any] = self.model_dump(mode="json")
        if self.SCHEMA:
            data["schema"] = self.SCHEMA
        options = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        try:
            return orjson.dumps(data, option=options)
        except TypeError:
            return orjson.dumps(_storable(data), option=options)

    @classmethod
    def from_json(cls, raw: bytes | str, *, where: str) -> Self:
        """Read a record back. ``where`` (usually the file's path) is named in errors.

        Raises:
            CorruptRecord: The bytes are not JSON, are of another schema, or do not fit the record.
        """
        try:
            data = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise CorruptRecord(f"not valid JSON ({error})", where=where) from None
        if not isinstance(data, dict):
            raise CorruptRecord(f"expected a JSON object, found {type(data).__name__}", where=where)
        if cls.SCHEMA and (found := data.pop("schema", None)) != cls.SCHEMA:
            raise CorruptRecord(
                f"schema is {found!r}, this edgewise reads {cls.SCHEMA!r}",
                where=where,
                fix="read it with the edgewise that wrote it, or write it again",
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise CorruptRecord(first_problem(error), where=where) from None


def _storable(data: Any) -> Any:
    """The same data; lone surrogates, which UTF-8 cannot hold, become question marks."""
    if isinstance(data, str):
        return data.encode("utf-8", "replace").decode()
    if isinstance(data, dict):
        return {_storable(key): _storable(value) for key, value in data.items()}
    return [_storable(value) for value in data] if isinstance(data, list) else data


def first_problem(error: ValidationError) -> str:
    """The first problem of a pydantic error as one sentence that names the field."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"]) or "record"
    return f"field {field!r}: {problem['msg']}"


def parse_options(cls: type[R], data: dict[str, Any], *, what: str) -> R:
    """Build a user-given record (a configuration), turning pydantic's complaint into one that names the field."""
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or None
        raise BadInput(f"{what}: {problem['msg']}", field=field) from None
