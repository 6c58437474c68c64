"""Deterministic checkers: what can be told from an answer's words and the prompt's facts, without a judge.

Each scores an answer from 0 to 1, or is silent where it has nothing to go by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgewise.character.checkers.acknowledgement import acknowledgement
from edgewise.character.checkers.candour import candour
from edgewise.character.checkers.novelty import novelty
from edgewise.character.checkers.stance import stance
from edgewise.character.checkers.types import Facts

Checker = Callable[[str, Facts], float | None]

CHECKERS: Mapping[str, Checker] = {
    "stance": stance,
    "candour": candour,
    "acknowledgement": acknowledgement,
    "novelty": novelty,
}

__all__ = ["CHECKERS", "Checker", "Facts"]
