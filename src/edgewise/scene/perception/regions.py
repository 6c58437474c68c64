"""Connected regions of a frame: colour classes, height over the table, and where depth jumps (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgewise.scene.perception.catalogue import BITS, FIRST, HAND_COLOUR, ROBOT_COLOUR, UNKNOWN
from edgewise.scene.types import Camera, Floats

LOW = 0.006  # metres over the table from which something stands on it
BELOW = -0.02  # metres: lower is the floor
JUMP = 0.02  # metres between neighbouring pixels that part two things


@dataclass(frozen=True)
class Surface:
    """A frame as perception uses it.

    Attributes:
        classes: (h, w) uint8 class of each pixel's colour, ``UNKNOWN`` where nothing of interest is.
        depth: (h, w) float32 metres, missing readings filled from a neighbour of the same class where there is one.
        points: (h, w, 3) float32; x and y in the world, z over the table.
        rays: (h, w, 3) change of a pixel's point in the world with its depth.
        plane: The table is a x + b y + c.
        roughness: Standard deviation of the table's heights about it.
    """

    classes: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    points: npt.NDArray[np.float32]
    rays: npt.NDArray[np.float32]
    plane: Floats
    roughness: float


class Rays:
    """World directions of a camera's pixels for a depth of 1, kept while the camera stays where it is."""

    def __init__(self) -> None:
        self._camera: Camera | None = None
        self._rays = np.empty((0, 0, 3), dtype=np.float32)

    def of(self, camera: Camera) -> npt.NDArray[np.float32]:
        """Directions (h, w, 3)."""
        old = self._camera
        same = old is not None and (old.width, old.height, old.focal, old.centre) == (
            camera.width, camera.height, camera.focal, camera.centre,
        )  # fmt: skip
        if not (same and old is not None and np.array_equal(old.pose, camera.pose)):
            x = (np.arange(camera.width) + 0.5 - camera.centre[0]) / camera.focal[0]
            y = (np.arange(camera.height) + 0.5 - camera.centre[1]) / camera.focal[1]
            local = np.stack((*np.meshgrid(x, y), np.ones((camera.height, camera.width))), axis=-1)
            self._rays = (local @ camera.pose[:3, :3].T).astype(np.float32)
            self._camera = camera
        return self._rays


def survey(
    rgb: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    camera: Camera,
    rays: npt.NDArray[np.float32],
    table: npt.NDArray[np.uint8],
    plain: npt.NDArray[np.bool_],
) -> Surface:
    """Classes, filled depth and heights of a frame.

    Args:
        table: Class of every colour, see ``colour_table``.
        plain: For each class, whether its colour has no chroma: that low over the table it may be a shadow.
    """
    shift = 8 - BITS
    code = (rgb[..., 0] >> shift).astype(np.int32)
    code <<= BITS
    code |= rgb[..., 1] >> shift
    code <<= BITS
    code |= rgb[..., 2] >> shift
    classes = table[code]
    depth = _filled(depth, classes)
    points = rays * depth[..., None]
    points += camera.pose[:3, 3].astype(np.float32)
    plane, roughness = _table_plane(points[::4, ::4].reshape(-1, 3), depth[::4, ::4].ravel() > 0)
    height = points[..., 2]
    if plane[0] or plane[1]:
        height -= points[..., 0] * np.float32(plane[0]) + points[..., 1] * np.float32(plane[1])
    height -= np.float32(plane[2])
    low = height < max(LOW, 4 * roughness)
    on_table = np.bincount(classes[::2, ::2][low[::2, ::2] & (depth[::2, ::2] > 0)], minlength=len(plain))
    unsure = plain.copy()
    unsure[[UNKNOWN, ROBOT_COLOUR, HAND_COLOUR]] = True
    unsure[on_table.argmax()] = True  # the table's own colour
    gone = low & unsure[classes]
    gone |= (depth <= 0) | (height < BELOW)
    classes[gone] = UNKNOWN
    return Surface(classes, depth, points, rays, plane, roughness)


