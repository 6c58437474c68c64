"""The four text games by name."""

from __future__ import annotations

from typing import Any

from edgewise.loopholes.lookup import find_game
from edgewise.loopholes.text.compliance import Compliance
from edgewise.loopholes.text.game import TextGame
from edgewise.loopholes.text.proxy_metric import ProxyMetric
from edgewise.loopholes.text.self_grading import SelfGrading
from edgewise.loopholes.text.tampering import Tampering

TEXT_GAMES: dict[str, type[TextGame]] = {game.kind: game for game in (Compliance, SelfGrading, ProxyMetric, Tampering)}


def text_game(name: str, **options: Any) -> TextGame:
    """A game by its name, with other parameters than its own if given.

    Raises:
        BadInput: There is no such game, or it has no such parameter.
    """
    return find_game(TEXT_GAMES, name, options)
