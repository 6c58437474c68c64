"""Inspect logs, ``.eval`` and ``.json``: every sample is a conversation."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.core.errors import BadInput
from edgewise.society.scan.fields import Gather, call_text, clean, text_of
from edgewise.society.scan.load import Loaded
from edgewise.society.scan.trace import Said, Trace

if TYPE_CHECKING:
    from inspect_ai.log import EvalSample

_UNPACKED = 1 << 32  # bytes; a zip that claims more is refused
_PREFIX = re.compile(r"\[([^\[\]\n]{1,60})\] ")


def fits(record: Any) -> bool:
    """Whether a JSON object is a log of Inspect."""
    return isinstance(record, dict) and {"eval", "version"} <= record.keys()


def read(file: Loaded) -> list[Trace]:
    """Read a ``.json`` log. A sample that does not fit Inspect's schema is a problem; ``row`` is then its number."""
    from inspect_ai.log import EvalSample
    from pydantic import ValidationError

    found = Gather(file, "inspect")
    log = file.whole or {}
    samples = log.get("samples")
    if not isinstance(samples, list):
        raise BadInput("the log has no samples", file=file.path, field="samples")
    for number, raw in enumerate(samples, 1):
        try:
            sample = EvalSample.model_validate(raw)
        except ValidationError as error:
            problem = error.errors()[0]
            found.problem(number, ".".join(map(str, ("samples", number - 1, *problem["loc"]))), str(problem["msg"]))
            continue
        _read_sample(found, sample, len(samples) > 1)
    return found.traces()


def read_zip(path: Path) -> list[Trace]:
    """Read an ``.eval`` log, one sample at a time.

    Raises:
        BadInput: It is no log of Inspect, or no sample of it can be read.
    """
    from inspect_ai.log import read_eval_log_sample, read_eval_log_sample_summaries

    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _UNPACKED:
                raise BadInput(f"the archive unpacks to more than {_UNPACKED:,} bytes", file=path)
        summaries = read_eval_log_sample_summaries(path, format="eval")
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"Inspect cannot read the log: {(str(error).splitlines() or [''])[0][:200]}", file=path
        ) from None
    if not summaries:
        raise BadInput("Inspect cannot read the log: it has no samples", file=path)
    found = Gather(str(path), "inspect")
    for number, summary in enumerate(summaries, 1):
        try:
            sample = read_eval_log_sample(path, summary.id, summary.epoch, resolve_attachments="full", format="eval")
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            found.problem(number, f"samples/{summary.id}", f"Inspect cannot read the sample: {reason}")
            continue
        _read_sample(found, sample, len(summaries) > 1)
    return found.traces()


def _read_sample(found: Gather, sample: EvalSample, several: bool) -> None:
    talk = clean(f"sample {sample.id} epoch {sample.epoch}") if several else ""
    held = sample.attachments
    said = list(_from_events(sample)) or list(_from_messages(sample))
    for place, (sender, role, text, action) in enumerate(said, 1):
        whole = held.get(text.removeprefix("attachment://"), text) if text.startswith("attachment://") else text
        found.say(Said(place, clean(sender), clean(whole), role, None, action), talk)
    if not said:
        found.problem(1, "messages", f"sample {sample.id} holds no messages", talk)


_Piece = tuple[str, str, str, str | None]  # sender, role, text, action


def _from_events(sample: EvalSample) -> Iterator[_Piece]:
    """What each agent's model calls gave, where the log has spans of at least two agents or one beside the solver."""
    spans: dict[str, tuple[str | None, str | None]] = {}
    for event in sample.events:
        if event.event == "span_begin":
            spans[event.id] = (event.parent_id, event.name if event.type == "agent" else None)

    def agent(key: str | None) -> str | None:
        for _ in range(100):
            if key is None or key not in spans:
                return None
            key, name = spans[key]
            if name:
                return name
        return None

    if not any(event.event == "model" and agent(event.span_id) for event in sample.events):
        return
    for message in sample.messages:
        if message.role == "assistant":
            break
        yield message.role, message.role, text_of(message.text), None
    for event in sample.events:
        if event.event == "model" and event.output.choices and not event.pending:
            answer = event.output.choices[0].message
            calls = [{"name": call.function, "arguments": call.arguments} for call in answer.tool_calls or ()]
            yield agent(event.span_id) or event.role or event.model, "assistant", answer.text, call_text(calls)
        elif event.event == "tool" and not event.agent:
            result = event.result if isinstance(event.result, str | int | float) else ""
            yield event.function, "tool", str(result), None


def _from_messages(sample: EvalSample) -> Iterator[_Piece]:
    for message in sample.messages:
        text, action, sender = message.text, None, str(message.role)
        if message.role == "assistant":
            sender = message.model or "assistant"
            named = _PREFIX.match(text)  # as Inspect marks the answers of agents that were handed to
            if named:
                sender, text = named[1], text[named.end() :]
            calls = [{"name": call.function, "arguments": call.arguments} for call in message.tool_calls or ()]
            action = call_text(calls)
        elif message.role == "tool":
            sender = message.function or "tool"
        yield sender, message.role, text, action
