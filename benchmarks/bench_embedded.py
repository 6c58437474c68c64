"""The embedded model through the door against the bare xllamacpp server, in the same run, turn about."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
from _table import spread, write_table

from edgewise.models import Settings, gather_calls, open_model
from edgewise.models.calls import Call
from edgewise.models.embedded.engine import _request
from edgewise.models.types import Message

TOKENS, CALLS, ROUNDS = 32, 8, 5


def bare(server: Any, prompts: list[str], concurrency: int) -> float:
    """Generated tokens per second of the server alone, with the same requests."""
    requests = [
        _request(Call(messages=(Message.user(prompt),), settings=Settings(max_tokens=TOKENS))) for prompt in prompts
    ]
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as threads:
        tokens = sum(r["usage"]["completion_tokens"] for r in threads.map(server.handle_chat_completions, requests))
    return tokens / (time.perf_counter() - started)


def through_the_door(model: Any, prompts: list[str], concurrency: int) -> float:
    settings = Settings(max_tokens=TOKENS)
    started = time.perf_counter()
    jobs = [lambda p=p: model.generate(p, settings) for p in prompts]
    answers: list[Any] = list(asyncio.run(gather_calls(jobs, limit=concurrency)))
    return sum(answer.output_tokens for answer in answers) / (time.perf_counter() - started)


def main() -> None:
    started = time.perf_counter()
    model = open_model("embedded")
    asyncio.run(model.generate("warm up", Settings(max_tokens=1)))
    loading = time.perf_counter() - started
    server = model._backend._server._server  # type: ignore[attr-defined]
    rows = []
    for concurrency in (1, 4, 8):
        ours, theirs = [], []
        for turn in range(ROUNDS):
            prompts = [f"Tell me something about the number {1000 * turn + i}." for i in range(CALLS)]
            pair = [("ours", ours), ("theirs", theirs)]
            for name, speeds in pair if turn % 2 else pair[::-1]:
                measure = through_the_door if name == "ours" else bare
                speeds.append(measure(model if name == "ours" else server, prompts, concurrency))
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        rows.append((concurrency, spread(theirs, 1), spread(ours, 1), spread(ratios)))
    memory = psutil.Process().memory_info().rss / 2**20
    notes = (
        f"{ROUNDS} rounds of {CALLS} requests of {TOKENS} tokens each, the two taken turn about; median with smallest "
        f"and largest. Target for the ratio: 0.9. Loading until the first answer: {loading:.1f} s; memory "
        f"{memory:.0f} MiB."
    )
    columns = ("requests at a time", "xllamacpp alone, tokens/s", "through the door, tokens/s", "ratio")
    write_table("embedded", "Embedded model: door against bare server", columns, rows, notes)


if __name__ == "__main__":
    main()
