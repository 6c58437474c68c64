"""A game by its name, of either size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from edgewise.core.errors import BadInput
from edgewise.core.records import Record, parse_options

G = TypeVar("G", bound=Record)


def find_game(games: Mapping[str, type[G]], name: str, options: dict[str, Any]) -> G:
    """One of several games, with other parameters than its own if given.

    Raises:
        BadInput: There is no such game, or it has no such parameter.
    """
    if name not in games:
        raise BadInput(f"there is no game {name!r}", field="game", fix=f"there are: {', '.join(games)}")
    return parse_options(games[name], options, what=name)
