"""One frame as the memory takes it in, and the faults of sensing that are found before anything is believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgewise.scene.config import MemoryConfig
from edgewise.scene.relations import affordances
from edgewise.scene.tokens import Tokens
from edgewise.scene.track import Track
from edgewise.scene.types import Action, Camera, Floats, Observation, RobotState, Segmentation
from edgewise.scene.visibility import Absence, explain_absence

_MOVED_CAMERA = (0.02, 0.035)  # metres, radians between two frames
_PATIENCE = 10  # frames after which a scene that moved as a whole is believed


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame with its tokens and what was going on.

    Attributes:
        observation: The picture.
        segmentation: Its regions.
        tokens: Of objects.
        hands: (n, 2, 3) boxes of somebody's hands.
        robot: Its own state, if it is known.
        action: The action under way.
        gap: Seconds since the frame before.
    """

    observation: Observation
    segmentation: Segmentation
    tokens: Tokens
    hands: Floats
    robot: RobotState | None
    action: Action | None
    gap: float

    @property
    def time(self) -> float:
        """Seconds."""
        return self.observation.time


def parted(tokens: Tokens) -> tuple[Tokens, Floats]:
    """Tokens of objects, and the boxes (n, 2, 3) of somebody's hands."""
    actor = np.array([affordances(label).actor for label in tokens.labels], dtype=bool)
    if not actor.any():
        return tokens, np.empty((0, 2, 3))
    boxes = np.stack((tokens.low[actor], tokens.high[actor]), axis=1)
    return tokens.subset(np.flatnonzero(~actor)), boxes


class Guard:
    """Finds frames that should not be believed. Each fault is told once, when it begins."""

    def __init__(self, config: MemoryConfig) -> None:
        self.config = config
        self._last: float | None = None
        self._camera: Camera | None = None
        self._under_way: str | None = None
        self._jumped = 0

    def before(self, observation: Observation, segmentation: Segmentation) -> tuple[str | None, bool]:
        """What is wrong with a frame by itself (told once), and whether it can be used."""
        if self._last is not None and observation.time <= self._last:
            text = f"a frame of {observation.time:.3f} s came after one of {self._last:.3f} s"
            return self._told("order", text), False
        gap = 0.0 if self._last is None else observation.time - self._last
        self._last = observation.time
        if observation.depth is None or not (observation.depth > 0).any():
            return self._told("depth", "there is no depth"), False
        pose, before = observation.camera.pose, self._camera
        self._camera = observation.camera
        if gap > self.config.gap:
            return f"no frames for {gap:.1f} s", True
        if before is not None and before.pose is not pose:
            turn = np.arccos(np.clip((np.trace(before.pose[:3, :3].T @ pose[:3, :3]) - 1) / 2, -1, 1))
            shift = float(np.linalg.norm(before.pose[:3, 3] - pose[:3, 3]))
            if shift > _MOVED_CAMERA[0] or turn > _MOVED_CAMERA[1]:
                return f"the camera moved by {shift:.2f} m and {np.degrees(turn):.0f} degrees", True
        return None, True

    def after(
        self, observation: Observation, segmentation: Segmentation, tokens: Tokens, tracks: Iterable[Track]
    ) -> tuple[str | None, bool]:
        """The same, knowing what should be seen."""
        present = [track for track in tracks if track.present]
        if present and not len(tokens):
            sights = (
                explain_absence(track.low, track.high, observation, segmentation, self.config) for track in present
            )
            if any(sight.absence == Absence.THERE for sight in sights):
                return self._told("masks", "nothing was segmented"), False
        shift = common_shift(tokens, present, self.config.move)
        if shift is not None and self._jumped < _PATIENCE:
            self._jumped += 1
            length = float(np.linalg.norm(shift))
            return self._told("pose", f"everything moved by {length:.2f} m at once: the camera's pose is wrong"), False
        self._jumped = 0
        self._under_way = None
        return None, True

    def _told(self, kind: str, fault: str) -> str | None:
        """The fault, unless one of its kind is under way and was told."""
        told, self._under_way = kind == self._under_way, kind
        return None if told else fault


def common_shift(tokens: Tokens, present: list[Track], least: float) -> Floats | None:
    """The displacement (3,) by which at least three still objects, and seven in ten of them, moved at once."""
    single = {label: k for k, label in enumerate(tokens.labels) if tokens.labels.count(label) == 1}
    labels = [track.label for track in present]
    shifts = np.array(
        [
            tokens.centroid[single[track.label]] - track.window[-1].centroid
            for track in present
            if track.label in single and labels.count(track.label) == 1 and not track.moving
        ]
    )
    if len(shifts) < 3:
        return None
    middle: Floats = np.median(shifts, axis=0)
    alike = np.linalg.norm(shifts - middle, axis=1) < least / 2
    return middle if np.linalg.norm(middle) > least and alike.mean() >= 0.7 and alike.sum() >= 3 else None
