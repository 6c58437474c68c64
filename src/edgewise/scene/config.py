"""Thresholds of the object memory, all in one place."""

from __future__ import annotations

from edgewise.core.records import Record


class MemoryConfig(Record):
    """Settings of a memory; metres and seconds. Defaults suit things of 3 to 20 cm seen from about a metre.

    Attributes:
        window: STF-Tokens that are kept of every object (K of the paper). Events are never dropped.
        extrema: Percentile that stands for the least and (100 less it) for the greatest coordinate; 0 is the paper's
            choice, which one wrong pixel can move.
        least_points: Points that an object needs to be measured.
        most_points: Points that are taken of one object at most, evenly spread.
        edge: Neighbouring pixels that differ more in depth lie on a silhouette and are not used.
        gate: How far an object that was just seen can be from where it is expected.
        far_gate: The same where something handles it: the gripper, somebody's hand, or nobody knows.
        mismatch: What a wrong colour or noun costs in association, in units of distance over ``gate``.
        move: Displacement from rest to rest that is a move.
        still: Displacement between two frames below which an object is at rest.
        depth_margin: Difference to the expected depth that tells nearer and farther.
        share: Share of an object's sampled surface that decides why it is not seen.
        hidden: Share of an object's pixels below which it counts as hidden.
        seen: Share above which it counts as seen again.
        lift: Height from which what is gripped counts as picked up.
        support_gap: Vertical distance of two faces that touch.
        support_overlap: Share of the upper object's footprint that must lie over the lower.
        hysteresis: Factor on both once a relation holds.
        gap: Time without frames after which alike objects may have been exchanged unseen.
        trust_hidden: Take alike objects that were hidden together for unexchanged, as in a world without others.
        reach: Distance at which the gripper or a hand is near an object.
    """

    window: int = 3
    extrema: float = 1.0
    least_points: int = 12
    most_points: int = 160
    edge: float = 0.03
    gate: float = 0.15
    far_gate: float = 0.6
    mismatch: float = 0.6
    move: float = 0.015
    still: float = 0.005
    depth_margin: float = 0.02
    share: float = 0.6
    hidden: float = 0.1
    seen: float = 0.3
    lift: float = 0.02
    support_gap: float = 0.012
    support_overlap: float = 0.25
    hysteresis: float = 1.2
    gap: float = 1.5
    trust_hidden: bool = False
    reach: float = 0.07
