"""Independent units of work over local processes or a Ray cluster: same results, same order, progress shown."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from edgewise.core.errors import EdgewiseError, MissingExtra

U = TypeVar("U")
R = TypeVar("R")
Progress = Callable[[int, int], None]


class UnitFailed(EdgewiseError):
    """One unit of a fan-out raised; ``index`` says which. The original exception is the cause."""

    def __init__(self, index: int, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}", where=f"unit {index}")
        self.index = index


def fanout(
    function: Callable[[U, np.random.Generator], R],
    units: Sequence[U],
    *,
    seed: int = 0,
    workers: int | None = None,
    address: str | None = None,
    progress: Progress | None = None,
    keep: Callable[[int, R], None] | None = None,
) -> list[R]:
    """Apply ``function(unit, rng)`` to every unit and return the results in the order of the units.

    Each unit has a generator of its own, derived from ``seed`` and the unit's place, so the results do not depend on
    the number of workers nor on where they run.

    Args:
        function: A function that a new process can import (defined at the top of a module).
        units: The units; each must survive being sent to another process.
        seed: Root of the units' generators.
        workers: Local processes; default is the number of cores, 1 runs in this process.
        address: A Ray cluster's address (``"auto"``, ``"local"``, ``"ray://host:10001"``) instead of local processes.
        progress: Called with (units done, units) after each.
        keep: Called with (index, result) as soon as a unit is done, in whatever order that happens.

    Raises:
        UnitFailed: A unit raised; the others that were not started are dropped.
        MissingExtra: ``address`` was given and Ray is not installed.
    """
    jobs = list(zip(units, np.random.SeedSequence(seed).spawn(len(units)), strict=True))
    count = workers or os.cpu_count() or 1
    if address is not None:
        results = _over_ray(function, jobs, address)
    elif count == 1 or len(jobs) <= 1:
        results = ((i, _call(function, *job)) for i, job in enumerate(jobs))
    else:
        results = _over_processes(function, jobs, min(count, len(jobs)))
    collected: dict[int, R] = {}
    for index, (result, error) in results:
        if error is not None:
            raise UnitFailed(index, error) from error
        collected[index] = result
        if keep is not None:
            keep(index, result)
        if progress is not None:
            progress(len(collected), len(jobs))
    return [collected[i] for i in range(len(jobs))]


def _call(function: Callable[[Any, Any], Any], unit: Any, seed: np.random.SeedSequence) -> tuple[Any, Any]:
    """Result and error of one unit; an error is carried, not raised, so that the caller knows whose it is."""
    try:
        return function(unit, np.random.default_rng(seed)), None
    except Exception as error:
        return None, error


def _prepare_worker() -> None:
    # Ctrl-C reaches every process of the terminal's group: a worker goes without a word, the parent says what happened.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # Several processes that each start a thread per core spend their time waiting for one another.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def _over_processes(function: Any, jobs: list[Any], workers: int) -> Iterator[tuple[int, Any]]:
    # `spawn`: forking a process that runs threads (a model server, a progress display) can deadlock the child.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker)
    try:
        todo = iter(enumerate(jobs))
        running: dict[Future[Any], int] = {}
        while True:
            for index, job in islice(todo, 2 * workers - len(running)):
                running[pool.submit(_call, function, *job)] = index
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, error = running.pop(future), future.exception()
                yield index, (None, error) if error is not None else future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    try:
        import ray
    except ImportError:
        raise MissingExtra("Ray", "scale") from None
    started = not ray.is_initialized()
    if started:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray
    finally:
        if started:
            ray.shutdown()


def _over_ray(function: Any, jobs: list[Any], address: str) -> Iterator[tuple[int, Any]]:
    with _ray(address) as ray:
        remote = ray.remote(_call)
        window = max(4, int(2 * ray.cluster_resources().get("CPU", 2)))
        held = ray.put(function)
        todo = iter(enumerate(jobs))
        running: dict[Any, int] = {}
        while True:
            for index, job in islice(todo, window - len(running)):
                running[remote.remote(held, *job)] = index
            if not running:
                return
            done, _ = ray.wait(list(running))
            for reference in done:
                yield running.pop(reference), ray.get(reference)
