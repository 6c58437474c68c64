"""The door: what is asked is remembered, counted and limited, whatever answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgewise.core.errors import BadInput, BudgetExhausted, ModelFault, Unsupported
from edgewise.core.run import Run
from edgewise.models import (
    Budget,
    Cache,
    Limits,
    Message,
    Prices,
    Response,
    Settings,
    gather_calls,
    open_model,
    read_ledger,
    scripted_model,
)
from edgewise.models.calls import Call
from edgewise.models.door import Model
from edgewise.models.faults import Retry
from edgewise.models.scripted import ScriptedBackend


class Counting:
    """A script that counts how often each prompt reaches it."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def __call__(self, messages: Sequence[Message], settings: Settings, sample: int) -> str:
        self.asked[messages[-1].text] += 1
        return f"{messages[-1].text}/{sample}/{settings.temperature}"


def door(script: Any, **options: Any) -> Model:
    return Model(
        ScriptedBackend(script), name="s", spec="s", identity="s", retry=Retry(attempts=3, base=0.001), **options
    )


def test_the_digest_names_the_request_and_nothing_else() -> None:
    base = Call(messages=(Message.user("x"),))
    assert base.digest == Call(messages=(Message.user("x"),), scope="other run").digest
    others = [
        Call(messages=(Message.user("y"),)),
        Call(messages=(Message.user("x"),), sample=1),
        Call(messages=(Message.user("x"),), settings=Settings(max_tokens=1)),
        Call(messages=(Message.assistant("x"),)),
        Call(messages=(Message.user("x"),), kind="score", continuation=""),
    ]
    assert len({base.digest, *(call.digest for call in others)}) == 6


def test_the_digest_is_stable_across_versions() -> None:
    """Recordings outlive releases. If this fails, old recordings no longer replay: do not just change the value."""
    call = Call(
        messages=(Message.system("s"), Message.user("ü")), settings=Settings(max_tokens=5, stop=("a",)), sample=2
    )
    assert call.digest == "489095e20dcb23b61f67b3f5cf983313f8fae22b7efde72ee53c079106f946f3"


def test_a_run_pays_once(tmp_path: Path) -> None:
    script = Counting()

    async def go(run: Run) -> list[Response]:
        model = scripted_model(script).bind(run)
        first = await model.generate("a")
        await asyncio.gather(*(model.generate("b") for _ in range(5)))
        return [first, await model.generate("a"), await model.generate("a", sample=1)]

    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        fresh = asyncio.run(go(run))
    assert script.asked == {"a": 2, "b": 1}
    assert [r.text for r in fresh] == ["a/0/0.0", "a/0/0.0", "a/1/0.0"]
    with Run.open(tmp_path / "run", writable=True) as run:
        assert asyncio.run(go(run)) == fresh
        usage = read_ledger(run.events.read()).usage
    assert script.asked == {"a": 2, "b": 1}
    assert (usage.calls, usage.attempts) == (3, 3)


def test_the_cache_carries_answers_between_runs(tmp_path: Path) -> None:
    script = Counting()
    for name in ("one", "two"):
        with Run.create(tmp_path / name, "test", {}, seed=0) as run:
            model = door(script, cache=Cache(tmp_path / "cache.sqlite")).bind(run)
            assert asyncio.run(model.generate("a")).text == "a/0/0.0"
            usage = read_ledger(run.events.read()).usage
    assert script.asked == {"a": 1}
    assert (usage.cached, usage.calls, usage.attempts) == (1, 0, 0)


