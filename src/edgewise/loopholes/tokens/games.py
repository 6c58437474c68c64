"""The four games by name."""

from __future__ import annotations

from typing import Any

from edgewise.core.errors import BadInput
from edgewise.core.records import parse_options
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
    if name not in TOKEN_GAMES:
        raise BadInput(f"there is no game {name!r}", field="game", fix=f"there are: {', '.join(TOKEN_GAMES)}")
    return parse_options(TOKEN_GAMES[name], options, what=name)
