"""Answers as records: one JSON object, constrained where the backend can, checked always; texts fenced as data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from edgewise.core.records import Record
from edgewise.models.door import Model
from edgewise.models.types import Message, Settings

R = TypeVar("R", bound=Record)


async def ask_record(
    model: Model, messages: Sequence[Message], schema: type[R], settings: Settings, *, sample: int = 0
) -> tuple[R | None, str | None]:
    """Ask for one JSON object.

    Args:
        model: Who is asked.
        messages: What for.
        schema: What the object must be.
        settings: How; the schema is added.
        sample: Number of the draw.

    Returns:
        The record, or ``None`` and why what came is none.

    Raises:
        ModelFault: There was no answer.
    """
    constrained = settings.model_copy(update={"json_schema": plain_schema(schema)})
    response = await model.generate(tuple(messages), constrained, sample=sample)
    return parse_record(response.text, schema)


def parse_record(text: str, schema: type[R]) -> tuple[R | None, str | None]:
    """The one JSON object in ``text``, validated; or why there is none."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None, "it gave no JSON object"
    try:
        return schema.model_validate(orjson.loads(text[start : end + 1])), None
    except orjson.JSONDecodeError:
        return None, "its JSON cannot be read"
    except ValidationError as error:
        problem = error.errors()[0]
        return None, f"its answer does not fit: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def plain_schema(schema: type[Record]) -> dict[str, Any]:
    """The record's JSON schema without titles, which some servers refuse."""
    full = schema.model_json_schema()
    properties = {k: {a: b for a, b in v.items() if a != "title"} for k, v in full["properties"].items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def fence_for(*texts: str) -> str:
    """A tag that does not occur in the texts, and that their authors could not foresee without knowing them all."""
    digest = hashlib.sha256("\x00".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"text-{digest[:12]}"


def fenced(fence: str, title: str, text: str) -> str:
    """A text between tags, under a title."""
    return f"{title}:\n<{fence}>\n{text}\n</{fence}>"
