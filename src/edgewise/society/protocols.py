"""Who moves together, and who hears whom."""

from __future__ import annotations

from typing import Literal

ProtocolName = Literal["broadcast", "pairwise", "blackboard", "sequential", "hierarchy", "silent"]


def hearers(protocol: ProtocolName, sender: int, seats: int, round_: int) -> tuple[int, ...]:
    """Seats that a message of ``sender`` reaches.

    ``broadcast`` and ``blackboard`` reach everybody (a blackboard also keeps what was said, see ``keeps``);
    ``pairwise`` reaches the round's partner, by the circle method, so that everybody meets everybody;
    ``sequential`` the next seat; ``hierarchy`` the head (seat 0) from below and everybody from the head.
    """
    if protocol == "silent":
        return ()
    if protocol in ("broadcast", "blackboard"):
        return tuple(seat for seat in range(seats) if seat != sender)
    if protocol == "sequential":
        return (sender + 1,) if sender + 1 < seats else ()
    if protocol == "hierarchy":
        return tuple(range(1, seats)) if sender == 0 else (0,)
    partner = _partner(sender, seats, round_)
    return () if partner is None else (partner,)


def keeps(protocol: ProtocolName) -> bool:
    """Whether messages stay readable after the reader's next turn."""
    return protocol == "blackboard"


def one_at_a_time(protocol: ProtocolName) -> bool:
    """Whether the seats of a round move one after the other, each seeing what came before."""
    return protocol == "sequential"


def _partner(seat: int, seats: int, round_: int) -> int | None:
    """The circle method of round-robin tournaments; with an odd number, one seat has no partner."""
    size = seats + seats % 2
    places = [0, *((i + round_) % (size - 1) + 1 for i in range(size - 1))]
    partner = places[size - 1 - places.index(seat)]
    return partner if partner < seats else None
