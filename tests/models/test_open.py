"""Specifications: what each opens, and what is said of one that opens nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgewise.core.errors import BadInput, ModelFault, Unsupported
from edgewise.core.instrument import Capability
from edgewise.models import open_model
from support.fake_server import FakeServer


def test_a_server_with_one_model_needs_no_name(server: FakeServer) -> None:
    model = open_model(server.url)
    assert model.name == "fake" and model.identity == f"{server.url}#fake"
    assert asyncio.run(model.generate("hi")).text == "echo: hi"
    server.names = ["a", "b"]
    with pytest.raises(BadInput, match="2 models: a, b"):
        open_model(server.url)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(ModelFault, match="does not answer"):
        open_model("http://127.0.0.1:9/v1")


def test_keys_stay_out_of_specifications(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="EDGEWISE_API_KEY"):
        open_model("http://me:secret@host/v1#m")
    monkeypatch.setenv("EDGEWISE_API_KEY", "sk-very-secret")
    model = open_model(f"{server.url}#fake")
    assert "secret" not in str(model.describe()) and "secret" not in model.identity
    named = open_model("openai-api/x/fake", model_args={"base_url": server.url, "api_key": "sk-very-secret"})
    assert "secret" not in str(named.describe()) and server.url in named.identity


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("gpt-5", "names no model"),
        ("", "names no model"),
        ("nosuch/model", "not recognized"),
        ("scripted:", "does not name a function"),
        ("scripted:math:nosuch", "no function 'nosuch'"),
        ("scripted:nosuchmodule:f", "cannot import"),
        ("scripted:nosuch.py:f", "no such file"),
        ("replay:nosuch", "no recording here"),
        ("http:///v1#m", "not an address"),
    ],
)
def test_wrong_specifications(spec: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as caught:
        open_model(spec)
    assert caught.value.fix or caught.value.where


def test_a_missing_key_or_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(Unsupported, match="OPENAI_API_KEY"):
        open_model("openai/gpt-5")


def test_what_a_model_can_do_may_be_said(server: FakeServer) -> None:
    assert open_model(f"{server.url}#fake").capabilities == {Capability.TEXT, Capability.LOGPROBS}
    assert open_model(f"{server.url}#fake", can=["vision"]).capabilities == {Capability.TEXT, Capability.VISION}
    with pytest.raises(BadInput, match="--can"):
        open_model(f"{server.url}#fake", can=["telepathy"])


def test_scripts_from_files_and_modules(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1/0\n")
    with pytest.raises(BadInput, match="ZeroDivisionError"):
        open_model(f"scripted:{tmp_path / 'broken.py'}:f")
    script = tmp_path / "bot.py"
    script.write_text("async def f(messages, settings, sample):\n    return 'a'\ndef g(*_):\n    return 3\n")
    first = open_model(f"scripted:{script}:f")
    assert asyncio.run(first.generate("x")).text == "a"
    with pytest.raises(BadInput, match="int"):
        asyncio.run(open_model(f"scripted:{script}:g").generate("x"))
    script.write_text("def f(*_):\n    return 'b'\n")
    assert open_model(f"scripted:{script}:f").identity != first.identity  # other code is another model


def test_a_run_and_a_recording_exclude_each_other(tmp_path: Path) -> None:
    from edgewise.core.run import Run

    with Run.create(tmp_path / "r", "test", {}, seed=0) as run, pytest.raises(BadInput, match="not both"):
        open_model("scripted:x:y", run=run, record=tmp_path / "x")
