"""A progress bar over a run, read from its events."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.core.events import Event, decode_event

if TYPE_CHECKING:
    from rich.console import Console

_EVERY = 0.5  # seconds between looks at the log
_LINE_EVERY = 15.0  # seconds between lines where there is no terminal


@asynccontextmanager
async def show_progress(folder: Path, console: Console) -> AsyncIterator[None]:
    """While open, show how far each instrument has come and how long it may still take."""
    watcher = asyncio.create_task(_bars(folder, console) if console.is_terminal else _lines(folder, console))
    try:
        yield
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


@contextmanager
def progress_shown(folder: Path, console: Console) -> Iterator[None]:
    """The same around work that is not asynchronous and must stay in this thread, so that Ctrl-C ends it."""
    over = threading.Event()

    async def watch() -> None:
        async with show_progress(folder, console):
            while not over.is_set():
                await asyncio.sleep(_EVERY)

    watcher = threading.Thread(target=lambda: asyncio.run(watch()), name="edgewise-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


async def _bars(folder: Path, console: Console) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks = {}
    with Progress(*columns, console=console, transient=True) as progress:
        async for event in _follow(folder):
            name, done, total = event.data["instrument"], event.data["done"], event.data["total"]
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)


async def _lines(folder: Path, console: Console) -> None:
    last = time.monotonic()
    async for event in _follow(folder):
        if time.monotonic() - last >= _LINE_EVERY:
            last = time.monotonic()
            data = event.data
            console.print(f"{data['instrument']}: {data['done']}/{data['total']}", markup=False)


async def _follow(folder: Path) -> AsyncIterator[Event]:
    """Progress events from now on, as they are written."""
    path = folder / "events.jsonl"
    position = path.stat().st_size if path.is_file() else 0
    while True:
        await asyncio.sleep(_EVERY)
        if not path.is_file():
            continue
        for event, end in _read_from(path, position):
            position = end
            if event is not None and event.kind == "progress":
                yield event


def _read_from(path: Path, position: int) -> Iterator[tuple[Event | None, int]]:
    """Whole lines after ``position``, each with where it ends."""
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):
                return
            position += len(line)
            yield decode_event(line), position
