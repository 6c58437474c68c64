"""The product order of knob settings (arXiv 2604.00979: a compositional partial order of persona preferences)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Literal

Setting = Mapping[str, int]
Relation = Literal["above", "below", "equal", "incomparable"]


def settings(dimensions: Iterable[str], levels: int) -> list[dict[str, int]]:
    """All settings of the dimensions that vary, levels 0 … ``levels``, in lexicographic order: (levels + 1) ** D."""
    names = tuple(dimensions)
    return [dict(zip(names, point, strict=True)) for point in product(range(levels + 1), repeat=len(names))]


def relate(first: Setting, second: Setting) -> Relation:
    """How two settings of the same dimensions stand: ``above`` if at least as high everywhere and higher somewhere."""
    up = any(level > second[name] for name, level in first.items())
    down = any(level < second[name] for name, level in first.items())
    if up and down:
        return "incomparable"
    return "above" if up else "below" if down else "equal"


def differing(first: Setting, second: Setting) -> tuple[str, ...]:
    """Dimensions in which two settings differ."""
    return tuple(name for name, level in first.items() if level != second[name])


def covers(above: Setting, below: Setting) -> bool:
    """Whether the first is one step above the second in one dimension, with nothing in between."""
    return sum(level - below[name] for name, level in above.items()) == 1 and relate(above, below) == "above"


def maxima(points: Iterable[Setting]) -> list[Setting]:
    """Those that nothing is above: the acceptable answers of a selection task."""
    known = list(points)
    return [p for p in known if not any(relate(other, p) == "above" for other in known)]
