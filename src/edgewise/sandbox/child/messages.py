"""What the child tells the parent: one Python literal a line on the status pipe."""

from __future__ import annotations

import os


def report(status: int, **message: object) -> None:
    """Write one message. Lines are shorter than PIPE_BUF, so those of several processes do not mix."""
    os.write(status, repr(message).encode("utf-8", "backslashreplace") + b"\n")


def describe(error: BaseException) -> str:
    """An error as one short line."""
    return f"{type(error).__name__}: {error}"[:500]
