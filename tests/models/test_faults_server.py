"""A server that misbehaves in every way we know: nothing is lost, nothing counts as an answer, all is accounted for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edgewise.core.errors import ModelFault
from edgewise.core.run import Run
from edgewise.models import Retry, Settings, open_model, read_ledger
from support import fake_server as fake

QUICK = Retry(attempts=3, base=0.01)
RECOVERABLE = {
    "429": (fake.too_many, "rate_limit"),
    "429 with Retry-After": (fake.too_many_wait, "rate_limit"),
    "500": (fake.status(500), "server"),
    "503": (fake.status(503), "server"),
    "timeout": (fake.hang, "timeout"),
    "reset mid-stream": (fake.reset, "connection"),
    "malformed JSON": (fake.malformed, "malformed"),
    "no choices": (fake.no_choices, "empty"),
    "empty choice": (fake.empty_choice, "malformed"),
    "wrong content type": (fake.wrong_type, "malformed"),
    "bare string": (fake.bare_string, "malformed"),
}
FINAL = {
    "400": (fake.status(400), "bad_request"),
    "401": (fake.status(401), "auth"),
    "403": (fake.status(403), "auth"),
    "404": (fake.status(404), "bad_request"),
}


def ask(server: fake.FakeServer, folder: Path, *prompts: str) -> tuple[list[object], Run]:
    """Ask through a fresh or continued run; faults come back as values."""
    from edgewise.models import gather_calls

    # A busy machine may take a second over an answer; only what never comes is to be given up on soon.
    patience = 1.0 if fake.hang in server.plan else 30.0
    writable = (folder / "manifest.json").exists()
    run = Run.open(folder, writable=True) if writable else Run.create(folder, "test", {}, seed=0)

    async def go() -> list[object]:
        model = open_model(f"{server.url}#fake", run=run, retry=QUICK, timeout=patience)
        return list(await gather_calls([lambda p=p: model.generate(p, Settings(max_tokens=9)) for p in prompts]))

    with run:
        return asyncio.run(go()), run


@pytest.mark.parametrize("name", RECOVERABLE)
def test_one_fault_is_retried_and_the_answer_counts_once(name: str, server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [RECOVERABLE[name][0]]
    (response,), run = ask(server, tmp_path / "run", "hi")
    assert response.text == "echo: hi"
    assert len(server.requests) == 2
    assert server.requests[0]["key"] == server.requests[1]["key"] is not None
    ledger = read_ledger(run.events.read())
    assert (ledger.usage.calls, ledger.usage.attempts, ledger.faults) == (1, 2, {})


@pytest.mark.parametrize("name", RECOVERABLE)
def test_a_lasting_fault_is_no_answer_and_is_asked_again_on_resume(
    name: str, server: fake.FakeServer, tmp_path: Path
) -> None:
    reply, kind = RECOVERABLE[name]
    server.plan = [reply] * QUICK.attempts
    (fault,), run = ask(server, tmp_path / "run", "hi")
    assert isinstance(fault, ModelFault) and (fault.kind, fault.attempts) == (kind, QUICK.attempts)
    ledger = read_ledger(run.events.read())
    assert ledger.faults == {kind: 1} and ledger.usage.calls == 0 and ledger.usage.attempts == QUICK.attempts
    (response,), run = ask(server, tmp_path / "run", "hi")
    assert response.text == "echo: hi"
    ledger = read_ledger(run.events.read())
    assert (ledger.faults, ledger.usage.calls, ledger.usage.attempts) == ({}, 1, QUICK.attempts + 1)


def test_a_fault_that_a_later_session_does_not_meet_again_is_not_missing(
    server: fake.FakeServer, tmp_path: Path
) -> None:
    server.plan = [fake.status(400)]
    _, run = ask(server, tmp_path / "run", "hi")
    assert read_ledger(run.events.read()).faults == {"bad_request": 1}
    with Run.open(tmp_path / "run", writable=True) as again:
        again.events.append("started", {})
        assert read_ledger(again.read_events()).faults == {}


@pytest.mark.parametrize("name", FINAL)
def test_a_refusal_is_not_retried_and_costs_nothing(name: str, server: fake.FakeServer, tmp_path: Path) -> None:
    reply, kind = FINAL[name]
    server.plan = [reply]
    (fault,), run = ask(server, tmp_path / "run", "hi")
    assert isinstance(fault, ModelFault) and fault.kind == kind
    assert len(server.requests) == 1
    usage = read_ledger(run.events.read()).usage
    assert (usage.attempts, usage.input_tokens, usage.output_tokens) == (1, 0, 0)


def test_a_mixture_loses_nothing(server: fake.FakeServer, tmp_path: Path) -> None:
    """Sixty calls while every other request fails somehow: each prompt gets its own answer or a fault."""
    faults = [reply for name, (reply, _) in RECOVERABLE.items() if name != "timeout"]
    server.plan = [faults[i % len(faults)] if i % 2 else fake.answer for i in range(80)]
    prompts = [f"q{i}" for i in range(60)]
    outcomes, run = ask(server, tmp_path / "run", *prompts)
    for prompt, outcome in zip(prompts, outcomes, strict=True):
        assert isinstance(outcome, ModelFault) or outcome.text == f"echo: {prompt}"
    answered = sum(not isinstance(outcome, ModelFault) for outcome in outcomes)
    ledger = read_ledger(run.events.read())
    assert ledger.usage.calls == answered
    assert ledger.usage.attempts == len(server.requests)
    assert sum(ledger.faults.values()) == len(prompts) - answered


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [lambda handler, body: handler.send_json(429, {}, Retry_After="3600")]
    (fault,), _ = ask(server, tmp_path / "run", "hi")
    assert isinstance(fault, ModelFault) and fault.kind == "rate_limit" and fault.retry_after == 3600
    assert len(server.requests) == 1


def test_a_dead_server_is_given_up_on(tmp_path: Path) -> None:
    """After twenty unanswered calls in a row the rest is not even tried."""

    async def go() -> list[str]:
        model = open_model("http://127.0.0.1:9/v1#none", retry=Retry(attempts=1))
        kinds = []
        for i in range(25):
            with pytest.raises(ModelFault) as caught:
                await model.generate(f"q{i}")
            kinds.append(caught.value.kind)
        return kinds

    assert asyncio.run(go()) == ["connection"] * 20 + ["unreachable"] * 5


def test_a_bad_key_stops_everything_at_once(server: fake.FakeServer, tmp_path: Path) -> None:
    server.plan = [fake.status(401)] * 50
    outcomes, _ = ask(server, tmp_path / "run", *[f"q{i}" for i in range(40)])
    assert {outcome.kind for outcome in outcomes} == {"auth", "unreachable"}
    assert len(server.requests) <= 8  # what was already in flight


def test_logprobs_and_pictures_reach_the_server(server: fake.FakeServer, tmp_path: Path) -> None:
    from edgewise.models import Image, Message

    picture = Image(data_uri="data:image/png;base64,iVBORw0KGgo=")

    async def go() -> None:
        model = open_model(f"{server.url}#fake", can=["vision", "logprobs"])
        await model.generate([Message.user("what is this?", picture)], Settings(top_logprobs=3, stop=("\n",), seed=4))

    asyncio.run(go())
    body = server.requests[0]["body"]
    assert body["messages"][0]["content"][1]["image_url"]["url"] == picture.data_uri
    assert (body["logprobs"], body["top_logprobs"], body["stop"], body["seed"]) == (True, 3, ["\n"], 4)
