"""Untrusted text made fit to be shown: what is invisible becomes visible, what is endless is cut."""

from __future__ import annotations

import re

_HEAD, _TAIL = 4_000, 1_000
# Controls but newline and tab; bidirectional marks, which can make a text read other than it is; invisible characters.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """``text`` with control characters shown as their Unicode pictures (␀) or as ``⟦U+202E⟧``."""
    return _HIDDEN.sub(_picture, text.replace("\r\n", "\n"))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟦U+{code:04X}⟧"


def shown(text: str, head: int = _HEAD, tail: int = _TAIL) -> str:
    """``visible`` text, its middle left out where it is long."""
    if len(text) <= head + tail:
        return visible(text)
    left_out = f"\n… [{len(text) - head - tail:,} characters left out; the run's folder has the whole] …\n"
    return visible(text[:head]) + left_out + visible(text[-tail:])
