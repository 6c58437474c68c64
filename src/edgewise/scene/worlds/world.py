"""A table with things on it, a camera and a gripper, simulated by MuJoCo on the CPU without a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput, MissingExtra
from edgewise.scene.types import Detection, Observation, Point, RobotState, Segmentation
from edgewise.scene.worlds.geometry import Boxes, relations
from edgewise.scene.worlds.gripper import SPEED, Gripper, Waypoint
from edgewise.scene.worlds.hand import Hand
from edgewise.scene.worlds.mjcf import OPENING, REACH_HIGH, REACH_LOW, STEP, mjcf
from edgewise.scene.worlds.render import Renderer
from edgewise.scene.worlds.spec import HAND, Randomisation, WorldSpec, drawn
from edgewise.scene.worlds.truth import Truth

HOME: Point = (0.3, 0.0, 0.45)
GRIPPERS = {"weld": 15.0, "friction": 25.0}  # force of each finger, newton
_SETTLE = 0.3  # seconds before the episode begins
_SILHOUETTE = 0.0005  # a thing that moved less than this looks the same, metres


class World:
    """A scene in motion. Use it as a context manager, or close it.

    Args:
        spec: What there is.
        seed: Seed or generator of everything random; the same one gives the same frames to the byte.
        gripper: ``weld`` (a grasp holds) or ``friction`` (it may slip).
        size: Of pictures, (width, height) pixels.
        rate: Pictures per second of simulated time.
        randomise: What is drawn at random.

    Attributes:
        spec: With everything random drawn.
        gripper: The robot's.
        hand: Somebody else's.
        ticks: Called with the world when a picture is due, before it is taken: interventions and the like.

    Raises:
        BadInput: The spec makes no model, or there is no such gripper.
        Unsupported: MuJoCo is not installed. Pictures raise it where OpenGL is missing.
    """

    def __init__(
        self,
        spec: WorldSpec,
        seed: int | np.random.Generator = 0,
        gripper: Literal["weld", "friction"] = "weld",
        size: tuple[int, int] = (320, 240),
        rate: float = 5.0,
        randomise: Randomisation | None = None,
    ) -> None:
        try:
            import mujoco
        except ModuleNotFoundError:
            raise MissingExtra("MuJoCo", "sim") from None
        if gripper not in GRIPPERS:
            raise BadInput(f"no gripper {gripper!r}", field="gripper", fix=f"one of: {', '.join(GRIPPERS)}")
        if not 0 < rate <= 1 / STEP:
            raise BadInput(f"{rate} pictures per second", field="rate", fix=f"above 0, at most {1 / STEP:.0f}")
        rng = np.random.default_rng(seed)
        randomise = Randomisation() if randomise is None else randomise
        self.spec = drawn(spec, randomise, rng)
        try:
            model = mujoco.MjModel.from_xml_string(mjcf(self.spec, HOME, size, GRIPPERS[gripper]))
        except ValueError as error:
            raise BadInput(f"MuJoCo refuses this scene: {error}", field="things") from None
        self._mujoco, self._model, self._data, self._size = mujoco, model, mujoco.MjData(model), size
        self._labels = tuple(thing.label for thing in self.spec.things)
        self._names = tuple(thing.name for thing in self.spec.things)
        self._drawers = [thing.name for thing in self.spec.things if thing.shape == "drawer"]
        movable = {thing.name: int(model.body(thing.name).id) for thing in self.spec.things if not thing.fixed}
        self.gripper = Gripper(model, self._data, movable, gripper == "weld", randomise.slip, rng)
        self.hand = Hand(model, self._data, movable)
        self.ticks: list[Callable[[World], None]] = []
        self._boxes = Boxes(model, self.spec.things)
        self._renderer: Renderer | None = None
        self._silhouettes: dict[int, tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]] = {}
        mujoco.mj_step(model, self._data, nstep=round(_SETTLE / STEP))
        self._data.time = 0.0
        self._period, self._frames = max(1, round(1 / rate / STEP)), 0
        self._until_frame = self._period
        self._exchanged: frozenset[str] = frozenset()  # since the last picture
        self._map: tuple[float, npt.NDArray[np.int16]] | None = None
        self._refresh()

    @property
    def time(self) -> float:
        """Seconds since the episode began."""
        return float(self._data.time)

    def observe(self) -> Observation:
        """A picture with depth.

        Raises:
            Unsupported: No picture can be drawn on this machine; names the packages that are missing.
        """
        renderer = self._draw()
        rgb, depth = renderer.picture(self._data)
        return Observation(self.time, rgb, depth, renderer.camera(self._data))

    def segmentation(self) -> Segmentation:
        """What is seen where: detection k is thing k of ``Truth.names``, the last one is somebody's hand."""
        detections = tuple(Detection(label) for label in (*self._labels, HAND))
        return Segmentation(self._seen().copy(), detections)

    def robot(self) -> RobotState:
        """What the robot knows of itself."""
        return self.gripper.state()

    def truth(self, pictures: bool = True) -> Truth:
        """The whole state; without ``pictures`` nothing of what is seen, which is faster and needs no OpenGL."""
        data = self._data
        seen = self._seen() if pictures else np.zeros((0, 0), np.int16)
        low, high = self._boxes(data)
        bodies = self._boxes.bodies
        shares, by_robot, occluders = self._visibility(seen) if pictures else (np.zeros(0), np.zeros(0), {})
        rotations = data.xmat[bodies].reshape(-1, 3, 3)
        found = relations(self.spec.things, data.xpos[bodies], rotations, low, high, self.gripper.held())
        return Truth(
            time=self.time,
            names=self._names,
            labels=self._labels,
            positions=data.xpos[bodies].copy(),
            quaternions=data.xquat[bodies].copy(),
            low=low,
            high=high,
            map=seen.copy(),
            visible=shares,
            by_robot=by_robot,
            occluders=occluders,
            contacts=self._boxes.contacts(data),
            held=self.gripper.held(),
            moved_by_others=self._exchanged | ({self.hand.holds} if self.hand.holds else frozenset()),
            covered=found.covered,
            inside=found.inside,
            on=found.on,
            supports=found.supports,
            pulled={name: float(data.joint(name).qpos[0]) for name in self._drawers},
            hand=self.hand.busy,
        )

    def position(self, name: str) -> Point:
        """Centre of a thing.

        Raises:
            BadInput: There is no such thing.
        """
        x, y, z = (float(v) for v in self._data.body(self.spec[name].name).xpos)
        return x, y, z

    def follow(
        self,
        waypoints: Sequence[Waypoint],
        closed: bool | None = None,
        opening: float = OPENING,
        speed: float = SPEED,
    ) -> Iterator[None]:
        """Move the gripper along straight lines, then close or open it; an item for each picture that is due.

        Args:
            waypoints: Points (x, y, z) between the fingertips, each with a yaw in radians. At yaw 0 the fingers close
                along Y. Points out of reach are replaced by the nearest one within.
            closed: Close or open the fingers at the end, or leave them.
            opening: Of the fingers if they are opened, metres.
            speed: Metres per second.
        """
        for _ in self.gripper.follow(waypoints, closed, opening, speed):
            if self._step():
                yield

    def wait(self, seconds: float) -> Iterator[None]:
        """Let time pass; an item for each picture that is due."""
        for _ in range(round(seconds / STEP)):
            if self._step():
                yield

    def reachable(self, position: Point) -> bool:
        """The gripper can go there."""
        return all(low <= p <= high for low, p, high in zip(REACH_LOW, position, REACH_HIGH, strict=True))

    def exchange(self, a: str, b: str) -> None:
        """Two things that move freely change places at once.

        Raises:
            BadInput: There is no such thing, or it does not move freely.
        """
        for name in (a, b):
            if self.spec[name].fixed or name in self._drawers:
                raise BadInput(f"{name!r} does not move freely", field="exchange")
        places = [self._data.joint(self._model.body(name).jntadr[0]).qpos for name in (a, b)]
        here, there = (place.copy() for place in places)
        places[0][:], places[1][:] = there, here
        self._exchanged |= {a, b}
        self._map = None
        self._refresh()

    def close(self) -> None:
        """Free what pictures need."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _step(self) -> bool:
        """One physics step; whether a picture is due after it."""
        self.hand.step()
        self.gripper.step()
        self._mujoco.mj_step(self._model, self._data)
        self._until_frame -= 1
        if self._until_frame:
            return False
        self._until_frame = self._period
        self._exchanged = frozenset()
        self._refresh()
        for tick in self.ticks:
            tick(self)
        return True

    def _refresh(self) -> None:
        """Positions that follow from the joints: a step leaves them as they were before it."""
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)

    def _draw(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self._model, self._size, self.spec.shadows)
        return self._renderer

    def _seen(self) -> npt.NDArray[np.int16]:
        """The segmentation's map, drawn once per moment."""
        if self._map is None or self._map[0] != self.time:
            self._map = self.time, self._boxes.map_of_geom[self._draw().geoms(self._data)]
        return self._map[1]

    def _visibility(
        self, seen: npt.NDArray[np.int16]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], dict[str, str]]:
        """Shares that are seen and hidden by the robot, and what else hides each thing most."""
        count = len(self._names)
        shares, by_robot, occluders = np.zeros(count), np.zeros(count), {}
        for k, name in enumerate(self._names):
            alone = self._alone(k)
            values = seen[alone]
            if not len(values):
                continue
            shares[k], by_robot[k] = (values == k + 1).mean(), (values == -1).mean()
            others = values[(values > 0) & (values != k + 1)]
            if len(others):
                occluders[name] = (*self._names, HAND)[np.bincount(others).argmax() - 1]
        return shares, by_robot, occluders

    def _alone(self, k: int) -> npt.NDArray[np.bool_]:
        """The pixels (h, w) of a thing if nothing else were there, drawn again only if it moved."""
        body = self._boxes.bodies[k]
        pose = np.concatenate([self._data.xpos[body], 0.05 * self._data.xquat[body]])
        known = self._silhouettes.get(k)
        if known is None or np.abs(known[0] - pose).max() > _SILHOUETTE:
            only = np.append(self._boxes.map_of_geom[:-1] == k + 1, False)
            mask = self._draw().geoms(self._data, only[:-1]) >= 0
            self._silhouettes[k] = known = pose, mask
        return known[1]
