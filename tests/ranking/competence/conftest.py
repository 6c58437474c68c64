"""What the tests of this room share: rows made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgewise.ranking.competence.types import Kind, ResponseRow


@pytest.fixture
def row() -> Callable[..., ResponseRow]:
    """``row(item, kind, score=..., answer=...)``: a response of a model ``m`` in family ``gcd``."""

    def make(item: str, kind: Kind = "base", **fields: Any) -> ResponseRow:
        defaults = {"model": "m", "family": "gcd", "difficulty": "easy", "response": "text", "parsed": True}
        return ResponseRow(item_id=item, kind=kind, **(defaults | fields))

    return make
