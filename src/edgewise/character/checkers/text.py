"""Text as checkers see it: sentences, lower case, straight apostrophes."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?])\s+")


def sentences(answer: str) -> list[str]:
    """Sentences of an answer, apostrophes straightened; case as it is, since names tell a source."""
    return _END.split(answer.strip().replace("’", "'"))
