"""The four games by name."""

from __future__ import annotations

from typing import Any

from edgewise.loopholes.lookup import find_game
from edgewise.loopholes.tokens.compliance import Compliance
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.proxy_metric import ProxyMetric
from edgewise.loopholes.tokens.self_grading import SelfGrading
from edgewise.loopholes.tokens.tampering import Tampering

TOKEN_GAMES: dict[str, type[TokenGame]] = {
    game.kind: game for game in (Compliance, SelfGrading, ProxyMetric, Tampering)
}


def token_game(name: str, **options: Any) -> TokenGame:
    """A game by its name, with other parameters than its own if given.

    Raises:
        BadInput: There is no such game, or it has no such parameter.
    """
    return find_game(TOKEN_GAMES, name, options)
