"""``open_model``: from a specification to a model that can be asked."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgewise.core.errors import BadInput, ModelFault
from edgewise.core.events import EventLog
from edgewise.core.instrument import Capability
from edgewise.core.memo import Memo
from edgewise.core.run import Run
from edgewise.models.budget import Budget
from edgewise.models.cache import Cache
from edgewise.models.calls import Backend
from edgewise.models.door import Model
from edgewise.models.faults import Retry

SPECS = {
    "embedded": "SmolLM2-135M-Instruct on this machine, no network, no key",
    "adapter:DIR": "what `edgewise align` made, on its base",
    "replay:PATH[#NAME]": "answers recorded in a run folder or a recording",
    "scripted:module:function": "a Python function (or scripted:file.py:function)",
    "http(s)://host/v1[#NAME]": "any OpenAI-compatible server; key from EDGEWISE_API_KEY",
    "provider/model": "anything Inspect AI knows: openai/…, anthropic/…, google/…, hf/…, vllm/…, ollama/…",
}


@dataclass(frozen=True)
class Opened:
    """A backend, and how it is called."""

    backend: Backend
    name: str
    identity: str
    connections: int


def open_model(
    spec: str,
    *,
    role: str = "target",
    run: Run | None = None,
    record: Path | str | None = None,
    cache: Cache | None = None,
    budget: Budget | None = None,
    can: Collection[str] | None = None,
    connections: int | None = None,
    timeout: float = 600.0,
    retry: Retry | None = None,
    model_args: Mapping[str, Any] | None = None,
) -> Model:
    """Open a model.

    Args:
        spec: One of ``SPECS``.
        role: What it is used as; several models of one run differ in it.
        run: Remember calls in this run.
        record: Remember calls in this file instead; ``replay:`` answers from it later, bit for bit. An existing
            recording is continued.
        cache: Answers shared between runs.
        budget: Hard limits; share one among models to share the limits.
        can: Capabilities, where edgewise's guess for the provider is wrong (``["text", "logprobs"]``).
        connections: Requests in flight at most.
        timeout: Seconds until a request counts as failed.
        retry: When to try again.
        model_args: Passed to Inspect's provider (``base_url``, ``api_key`` and the provider's own).

    Raises:
        BadInput: The specification cannot be understood.
        Unsupported: A package, a key or the weights are missing.
    """
    if run is not None and record is not None:
        raise BadInput("give a run or a recording, not both", field="record")
    opened = open_backend(spec, can=can, model_args=model_args)
    memo = run.memo if run is not None else None
    if record is not None:
        memo = Memo(EventLog(Path(record)))
    return Model(
        opened.backend,
        name=opened.name,
        spec=spec,
        identity=opened.identity,
        role=role,
        memo=memo,
        cache=cache,
        budget=budget,
        max_connections=connections or opened.connections,
        timeout=timeout,
        retry=retry,
    )


def open_backend(
    spec: str, *, can: Collection[str] | None = None, model_args: Mapping[str, Any] | None = None
) -> Opened:
    """The backend that a specification names. For Inspect's registry and for ``open_model``."""
    capabilities = None if can is None else _capabilities(can)
    kind, _, rest = spec.partition(":")
    if spec == "embedded":
        from edgewise.models.embedded.engine import EmbeddedBackend

        embedded = EmbeddedBackend()
        return Opened(embedded, "SmolLM2-135M-Instruct", embedded.identity, 8)
    if kind == "adapter":
        from edgewise.models.torch_backend import TorchBackend
        from edgewise.training import adapters

        folder = Path(rest)
        identity = adapters.identity(folder)
        return Opened(TorchBackend(lambda: adapters.load(folder), identity), folder.name, identity, 32)
    if kind == "replay":
        from edgewise.models.replay import ReplayBackend

        path, _, name = rest.partition("#")
        replay = ReplayBackend(Path(path), name or None)
        return Opened(replay, replay.model["name"], replay.model["identity"], 64)
    if kind == "scripted":
        from edgewise.models.scripted import ScriptedBackend, load_script

        script, digest = load_script(rest)
        backend = ScriptedBackend(script, capabilities or frozenset({Capability.TEXT}))
        return Opened(backend, rest.rpartition(":")[2], f"{spec}@{digest}", 64)
    if kind in ("http", "https"):
        return _open_url(spec, capabilities, dict(model_args or {}))
    if "/" not in spec:
        raise BadInput(f"{spec!r} names no model", field="model", fix="one of: " + "; ".join(SPECS))
    args = dict(model_args or {})
    base_url, api_key = args.pop("base_url", None), args.pop("api_key", None)
    return _open_inspect(spec, spec, base_url, api_key, capabilities, args)


def _open_inspect(
    spec: str,
    shown: str,
    base_url: str | None,
    api_key: str | None,
    capabilities: frozenset[Capability] | None,
    args: dict[str, Any],
) -> Opened:
    from edgewise.models.inspect_backend import InspectBackend, open_inspect

    provider, _, name = spec.partition("/")
    if provider == "edgewise":
        return open_backend(name)
    model = open_inspect(spec, base_url=base_url, api_key=api_key, model_args=args)
    details = [f"{k}={v}" for k, v in sorted(args.items())] + ([base_url] if base_url and base_url not in shown else [])
    identity = shown + (f"({','.join(details)})" if details else "")
    return Opened(InspectBackend(model, provider, capabilities), name.split("/")[-1], identity, 16)


def _open_url(spec: str, capabilities: frozenset[Capability] | None, args: dict[str, Any]) -> Opened:
    url, _, name = spec.partition("#")
    parts = urlsplit(url)
    if parts.username or parts.password:
        # A specification ends up in manifests and reports.
        raise BadInput("a key does not belong into the address", field="model", fix="set EDGEWISE_API_KEY")
    if not parts.hostname:
        raise BadInput(f"{url!r} is not an address", field="model", fix="http://host:port/v1#model")
    key = args.pop("api_key", None) or os.environ.get("EDGEWISE_API_KEY")
    name = name or _only_model(url, key)
    return _open_inspect(f"openai-api/edgewise/{name}", f"{url}#{name}", url, key or "none", capabilities, args)


def _only_model(url: str, key: str | None) -> str:
    """The name of the one model that a server offers."""
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=10)
        reply.raise_for_status()
        names = [str(model["id"]) for model in reply.json()["data"]]
    except httpx.HTTPError as error:
        raise ModelFault(f"the server does not answer: {error}", kind="connection", where=url) from None
    except (ValueError, KeyError, TypeError):
        raise BadInput("the server does not list its models", field="model", fix=f"say which: {url}#NAME") from None
    if len(names) != 1:
        listed = ", ".join(names[:8]) or "none"
        raise BadInput(f"the server offers {len(names)} models: {listed}", field="model", fix=f"{url}#NAME")
    return names[0]


def _capabilities(names: Collection[str]) -> frozenset[Capability]:
    try:
        return frozenset({Capability.TEXT, *(Capability(name.strip()) for name in names)})
    except ValueError as error:
        raise BadInput(str(error), field="--can", fix="of: " + ", ".join(Capability)) from None