def _filled(depth: npt.NDArray[np.float32], classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Depth with missing readings taken from a neighbour of the same class, at most two pixels away."""
    height, width = depth.shape
    missing = np.flatnonzero(depth <= 0)
    missing = missing[classes.ravel()[missing] >= HAND_COLOUR]
    if not len(missing):
        return depth
    filled = depth.copy()
    flat, kinds = filled.ravel(), classes.ravel()
    rows, columns = np.divmod(missing, width)
    for dy, dx in ((0, -1), (0, 1), (1, 0), (-1, 0), (0, -2), (0, 2), (2, 0), (-2, 0)):
        other = np.clip(rows + dy, 0, height - 1) * width + np.clip(columns + dx, 0, width - 1)
        take = (flat[missing] <= 0) & (depth.ravel()[other] > 0) & (kinds[other] == kinds[missing])
        flat[missing[take]] = flat[other[take]]
    return filled


def _table_plane(points: npt.NDArray[np.float32], known: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Coefficients of the level plane z = a x + b y + c that most points lie on, and their deviation from it.

    The table is nearly level in the world's frame, so the most frequent height finds it.
    """
    z = points[known, 2].astype(np.float64)
    if len(z) < 50:
        return np.zeros(3), 0.0
    bins = np.floor(z / 0.01).astype(np.intp)
    bins -= bins.min()
    counts = np.bincount(np.minimum(bins, 1000))
    level = (np.argmax(counts[:-1] + counts[1:] if len(counts) > 1 else counts) + np.floor(z / 0.01).min() + 1) * 0.01
    near = np.abs(z - level) < 0.02
    x, y = points[known, 0].astype(np.float64), points[known, 1].astype(np.float64)
    plane = np.array([0.0, 0.0, level])
    for reach in (0.02, 0.008):
        near = np.abs(z - (plane[0] * x + plane[1] * y + plane[2])) < reach
        if near.sum() < 50:
            break
        design = np.stack((x[near], y[near], np.ones(near.sum())), axis=1)
        plane = np.linalg.solve(design.T @ design + 1e-9 * np.eye(3), design.T @ z[near])
    rest = z - (plane[0] * x + plane[1] * y + plane[2])
    spread = float(np.median(np.abs(rest[np.abs(rest) < 0.02]))) / 0.6745 if (np.abs(rest) < 0.02).any() else 0.0
    return plane, spread


def components(
    classes: npt.NDArray[np.uint8], depth: npt.NDArray[np.float32], smallest: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pixels of one colour that hang together without a jump of depth.

    Returns:
        Flat indices of the pixels, sorted by component, and the component of each, counted from 0. Components of
        fewer than ``smallest`` pixels are left out.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    width = classes.shape[1]
    wanted = np.flatnonzero(classes.ravel() >= FIRST)
    if not len(wanted):
        return wanted, wanted
    number = np.zeros(classes.size, dtype=np.int32)
    number[wanted] = np.arange(len(wanted))
    kinds, far = classes.ravel(), depth.ravel()
    links = []
    for step, inside in ((1, wanted % width < width - 1), (width, wanted < classes.size - width)):
        first = wanted[inside]
        second = first + step
        joined = (kinds[first] == kinds[second]) & (np.abs(far[first] - far[second]) < JUMP)
        links.append((number[first[joined]], number[second[joined]]))
    first, second = (np.concatenate(ends) for ends in zip(*links, strict=True))
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(wanted), len(wanted)))
    _, which = connected_components(graph, directed=False)
    sizes = np.bincount(which)
    big = sizes >= smallest
    kept = big[which]
    renumbered = (np.cumsum(big) - 1)[which[kept]]
    order = np.argsort(renumbered, kind="stable")
    return wanted[kept][order], renumbered[order]
