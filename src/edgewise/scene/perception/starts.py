"""Where forms may stand: starting points of a fit, from the outline of a region seen from above (ours)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgewise.scene.perception.catalogue import UNKNOWN
from edgewise.scene.perception.fit import Forms, Hypotheses
from edgewise.scene.perception.regions import JUMP, Surface

Indices = npt.NDArray[np.intp]
SLACK = 0.015  # metres by which extents that are seen may differ from a form's
CLOSE = 0.01  # metres
EDGE_PIXELS = 3  # of a region that border on something nearer
# Whether to align the lower or the upper end along x and y, and the top or the foot.
_ENDS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=bool)


def starts(forms: Forms, points: npt.NDArray[np.float32], hideable: npt.NDArray[np.bool_]) -> Hypotheses:
    """Every form at the places where the box around a region's points (c, k, 3) suggests it.

    What nothing hides is not much larger than it looks.
    """
    yaws, lows, highs = _rectangles(points)
    heights = np.sort(points[..., 2], axis=1)
    bottom, top = heights[:, 2], heights[:, -3]
    everyone, every = (
        a.ravel() for a in np.meshgrid(np.arange(len(points)), np.arange(len(forms.forms)), indexing="ij")
    )
    size = forms.high - forms.low
    height = top - bottom
    found: list[tuple[Indices, Indices, npt.NDArray[np.floating]]] = []
    for yaw, low, high, wanted in zip(yaws, lows, highs, (yaws[0] == yaws[0], yaws[0] != yaws[1]), strict=True):
        for turn in range(int(forms.turns.max())):
            # The rectangle's box in the form's frame, and how much larger the form is.
            lo, hi = _turned(low, high, turn)
            spare = size[every, :2] - (hi - lo)[everyone]
            small = (spare < SLACK + size[every, :2] / 4).all(axis=1) & (size[every, 2] < height[everyone] + SLACK)
            some = wanted[everyone] & (forms.turns[every] > turn) & (hideable[everyone] | small)
            fo, ow, spare = every[some], everyone[some], spare[some]
            # Its top is seen, unless something nearer or another thing of its colour hides it; then its foot may be.
            loose = np.empty((len(fo), 3), dtype=bool)
            loose[:, :2] = np.abs(spare) > SLACK
            loose[:, 2] = np.abs(size[fo, 2] - height[ow]) > SLACK
            use = ~(_ENDS[:, None] & ~loose[None]).any(axis=2)
            which, row = np.nonzero(use)
            fo, ow = fo[row], ow[row]
            # Align the lower, the upper, or the middle of the form's box with that of the rectangle.
            start = np.where(loose[row, :2], _ENDS[which, :2], 0.5)
            at = lo[ow] + (hi - lo)[ow] * start - (forms.low[fo, :2] + size[fo, :2] * start)
            angle = yaw[ow] + turn * np.pi / 2
            c, s = np.cos(angle), np.sin(angle)
            pose = np.empty((len(fo), 4), dtype=np.float32)
            pose[:, 0] = c * at[:, 0] - s * at[:, 1]
            pose[:, 1] = s * at[:, 0] + c * at[:, 1]
            pose[:, 2] = np.where(_ENDS[which, 2], bottom[ow] - forms.low[fo, 2], top[ow] - forms.high[fo, 2])
            pose[:, 2] = np.maximum(pose[:, 2], -forms.low[fo, 2])
            pose[:, 3] = angle
            found.append((fo, ow, pose))
    form, owner, poses = (np.concatenate(part) for part in zip(*found, strict=True))
    return Hypotheses(form, owner, poses)


def hideable_groups(surface: Surface, groups: list[Indices]) -> npt.NDArray[np.bool_]:
    """Whether something that is no farther borders on a group (g,), or the image's border, so that it may go on."""
    height, width = surface.depth.shape
    depth, classes = surface.depth.ravel(), surface.classes.ravel()
    pixels = np.concatenate(groups)
    of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    number = np.full(depth.size, -1, dtype=np.int32)
    number[pixels] = of
    rows, columns = np.divmod(pixels, width)
    bordering = np.zeros(len(pixels), dtype=bool)
    for dy, dx in ((0, -1), (0, 1), (-1, 0), (1, 0)):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        other = np.where(inside, y * width + x, 0)
        near = (classes[other] != UNKNOWN) & (number[other] != of) & (depth[other] < depth[pixels] + CLOSE)
        bordering |= near | ~inside
    return np.bincount(of[bordering], minlength=len(groups)) >= EDGE_PIXELS


def smooth_points(surface: Surface, chosen: Indices) -> npt.NDArray[np.float32]:
    """Points (c, k, 3) of pixels (c, k), their depth averaged over those neighbours that show the same surface."""
    height, width = surface.depth.shape
    depth, classes = surface.depth.ravel(), surface.classes.ravel()
    rows, columns = np.divmod(chosen, width)
    own, kind = depth[chosen], classes[chosen]
    total, count = own.copy(), np.ones_like(own)
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        other = np.clip(rows + dy, 0, height - 1) * width + np.clip(columns + dx, 0, width - 1)
        same = (classes[other] == kind) & (np.abs(depth[other] - own) < JUMP / 2)
        total += np.where(same, depth[other], 0)
        count += same
    points = surface.points.reshape(-1, 3)[chosen]
    # A point moves along its ray by the change of depth.
    rays = surface.rays.reshape(-1, 3)[chosen]
    change = (total / count - own)[..., None] * rays
    change[..., 2] -= change[..., :2] @ surface.plane[:2].astype(np.float32)
    return points + change


def _rectangles(points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.floating], ...]:
    """Two rectangles around each region seen from above: the smallest, and that whose sides lie closest to the points.

    The first suits a top face, the second two upright faces, which fill any rectangle alike.

    Returns:
        Yaws (2, c), least and greatest corners (2, c, 2) in axes turned by the yaw.
    """
    angles = np.deg2rad(np.arange(0, 90, 3.0)).astype(np.float32)
    axes = np.stack((np.cos(angles), np.sin(angles)))
    along = points[..., :2] @ axes
    across = points[..., :2] @ np.stack((-axes[1], axes[0]))
    low = np.stack((along.min(axis=1), across.min(axis=1)), axis=-1)  # (c, angles, 2)
    high = np.stack((along.max(axis=1), across.max(axis=1)), axis=-1)
    area = np.prod(high - low, axis=-1)
    side = [np.minimum(v - low[:, None, :, k], high[:, None, :, k] - v) for k, v in enumerate((along, across))]
    closeness = np.minimum(*side).mean(axis=1)
    best = np.stack((np.argmin(area, axis=1), np.argmin(closeness, axis=1)))
    each = np.arange(len(points))
    return angles[best], low[each, best], high[each, best]


def _turned(
    low: npt.NDArray[np.floating], high: npt.NDArray[np.floating], turn: int
) -> tuple[npt.NDArray[np.floating], ...]:
    """A box's corners (n, 2) in axes that are turned by so many quarter turns."""
    for _ in range(turn):
        low, high = np.stack((low[:, 1], -high[:, 0]), axis=1), np.stack((high[:, 1], -low[:, 0]), axis=1)
    return low, high
