"""One attempt to run a plan: start the child, check that it is confined, give leave, collect its output, end it."""

from __future__ import annotations

import ast
import os
import selectors
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from edgewise.core.errors import EdgewiseError
from edgewise.sandbox.child.plan import GO, Plan
from edgewise.sandbox.interpreter import interpreter_path

SETUP_SECONDS = 60.0  # generous: many runs may start at once on a busy machine
ENDING_SECONDS = 10.0
CHUNK = 1 << 16

# The child imports its own modules but not `edgewise` itself, whose dependencies it neither needs nor should load:
# bare package objects stand in for the two packages above it.
STARTER = """
import sys, types
for name, path in (("edgewise", ""), ("edgewise.sandbox", sys.argv[3])):
    package = types.ModuleType(name)
    package.__path__ = [path]
    sys.modules[name] = package
from edgewise.sandbox.child.supervisor import main
main()
"""


class SetupFailed(EdgewiseError):
    """The child could not put the layers of its recipe in force. The program was not started."""


class Cancelled(EdgewiseError):
    """The run was cancelled from another thread; all its processes have ended."""


class Cancellation:
    """A way to end a run from another thread. ``fileno`` becomes readable once ``cancel`` was called."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()

    def fileno(self) -> int:
        """The descriptor that the run watches."""
        return self._read

    def cancel(self) -> None:
        """End the run; may be called from any thread, more than once, before ``close``."""
        os.write(self._write, b"c")

    def close(self) -> None:
        """Release the descriptors, after the run has ended."""
        os.close(self._read)
        os.close(self._write)


@dataclass
class Outcome:
    """What was seen of a run.

    Attributes:
        layers: Layers in force, name to detail, as the child reported them.
        stdout, stderr: Bytes read, at most the limit.
        truncated: Whether more was written.
        ended_for: Why this side or the supervisor ended the run (``timeout``, ``output``, ``memory``), if it did.
        wait_status: Wait status of the program, ``None`` if it was ended.
        cpu_seconds: Processor time that it used.
        seconds: Wall time from leave to end.
    """

    layers: dict[str, str] = field(default_factory=dict)
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    ended_for: Literal["timeout", "output", "memory"] | None = None
    wait_status: int | None = None
    cpu_seconds: float = 0.0
    seconds: float = 0.0


class Attempt:
    """A running child and the five pipes to it. Whoever makes one must call ``end`` whatever happens."""

    def __init__(self, plan: Plan, stdin: bytes) -> None:
        self.outcome = Outcome()
        self._started: float | None = None
        self._finished = False
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self._messages = bytearray()
        self._to_write = {"control": memoryview(plan.encode()), "stdin": memoryview(stdin)}
        self._selector = selectors.DefaultSelector()
        self._process, self._pipes = start_child()
        for name, pipe in self._pipes.items():
            os.set_blocking(pipe.fileno(), False)
            events = selectors.EVENT_WRITE if name in self._to_write else selectors.EVENT_READ
            self._selector.register(pipe, events, name)

    def run(self, wall_seconds: float, output_bytes: int, cancellation: Cancellation | None) -> Outcome:
        """Stay until the program has ended or must end, end all of the run, and return what was seen.

        Raises:
            SetupFailed: The child could not confine itself, so the program was not started.
            Cancelled: ``cancellation`` was used.
        """
        if cancellation is not None:
            self._selector.register(cancellation, selectors.EVENT_READ, "cancellation")
        deadline = time.monotonic() + SETUP_SECONDS
        while not self._finished:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                if self._started is None:
                    raise SetupFailed(f"set-up took longer than {SETUP_SECONDS:g} s")
                self._finish("timeout")
            for name in [str(key.data) for key, _ in ready]:
                if name == "cancellation":
                    raise Cancelled("the run was cancelled")
                if name == "status":
                    if self._read_status():
                        deadline = time.monotonic() + wall_seconds
                elif name in self._to_write:
                    self._write(name)
                else:
                    self._read_output(name, output_bytes)
        if self._started is None:
            raise SetupFailed("the child ended before it was ready")
        self.outcome.seconds = time.monotonic() - self._started
        self.end()
        for name in ("stdout", "stderr"):
            # All writers are dead, so the end of each pipe is near.
            while name in self._pipes and len(self._kept[name]) <= output_bytes:
                self._read_output(name, output_bytes)
        self._close_all()
        self.outcome.stdout = bytes(self._kept["stdout"][:output_bytes])
        self.outcome.stderr = bytes(self._kept["stderr"][:output_bytes])
        return self.outcome

    def end(self) -> None:
        """End the run: the supervisor sees the control pipe close, ends all of the run, and then itself."""
        self._close("control")
        self._close("stdin")
        try:
            # The end of the status pipe is the end of supervisor and init; reading on costs less than polling wait().
            if "status" in self._pipes:
                status = self._pipes["status"]
                os.set_blocking(status.fileno(), True)
                with selectors.DefaultSelector() as selector:
                    selector.register(status, selectors.EVENT_READ)
                    deadline = time.monotonic() + ENDING_SECONDS
                    while selector.select(max(0.0, deadline - time.monotonic())):
                        data = os.read(status.fileno(), CHUNK)
                        if not data:
                            break
                        self._understand(data)
            self._process.wait(ENDING_SECONDS)
        except BaseException:
            # Whatever went wrong here, a second Ctrl-C included: the supervisor's death pulls the leash as well.
            self._process.kill()
            self._process.wait()
            raise

    def close(self) -> None:
        """End the run if need be and release all descriptors."""
        try:
            if self._process.returncode is None:
                self.end()
        finally:
            self._close_all()

    def _finish(self, reason: Literal["timeout", "output", "memory"] | None = None) -> None:
        self._finished = True
        self.outcome.ended_for = self.outcome.ended_for or reason

    def _write(self, name: str) -> None:
        pipe = self._pipes[name]
        try:
            written = os.write(pipe.fileno(), self._to_write[name][:CHUNK]) if self._to_write[name] else 0
        except BlockingIOError:
            return
        except BrokenPipeError:
            # A program need not read its input. If it was the child that broke, its status tells.
            self._to_write[name] = self._to_write[name][:0]
            written = 0
        self._to_write[name] = self._to_write[name][written:]
        if not self._to_write[name]:
            if name == "stdin":
                self._close("stdin")
            else:
                # The control pipe stays open: its end means the end of the run.
                self._selector.unregister(pipe)

    def _read_output(self, name: str, output_bytes: int) -> None:
        try:
            data = os.read(self._pipes[name].fileno(), CHUNK)
        except BlockingIOError:
            # Only after an abnormal end, when a writer may still be dying: what was read has to do.
            data = b""
        if not data:
            self._close(name)
            return
        kept = self._kept[name]
        kept += data[: output_bytes + 1 - len(kept)]
        if len(kept) > output_bytes:
            self.outcome.truncated = True
            self._finish("output")

    def _read_status(self) -> bool:
        """Take in messages; gives leave and returns true when the child has just become ready."""
        data = os.read(self._pipes["status"].fileno(), CHUNK)
        if not data:
            self._close("status")
            self._finish()
            return False
        started = self._started
        self._understand(data)
        if started is not None or not self.outcome.layers:
            return False
        # Leave is given here and nowhere else: after the child has said that every layer is in force.
        self._started = time.monotonic()
        with suppress(BrokenPipeError):
            os.write(self._pipes["control"].fileno(), GO)
        return True

    def _understand(self, data: bytes) -> None:
        self._messages += data
        *lines, rest = self._messages.split(b"\n")
        self._messages = bytearray(rest)
        for line in lines:
            message: dict[str, Any] = ast.literal_eval(line.decode())
            stage = message["stage"]
            if stage == "ready":
                self.outcome.layers = message["layers"]
            elif stage == "not executed" or (stage == "failed" and self._started is None):
                raise SetupFailed(message["error"])
            elif stage == "failed":
                # The program ran, so it must not be run again under another recipe.
                self._finish()
            elif stage == "memory":
                self._finish("memory")
            elif stage == "exit":
                self.outcome.wait_status, self.outcome.cpu_seconds = message["wait_status"], message["cpu"]
                self._finish()

    def _close(self, name: str) -> None:
        pipe = self._pipes.pop(name, None)
        if pipe is not None:
            with suppress(KeyError):
                self._selector.unregister(pipe)
            pipe.close()

    def _close_all(self) -> None:
        for name in list(self._pipes):
            self._close(name)
        self._selector.close()


def start_child() -> tuple[subprocess.Popen[bytes], dict[str, IO[bytes]]]:
    """Start the supervisor in a session of its own, with an empty environment and no descriptor but its pipes."""
    control_end, control = os.pipe()
    status, status_end = os.pipe()
    flags = ["-I", "-S", "-X", "utf8", "-c", STARTER]
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed argument list
            [interpreter_path(), *flags, str(control_end), str(status_end), str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env={},
            pass_fds=(control_end, status_end),
            start_new_session=True,
        )
    except BaseException:
        os.close(control)
        os.close(status)
        raise
    finally:
        os.close(control_end)
        os.close(status_end)
    pipes: dict[str, IO[bytes]] = {
        "control": os.fdopen(control, "wb", buffering=0),
        "status": os.fdopen(status, "rb", buffering=0),
    }
    opened = {"stdin": process.stdin, "stdout": process.stdout, "stderr": process.stderr}
    pipes |= {name: pipe for name, pipe in opened.items() if pipe is not None}
    return process, pipes