def test_two_models_do_not_share_answers(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        a = scripted_model(lambda m, s, k: "from a", name="a").bind(run)
        b = scripted_model(lambda m, s, k: "from b", name="b").bind(run)
        assert asyncio.run(a.generate("x")).text == "from a"
        assert asyncio.run(b.generate("x")).text == "from b"


@pytest.mark.parametrize("limit", [0, 1, 7, 20])
def test_the_call_limit_is_never_overrun(limit: int) -> None:
    script = Counting()
    model = door(script, budget=Budget(Limits(calls=limit)), max_connections=5)
    jobs = [lambda i=i: model.generate(f"q{i}") for i in range(15)]
    outcomes = asyncio.run(gather_calls(jobs))
    assert script.asked.total() == min(limit, 15)
    assert sum(isinstance(o, BudgetExhausted) for o in outcomes) == max(0, 15 - limit) == model.budget.refused


def test_retries_count_as_calls() -> None:
    def fail(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        raise ModelFault("no", kind="server")

    model = door(fail, budget=Budget(Limits(calls=2)))
    with pytest.raises(BudgetExhausted):
        asyncio.run(model.generate("x"))
    assert model.budget.spent.attempts == 2


def test_the_token_limit_is_kept_by_reserving_first() -> None:
    """Each call really takes 12 tokens but could take 118: the limit of 400 must hold at every moment."""
    budget = Budget(Limits(tokens=400))
    held: list[int] = []

    async def script(messages: Sequence[Message], settings: Settings, sample: int) -> Response:
        spent = budget.spent
        held.append(spent.input_tokens + spent.output_tokens)
        await asyncio.sleep(0)
        return Response(text="x", input_tokens=8, output_tokens=4)

    model = door(script, budget=budget)
    jobs = [lambda i=i: model.generate(f"{i:02}", Settings(max_tokens=20)) for i in range(60)]
    outcomes = asyncio.run(gather_calls(jobs))
    answered = sum(isinstance(o, Response) for o in outcomes)
    assert budget.spent.input_tokens + budget.spent.output_tokens == 12 * answered <= 400
    # Requests in flight are waited for before giving up, so the budget is used to within one reservation.
    assert 12 * answered > 400 - 118 - 12


def test_the_cost_limit_needs_prices_and_is_kept() -> None:
    with pytest.raises(BadInput, match="prices"):
        Budget(Limits(cost=1.0))
    budget = Budget(Limits(cost=0.001), Prices(input=1.0, output=2.0))
    model = door(lambda m, s, k: Response(text="x", input_tokens=10, output_tokens=10), budget=budget)
    outcomes = asyncio.run(gather_calls([lambda i=i: model.generate(f"{i}") for i in range(100)]))
    assert 0 < (budget.spent.cost or 0) <= 0.001
    assert any(isinstance(o, BudgetExhausted) for o in outcomes)


def test_the_time_limit_cuts_a_call_short() -> None:
    async def slow(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        await asyncio.sleep(30)
        return "never"

    model = door(slow, budget=Budget(Limits(seconds=0.1)))
    with pytest.raises(BudgetExhausted, match="seconds"):
        asyncio.run(model.generate("x"))


def test_a_request_in_flight_at_a_kill_is_counted(tmp_path: Path) -> None:
    """The process dies while a request is out: on resume the ledger counts it in full, since it may have been paid."""

    async def die(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        raise KeyboardInterrupt

    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(door(die, budget=Budget(prices=Prices(input=1, output=1))).bind(run).generate("x"))
        usage = read_ledger(run.events.read()).usage
        assert (usage.attempts, usage.calls, usage.output_tokens) == (1, 0, 256)
        model = scripted_model(lambda m, s, k: "ok").bind(run)
        model.identity = "s"
        asyncio.run(model.generate("x"))
        usage = read_ledger(run.events.read()).usage
    assert (usage.attempts, usage.calls) == (2, 1)


def test_timeouts_are_faults(tmp_path: Path) -> None:
    async def slow(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        await asyncio.sleep(30)
        return "never"

    model = door(slow, timeout=0.02)
    with pytest.raises(ModelFault) as caught:
        asyncio.run(model.generate("x"))
    assert (caught.value.kind, caught.value.attempts) == ("timeout", 3)


def test_connections_are_limited_and_loops_are_independent() -> None:
    now = most = 0

    async def script(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return "x"

    model = door(script, max_connections=3)
    for _ in range(2):
        asyncio.run(gather_calls([lambda i=i: model.generate(f"{i}") for i in range(30)], limit=30))
    assert most == 3


def test_what_a_model_cannot_do_is_refused_before_any_call() -> None:
    from edgewise.models import Image

    model = scripted_model(Counting())
    with pytest.raises(Unsupported, match="pictures"):
        asyncio.run(model.generate([Message.user("?", Image(data_uri="data:image/png;base64,AA=="))]))
    with pytest.raises(Unsupported, match="score"):
        asyncio.run(model.score("x", "y"))
    with pytest.raises(BadInput, match="at least one message"):
        asyncio.run(model.generate([]))


def test_gather_keeps_order_and_stops_on_a_defect() -> None:
    async def value(i: int) -> int:
        await asyncio.sleep(0.001 * (5 - i))
        return i

    seen: list[tuple[int, int]] = []
    jobs = [lambda i=i: value(i) for i in range(5)]
    assert asyncio.run(gather_calls(jobs, limit=5, progress=lambda *p: seen.append(p))) == list(range(5))
    assert seen == [(i, 5) for i in range(1, 6)]

    async def broken() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(gather_calls([broken, *jobs]))
    with pytest.raises(BadInput):
        asyncio.run(gather_calls(jobs, limit=0))


def test_a_recording_answers_bit_for_bit(tmp_path: Path) -> None:
    script = tmp_path / "bot.py"
    script.write_text("def reply(messages, settings, sample):\n    return messages[-1].text[::-1] + str(sample)\n")
    prompts = ["abc", "déf", "x" * 5000]

    async def ask(model: Model) -> list[Response]:
        return [await model.generate(p, sample=k) for p in prompts for k in (0, 1)]

    recorded = asyncio.run(ask(open_model(f"scripted:{script}:reply", record=tmp_path / "r.jsonl")))
    script.unlink()
    replay = open_model(f"replay:{tmp_path / 'r.jsonl'}")
    assert asyncio.run(ask(replay)) == recorded
    assert replay.name == "reply"
    with pytest.raises(ModelFault, match="not in the recording") as caught:
        asyncio.run(replay.generate("never asked"))
    assert caught.value.kind == "not_recorded"


def test_a_recording_of_several_models_needs_a_name(tmp_path: Path) -> None:
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        for name, role in (("a", "generator"), ("b", "judge")):
            model = scripted_model(lambda m, s, k, name=name: name, name=name)
            model.role = role
            asyncio.run(model.bind(run).generate("x"))
    with pytest.raises(BadInput, match=r"which model") as caught:
        open_model(f"replay:{tmp_path / 'run'}")
    assert "a, b" in str(caught.value)
    assert asyncio.run(open_model(f"replay:{tmp_path / 'run'}#b").generate("x")).text == "b"
