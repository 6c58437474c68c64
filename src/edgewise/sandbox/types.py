"""Records of the sandbox: what a program may use, how it ended, and what isolation a machine gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edgewise.core.records import Record

Isolation = Literal["namespaces", "landlock", "none"]
Status = Literal["ok", "error", "timeout", "memory", "cpu", "output", "killed"]


class Limits(Record):
    """What one program may use.

    Attributes:
        wall_seconds: Time from the start of the program to its forced end, in seconds.
        cpu_seconds: Processor time of each process, in seconds (rounded up to a whole second).
        memory_mb: Address space of each process, and resident memory of all its processes together, in MiB.
        file_mb: Largest file, and with namespaces also everything in the working directory together, in MiB.
        processes: Processes and threads at one time, the first one included.
        output_kb: Bytes kept of stdout and of stderr, each, in KiB; a program that writes more is ended.
    """

    wall_seconds: float = Field(default=10, gt=0, le=86_400)
    cpu_seconds: float = Field(default=10, gt=0, le=86_400)
    memory_mb: int = Field(default=512, ge=64, le=1 << 20)
    file_mb: int = Field(default=16, ge=1, le=1 << 20)
    processes: int = Field(default=16, ge=1, le=4096)
    output_kb: int = Field(default=64, ge=1, le=1 << 20)


class SandboxResult(Record):
    """How a program ended.

    ``status`` describes the program to whoever scores it. It is not a statement about security: a program may print
    a traceback that ends in ``MemoryError`` and be recorded as ``memory``.

    Attributes:
        status: ``ok`` (exit code 0), ``error`` (other exit code), ``timeout`` (wall clock), ``cpu``, ``memory``,
            ``output`` (wrote more than allowed), ``killed`` (by a signal, for example a segmentation fault).
        exit_code: Exit code; the negative signal number after a signal; ``None`` if the sandbox ended the program.
        stdout: Standard output, UTF-8 with undecodable bytes replaced by U+FFFD.
        stderr: Standard error, decoded likewise.
        truncated: Whether output was dropped.
        seconds: Wall time of the program alone, without set-up and clean-up.
        isolation: The recipe under which it ran; ``none`` only after ``allow_unsandboxed=True``.
    """

    status: Status
    exit_code: int | None
    stdout: str
    stderr: str
    truncated: bool
    seconds: float
    isolation: Isolation


class Layer(Record):
    """One layer of isolation: whether it was put in force in a trial run, and a detail or the reason why not."""

    name: str
    active: bool
    detail: str = ""


class SandboxReport(Record):
    """What isolation this machine gives, found by running a trial program.

    Attributes:
        isolation: The recipe that ``run_python`` would use; ``None`` if it would refuse.
        layers: Every layer, active or not.
        reasons: For each recipe that cannot be used here, why.
        seconds: Wall time of the trial run with set-up and clean-up, if one succeeded.
    """

    isolation: Literal["namespaces", "landlock"] | None
    layers: tuple[Layer, ...]
    reasons: dict[str, str]
    seconds: float | None = None

    @property
    def available(self) -> bool:
        """Whether ``run_python`` works without ``allow_unsandboxed``."""
        return self.isolation is not None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the layers that are not active."""
        return tuple(layer.name for layer in self.layers if not layer.active)
