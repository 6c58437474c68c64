"""The truth of a question by running a program in the sandbox."""

from __future__ import annotations

from edgewise.core.errors import Unsupported
from edgewise.sandbox import Limits, run_python

_LIMITS = Limits(wall_seconds=6, cpu_seconds=6, memory_mb=512, file_mb=1, processes=4, output_kb=16)
_LONGEST = 20_000  # characters of a program
_LONGEST_ANSWER = 200


async def compute(program: str) -> str | None:
    """What a program prints last, or ``None`` if it fails, says nothing, or too much.

    The program is untrusted. Where no sandbox is available, nothing is run and there is no answer.
    """
    if not program.strip() or len(program) > _LONGEST:
        return None
    try:
        result = await run_python(program, limits=_LIMITS)
    except Unsupported:
        return None
    lines = result.stdout.strip().splitlines()
    if result.status != "ok" or not lines or len(lines[-1].strip()) > _LONGEST_ANSWER:
        return None
    return lines[-1].strip() or None
