"""Models that are a Python function: for controls, for tests, and for putting anything at all behind the door."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import ModuleType

from edgewise.core.errors import BadInput, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models.calls import Call
from edgewise.models.door import Model
from edgewise.models.types import Message, Response, Scored, Settings

Reply = str | Response
Script = Callable[[Sequence[Message], Settings, int], Reply | Awaitable[Reply]]
_TEXT = frozenset({Capability.TEXT})


class ScriptedBackend:
    """Answers with what a function returns. Where it returns a string, its words count as tokens."""

    def __init__(self, script: Script, capabilities: frozenset[Capability] = _TEXT) -> None:
        self._script, self._capabilities = script, capabilities

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What the author of the function says it can do."""
        return self._capabilities

    async def generate(self, call: Call) -> Response:
        """Call the function with (messages, settings, sample)."""
        reply = self._script(call.messages, call.settings, call.sample)
        if inspect.isawaitable(reply):
            reply = await reply
        if isinstance(reply, Response):
            return reply
        if not isinstance(reply, str):
            raise BadInput(f"a scripted model must return a string or a Response, not {type(reply).__name__}")
        words = sum(len(m.text.split()) for m in call.messages)
        return Response(text=reply, input_tokens=max(1, words), output_tokens=len(reply.split()))

    async def score(self, call: Call) -> Scored:
        """Not offered."""
        raise Unsupported("a scripted model cannot score a given text")

    def close(self) -> None:
        """Nothing to release."""


def scripted_model(script: Script, *, name: str = "scripted", capabilities: frozenset[Capability] = _TEXT) -> Model:
    """A model that is a function.

    Args:
        script: ``script(messages, settings, sample) -> str | Response``, plain or async. To be examined repeatably it
            must be a pure function of its arguments.
        name: Name in reports.
        capabilities: What the function can do; log-probabilities, for one, must be in the responses it returns.
    """
    spec = f"scripted:{name}"
    return Model(ScriptedBackend(script, capabilities), name=name, spec=spec, identity=spec, max_connections=1_000)


def load_script(target: str) -> tuple[Script, str]:
    """The function named by ``module:function`` or ``file.py:function``, and the digest of the file it is in.

    Raises:
        BadInput: There is no such module, file or function.
    """
    where, _, name = target.rpartition(":")
    if not where or not name:
        raise BadInput(
            f"scripted:{target} does not name a function", fix="scripted:module:function or scripted:file.py:function"
        )
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    script = getattr(module, name, None)
    if not callable(script):
        raise BadInput(f"{where} has no function {name!r}", field="model")
    source = getattr(module, "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:12] if source else "builtin"
    return script, digest


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInput("no such file", file=path, field="model")
    name = f"edgewise_script_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput("not a Python file", file=path, field="model")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(f"the script fails to load: {type(error).__name__}: {error}", file=path) from error
    return module


def _load_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInput(
            f"cannot import {name!r}: {error}", field="model", fix="give a file: scripted:path/to/file.py:function"
        ) from None
