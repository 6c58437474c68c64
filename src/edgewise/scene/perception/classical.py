"""A segmenter without weights: colours, the table's plane, jumps of depth, and the forms of a catalogue (ours)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from edgewise.scene.perception.catalogue import (
    BITS,
    FIRST,
    HAND_COLOUR,
    ROBOT_COLOUR,
    UNKNOWN,
    Catalogue,
    colour_table,
)
from edgewise.scene.perception.explain import Explainer, Piece
from edgewise.scene.perception.noise import SensorNoise, disturb, sense
from edgewise.scene.perception.regions import Rays, Surface, components, survey
from edgewise.scene.types import ROBOT, Detection, Observation, RobotState, Segmentation

SMALLEST = 12  # pixels of a region
SMALLEST_HAND = 30
BRIGHT = 85  # percentile of a thing's brightness that tells white from grey


class ClassicalSegmenter:
    """Finds things on a table by colour and form, without learned weights.

    Args:
        catalogue: Which colours and forms there are; by default those of ``edgewise.scene.worlds``.
        noise: Errors of depth and masks to add; None for none.
        robot: Gives the gripper's position where it is known: then only dark pixels above and around it are the
            robot's.
    """

    def __init__(
        self,
        catalogue: Catalogue | None = None,
        noise: SensorNoise | None = None,
        robot: Callable[[], RobotState] | None = None,
    ) -> None:
        self.catalogue = catalogue or Catalogue.standard()
        self.noise, self.robot = noise, robot
        self._table = colour_table(self.catalogue)
        self._rays = Rays()
        colours = [colour.rgb for colour in self.catalogue.colours]
        self._plain = np.array([True, True, False] + [max(c) - min(c) < 0.12 * max(*c, 0.3) for c in colours])
        number = np.arange(len(self._plain), dtype=np.uint8)
        shades = self._plain & (number >= FIRST)
        number[shades] = np.flatnonzero(shades)[:1]
        self._explainer = Explainer(self.catalogue, number)

    def __call__(self, observation: Observation, rng: Generator) -> tuple[Observation, Segmentation]:
        """The observation with noisy depth, and what is seen in it; nothing where there is no depth."""
        if self.noise is not None:
            observation = sense(observation, self.noise, rng)
        segmentation = self.segment(observation)
        return observation, segmentation if self.noise is None else disturb(segmentation, self.noise, rng)

    def segment(self, observation: Observation) -> Segmentation:
        """What is seen in an observation as it is."""
        regions = np.zeros(observation.rgb.shape[:2], dtype=np.int16)
        surface = self._survey(observation)
        if surface is None:
            return Segmentation(regions, ())
        flat = regions.ravel()
        flat[surface.classes.ravel() == ROBOT_COLOUR] = ROBOT
        pixels, which = components(surface.classes, surface.depth, SMALLEST)
        pieces = self._explainer.explain(surface, observation.camera, pixels, which, SMALLEST)
        detections = []
        for piece in pieces:
            detections.append(self._detection(piece, observation.rgb))
            flat[piece.pixels] = len(detections)
        hand = np.flatnonzero(surface.classes.ravel() == HAND_COLOUR)
        if len(hand) >= SMALLEST_HAND:
            detections.append(Detection("hand"))
            flat[hand] = len(detections)
        return Segmentation(regions, tuple(detections))

    def name(self, observation: Observation, mask: npt.NDArray[np.bool_]) -> str:
        """Colour and noun of a mask (h, w) that somebody else found; empty if it shows nothing of the catalogue."""
        surface = self._survey(observation)
        if surface is None:
            return ""
        classes = surface.classes[mask]
        common = int(np.bincount(classes).argmax()) if len(classes) else UNKNOWN
        if common == ROBOT_COLOUR:
            return "robot"
        if common == HAND_COLOUR:
            return "hand"
        pixels = np.flatnonzero(mask.ravel() & (surface.classes.ravel() == common))
        if common == UNKNOWN or len(pixels) < SMALLEST:
            return ""
        return self._detection(self._explainer.best(surface, observation.camera, pixels), observation.rgb).label

    def _survey(self, observation: Observation) -> Surface | None:
        depth, camera = observation.depth, observation.camera
        if depth is None:
            return None
        surface = survey(observation.rgb, depth, camera, self._rays.of(camera), self._table, self._plain)
        if self.robot is not None:
            _limit_robot(surface, self.robot())
        return surface

    def _detection(self, piece: Piece, rgb: npt.NDArray[np.uint8]) -> Detection:
        colour = piece.colour
        if self._plain[colour]:
            # Some sides of a white thing are as dark as grey; its brightest are not.
            value = int(np.percentile(rgb.reshape(-1, 3)[piece.pixels].max(axis=1), BRIGHT)) >> (8 - BITS)
            seen = int(self._table[(value << 2 * BITS) | (value << BITS) | value])
            colour = seen if seen >= FIRST else colour
        score = 1.0 if piece.rival == float("inf") else piece.rival / max(piece.rival + piece.cost, 1e-9)
        name = self.catalogue.colours[colour - FIRST].name
        return Detection(f"{name} {self.catalogue.forms[piece.form].noun}", float(score))


def _limit_robot(surface: Surface, robot: RobotState, reach: float = 0.12) -> None:
    """Dark pixels away from the column over the gripper are nothing."""
    rows, columns = np.nonzero(surface.classes == ROBOT_COLOUR)
    points = surface.points[rows, columns]
    away = np.linalg.norm(points[:, :2] - np.array(robot.position[:2]), axis=1) > reach
    away |= points[:, 2] < robot.position[2] - 0.03
    surface.classes[rows[away], columns[away]] = UNKNOWN
