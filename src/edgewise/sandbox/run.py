"""Run untrusted Python source in a sandbox, or refuse to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from edgewise.core.errors import Unsupported
from edgewise.sandbox.directory import throwaway_directory
from edgewise.sandbox.request import make_plan, program_files
from edgewise.sandbox.spawn import Attempt, Cancellation, Cancelled, Outcome, SetupFailed
from edgewise.sandbox.types import Isolation, Limits, SandboxResult, Status

KIBIBYTE = 1 << 10
DEFAULT_LIMITS = Limits()


def recipes() -> tuple[Isolation, ...]:
    """Recipes to try on this machine, strongest first. Each is whole: a run never mixes what is left of two."""
    return ("namespaces", "landlock") if sys.platform == "linux" else ()


def run_python_sync(
    source: str,
    *,
    stdin: str = "",
    files: Mapping[str, str | bytes] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    allow_unsandboxed: bool = False,
    cancellation: Cancellation | None = None,
) -> SandboxResult:
    """Run Python source as ``python main.py`` in an empty directory, isolated from this machine (method: ours).

    The standard library can be imported, installed packages cannot. The program sees no network, no environment, no
    file of the host but the interpreter's, and no other process.

    Args:
        source: The program. Broken source is no error here: Python reports it, status ``error``.
        stdin: Its standard input.
        files: Further files of its working directory, by relative path.
        limits: What it may use.
        allow_unsandboxed: Where no isolation can be had, run anyway with resource limits only. Never for source that
            you would not run by hand.
        cancellation: Lets another thread end the run.

    Returns:
        How the program ended; failures of the program are results, not exceptions.

    Raises:
        BadInput: ``files`` does not fit (see ``program_files``).
        Unsupported: This machine cannot isolate the program, and ``allow_unsandboxed`` is false.
        Cancelled: ``cancellation`` was used.
    """
    contents = program_files(source, files, limits)
    reasons: dict[str, str] = {}
    for recipe in (*recipes(), *(("none",) if allow_unsandboxed else ())):
        try:
            outcome = attempt(recipe, contents, stdin, limits, cancellation)
        except SetupFailed as failure:
            reasons[recipe] = str(failure)
        else:
            return _result(outcome, recipe, limits)
    why = "; ".join(f"{recipe}: {reason}" for recipe, reason in reasons.items()) or f"{sys.platform} is not Linux"
    raise Unsupported(
        f"this machine cannot isolate untrusted code ({why})",
        fix="run on Linux with user namespaces or Landlock (`edgewise doctor` shows what is missing), "
        "or pass allow_unsandboxed=True for code that you trust",
    )


async def run_python(
    source: str,
    *,
    stdin: str = "",
    files: Mapping[str, str | bytes] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    allow_unsandboxed: bool = False,
) -> SandboxResult:
    """``run_python_sync`` for asyncio; same arguments, result and errors.

    Many runs may be awaited at once; each takes a thread and three processes, so bound how many. Cancelling the task
    ends the program and removes its directory before ``CancelledError`` goes on.
    """
    cancellation = Cancellation()
    # A thread of its own: the loop's shared pool may be full of other work, and a queued run could not be cancelled.
    with ThreadPoolExecutor(1, thread_name_prefix="edgewise-sandbox") as pool:
        running = asyncio.get_running_loop().run_in_executor(
            pool,
            lambda: run_python_sync(
                source,
                stdin=stdin,
                files=files,
                limits=limits,
                allow_unsandboxed=allow_unsandboxed,
                cancellation=cancellation,
            ),
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cancellation.cancel()
            with suppress(Cancelled):
                await running
            raise
        finally:
            if running.done():
                cancellation.close()


def attempt(
    recipe: Isolation, contents: dict[str, bytes], stdin: str, limits: Limits, cancellation: Cancellation | None
) -> Outcome:
    """Run once under one recipe.

    Raises:
        SetupFailed: A layer of the recipe could not be put in force; the program was not started.
        Cancelled: ``cancellation`` was used.
    """
    with throwaway_directory() as base:
        plan = make_plan(recipe, str(base), contents, limits)
        run = Attempt(plan, stdin.encode("utf-8", "surrogatepass"))
        try:
            return run.run(limits.wall_seconds, limits.output_kb * KIBIBYTE, cancellation)
        finally:
            run.close()


def _result(outcome: Outcome, isolation: Isolation, limits: Limits) -> SandboxResult:
    stderr = outcome.stderr.decode("utf-8", "replace")
    exit_code = None
    if outcome.wait_status is not None:
        exit_code = os.waitstatus_to_exitcode(outcome.wait_status)
    return SandboxResult(
        status=_status(outcome, exit_code, stderr, limits),
        exit_code=exit_code if outcome.ended_for is None else None,
        stdout=outcome.stdout.decode("utf-8", "replace"),
        stderr=stderr,
        truncated=outcome.truncated,
        seconds=outcome.seconds,
        isolation=isolation,
    )


def _status(outcome: Outcome, exit_code: int | None, stderr: str, limits: Limits) -> Status:
    if outcome.ended_for is not None:
        return outcome.ended_for
    if exit_code is None:
        return "killed"
    if exit_code == 0:
        return "ok"
    over_cpu = outcome.cpu_seconds >= limits.cpu_seconds and exit_code == -signal.SIGKILL
    if exit_code == -signal.SIGXCPU or over_cpu:
        return "cpu"
    if exit_code < 0:
        return "killed"
    last = stderr.rstrip().rpartition("\n")[2]
    return "memory" if last.startswith("MemoryError") else "error"
