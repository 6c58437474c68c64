"""Scripted scenes of boxes, shown to a memory frame by frame."""

from __future__ import annotations

import numpy as np

from edgewise.scene import Memory, MemoryConfig
from edgewise.scene.types import Camera, Event, Kind, RobotState, Segmentation
from support.box_frames import Box, camera, render

PERIOD = 0.2


class Movie:
    """Boxes by name, a clock and a memory that watches. Every change is shown at five frames a second."""

    def __init__(
        self,
        boxes: dict[str, Box],
        config: MemoryConfig | None = None,
        noise: float = 0.002,
        numbering: list[int] | None = None,
    ) -> None:
        self.boxes, self.memory = dict(boxes), Memory(config)
        self.view: Camera = camera()
        self.time, self.noise, self.rng = -PERIOD, noise, np.random.default_rng(0)
        self.robot: RobotState | None = None
        self.events: list[Event] = []
        self.order = list(boxes)
        self.numbering = numbering  # of regions, where it is not that of ``order``
        self.still(3)

    def frame(self) -> tuple[Event, ...]:
        self.time = round(self.time + PERIOD, 3)
        seen = [self.boxes[name] for name in self.order if name in self.boxes]
        observation, segmentation = render(seen, self.time, self.view, self.rng, self.noise)
        if self.numbering is not None:
            segmentation = renumbered(segmentation, self.numbering)
        told = self.memory.update(observation, segmentation, self.robot)
        self.events += told
        return told

    def still(self, frames: int = 4) -> None:
        for _ in range(frames):
            self.frame()

    def slide(self, by: tuple[float, float, float], *names: str, frames: int = 6) -> None:
        """Move boxes together, and wait until they are at rest."""
        for _ in range(frames):
            for name in names:
                self.boxes[name] = self.boxes[name].moved(*(np.array(by) / frames))
            self.frame()
        self.still()

    def id(self, label: str) -> int:
        (found,) = [fact.id for fact in self.memory.objects() if fact.label == label]
        return found

    def told(self, *kinds: Kind) -> list[tuple[Kind, int | None]]:
        """Events of some kinds (all but the first look if none is named), with their objects."""
        wanted = kinds or tuple(k for k in Kind if k != Kind.INITIALISE)
        return [(e.kind, e.object) for e in self.events if e.kind in wanted]

    def error(self, label: str, name: str) -> float:
        """Distance of where an object is believed to be from where it is, metres."""
        box, fact = self.boxes[name], self.memory.where(self.id(label))
        return float(np.linalg.norm(np.array(fact.position) - (np.array(box.low) + np.array(box.high)) / 2))


def renumbered(segmentation: Segmentation, order: list[int]) -> Segmentation:
    """The same regions, region k now being the one that was ``order[k]``."""
    table = np.zeros(len(order) + 1, np.int16)
    table[np.array(order) + 1] = np.arange(len(order)) + 1
    numbers = np.where(segmentation.map > 0, table[np.maximum(segmentation.map, 0)], segmentation.map)
    return Segmentation(numbers.astype(np.int16), tuple(segmentation.detections[k] for k in order))
