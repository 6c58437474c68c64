"""Which form, standing where, explains the points of a region: signed distances, many hypotheses at once (ours).

A hypothesis is a form with a position and a yaw. It is moved by Gauss-Newton steps on a robust loss until its surface
passes through the points. What is left is judged by two things: how far the points are from the surface, and how much
of the form should be seen and is not, because the camera sees past it or something else there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgewise.scene.perception.catalogue import KINDS, Form
from edgewise.scene.types import Camera, Floats

Indices = npt.NDArray[np.intp]
CAP = 2.0  # misfit counts distances up to so many standard deviations: the rest belongs to something else
ROUGH = 3.0  # how much larger the deviation is at a second, coarser look
ROBUST = 3.0  # deviations beyond which a point pulls less and less
CLEAR = 0.004  # metres by which something must lie nearer to hide a form
LYING = KINDS.index("roll")
_FAR = np.float32(1e3)
_SHRINK = 0.75  # sample points keep away from the silhouette, which noise moves


class Forms:
    """A catalogue's forms as arrays, padded to the form with most parts.

    Attributes:
        half: (f, m, 3) half extents of the parts.
        centre: (f, m, 3) of the parts; padding lies far away.
        kind: (f, m) index in ``KINDS``.
        low, high: (f, 3) box of each form, in its frame.
        reach: (f,) greatest distance of a part from the origin.
        samples: (f, s, 3) points inside the parts whose pixels should show the form.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        most = max(len(form.parts) for form in forms)
        self.forms = tuple(forms)
        self.half = np.ones((len(forms), most, 3), dtype=np.float32)
        self.centre = np.full((len(forms), most, 3), _FAR, dtype=np.float32)
        self.kind = np.zeros((len(forms), most), dtype=np.int8)
        self.parts = np.array([len(form.parts) for form in forms])
        for k, form in enumerate(forms):
            for j, part in enumerate(form.parts):
                self.half[k, j], self.centre[k, j], self.kind[k, j] = part.half, part.centre, KINDS.index(part.kind)
        real = self.centre[:, :, :1] < _FAR
        self.low = np.where(real, self.centre - self.half, np.inf).min(axis=1)
        self.high = np.where(real, self.centre + self.half, -np.inf).max(axis=1)
        self.reach = np.linalg.norm(np.maximum(-self.low, self.high), axis=1)
        self.samples = np.stack([_samples(form) for form in forms])
        self.turns = np.array([form.turns for form in forms])


def _samples(form: Form, count: int = 27) -> npt.NDArray[np.float32]:
    """Points spread evenly over the parts, the first part first, repeated to ``count``."""
    steps = np.array([-_SHRINK, 0, _SHRINK])
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = []
    for part in form.parts:
        inside = grid.copy()
        if part.kind == "roll":
            inside[:, 1:] /= np.maximum(1, np.linalg.norm(inside[:, 1:], axis=1) / _SHRINK)[:, None]
        if part.kind in ("cylinder", "ball"):
            inside[:, :2] /= np.maximum(1, np.linalg.norm(inside[:, :2], axis=1) / _SHRINK)[:, None]
        if part.kind == "ball":
            inside /= np.maximum(1, np.linalg.norm(inside, axis=1) / _SHRINK)[:, None]
        if part.kind == "prism":
            inside[:, 1] *= (1 - inside[:, 2]) / 2
        points.append(inside * part.half + part.centre)
    together = np.concatenate(points).astype(np.float32)
    chosen = np.linspace(0, len(together) - 1, count).round().astype(int)
    spread: npt.NDArray[np.float32] = together[chosen]
    return spread


@dataclass
class Hypotheses:
    """Forms with poses: ``form`` (h,), ``owner`` (h,) whose points they are for, ``pose`` (h, 4): x, y, z, yaw."""

    form: Indices
    owner: Indices
    pose: npt.NDArray[np.float32]

    def __getitem__(self, chosen: Any) -> Hypotheses:
        return Hypotheses(self.form[chosen], self.owner[chosen], self.pose[chosen])

    def __len__(self) -> int:
        return len(self.form)


def local(pose: npt.NDArray[np.float32], points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """World points (h, k, 3) in the frames of poses (h, 4)."""
    shifted = points - pose[:, None, :3]
    c, s = np.cos(pose[:, 3])[:, None], np.sin(pose[:, 3])[:, None]
    turned = np.empty_like(shifted)
    turned[..., 0] = c * shifted[..., 0] + s * shifted[..., 1]
    turned[..., 1] = c * shifted[..., 1] - s * shifted[..., 0]
    turned[..., 2] = shifted[..., 2]
    return turned


def in_world(pose: npt.NDArray[np.float32], points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Points (h, k, 3) in the frames of poses (h, 4) in the world; the inverse of ``local``."""
    c, s = np.cos(pose[:, 3])[:, None], np.sin(pose[:, 3])[:, None]
    turned = np.empty_like(points)
    turned[..., 0] = c * points[..., 0] - s * points[..., 1]
    turned[..., 1] = s * points[..., 0] + c * points[..., 1]
    turned[..., 2] = points[..., 2]
    return turned + pose[:, None, :3]


def distance(
    forms: Forms, form: Indices, points: npt.NDArray[np.float32], gradients: bool = False
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Signed distances (h, k) of points (h, k, 3), each in its form's frame, and if asked their gradients (h, k, 3)."""
    value, slope = _primitive(forms, form, 0, points, gradients)
    parts = forms.parts[form]
    for part in range(1, int(parts.max(initial=0))):
        rows = np.flatnonzero(parts > part)
        d, g = _primitive(forms, form[rows], part, points[rows], gradients)
        closer = d < value[rows]
        value[rows] = np.where(closer, d, value[rows])
        if gradients:
            slope[rows] = np.where(closer[..., None], g, slope[rows])
    return value, slope


def _primitive(
    forms: Forms, form: Indices, part: int, points: npt.NDArray[np.float32], gradients: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Signed distance to one part of each row's form, and its gradient.

    Every solid is what satisfies three bounds q <= 0; the distance is that to a box in the space of q.
    """
    half, kind = forms.half[form, part], forms.kind[form, part]
    p = points - forms.centre[form, part][:, None]
    lying = np.flatnonzero(kind == LYING)
    if len(lying):  # upright in axes of its own
        p[lying] = p[lying][..., ::-1]
        half, kind = half.copy(), kind.copy()
        half[lying], kind[lying] = half[lying][:, ::-1], 1
    size = np.abs(p)
    q = size - half[:, None]
    round_ = np.flatnonzero((kind == 1) | (kind == 2))
    roof = np.flatnonzero(kind == 3)
    if len(round_):
        ball = (kind[round_] == 2)[:, None]
        flat = np.where(ball, p[round_, :, 2], 0)
        radius = np.sqrt(p[round_, :, 0] ** 2 + p[round_, :, 1] ** 2 + flat**2)
        q[round_, :, 0] = radius - half[round_, None, 0]
        q[round_, :, 1] = -_FAR
        q[round_, :, 2] = np.where(ball, -_FAR, q[round_, :, 2])
    if len(roof):
        # The slope from the ridge (0, h) to the eaves (w, -h), as a unit normal in y and z.
        w, h = half[roof, None, 1], half[roof, None, 2]
        length = np.sqrt(w * w + 4 * h * h)
        ny, nz = 2 * h / length, w / length
        q[roof, :, 1] = ny * size[roof, :, 1] + nz * (p[roof, :, 2] - h)
        q[roof, :, 2] = -h - p[roof, :, 2]
    deepest = np.maximum(np.maximum(q[..., 0], q[..., 1]), q[..., 2])
    outside = np.maximum(q, 0)
    away = np.sqrt(outside[..., 0] ** 2 + outside[..., 1] ** 2 + outside[..., 2] ** 2)
    d = np.where(deepest > 0, away, deepest)
    if not gradients:
        return d, p
    # With respect to q, then to p.
    dq = np.where((deepest > 0)[..., None], outside / np.maximum(away, 1e-9)[..., None], q == deepest[..., None])
    g = dq * np.sign(p)
    if len(round_):
        across = dq[round_, :, 0] / np.maximum(radius, 1e-6)
        g[round_, :, 0] = across * p[round_, :, 0]
        g[round_, :, 1] = across * p[round_, :, 1]
        g[round_, :, 2] = np.where(ball, across * p[round_, :, 2], g[round_, :, 2])
    if len(roof):
        g[roof, :, 1] = dq[roof, :, 1] * ny * np.sign(p[roof, :, 1])
        g[roof, :, 2] = dq[roof, :, 1] * nz - dq[roof, :, 2]
    if len(lying):
        g[lying] = g[lying][..., ::-1]
    return d, g.astype(np.float32)


def refine(
    forms: Forms, hypotheses: Hypotheses, points: npt.NDArray[np.float32], sigma: npt.NDArray[np.float32], steps: int
) -> None:
    """Move the hypotheses in place so that their surfaces pass through their points (h, k, 3).

    Geman-McClure weights make points further than ``ROBUST`` deviations ``sigma`` (h,) count little; a form does not
    sink into the table, whose height is 0.
    """
    floor = -forms.low[hypotheses.form, 2]
    scale = (ROBUST * sigma)[:, None] ** 2
    for _ in range(steps):
        pose = hypotheses.pose
        inside = local(pose, points)
        d, g = distance(forms, hypotheses.form, inside, gradients=True)
        weight = (scale / (scale + d * d)) ** 2
        c, s = np.cos(pose[:, 3])[:, None], np.sin(pose[:, 3])[:, None]
        jacobian = np.empty((*d.shape, 4), dtype=np.float32)
        jacobian[..., 0] = s * g[..., 1] - c * g[..., 0]
        jacobian[..., 1] = -s * g[..., 0] - c * g[..., 1]
        jacobian[..., 2] = -g[..., 2]
        jacobian[..., 3] = g[..., 0] * inside[..., 1] - g[..., 1] * inside[..., 0]
        weighted = jacobian * weight[..., None]
        normal = np.einsum("hki,hkj->hij", weighted, jacobian)
        # A form that may slide along a face stays where it is; turning 1 rad is put on a par with moving 2 cm.
        normal[:, [0, 1, 2, 3], [0, 1, 2, 3]] += np.array([0.3, 0.3, 0.3, 0.3 * 4e-4], dtype=np.float32)
        step = np.linalg.solve(normal, np.einsum("hki,hk->hi", weighted, d)[..., None])[..., 0]
        step = np.clip(step, [-0.03, -0.03, -0.03, -0.3], [0.03, 0.03, 0.03, 0.3])
        pose -= step.astype(np.float32)
        pose[:, 2] = np.maximum(pose[:, 2], floor - 0.003)


def misfit(
    forms: Forms, hypotheses: Hypotheses, points: npt.NDArray[np.float32], sigma: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Mean squared distance (h,) in units of the variance, each capped at ``CAP`` deviations.

    The same with ``ROUGH`` times the deviation is added: it tells among forms that all fit badly, as when a thing
    leans on another.
    """
    d, _ = distance(forms, hypotheses.form, local(hypotheses.pose, points))
    square = (d / sigma[:, None]) ** 2
    most = np.float32(CAP * CAP)
    both: npt.NDArray[np.float32] = np.minimum(square, most) + np.minimum(square / np.float32(ROUGH * ROUGH), most) / 2
    return np.asarray(both.mean(axis=1))


def unseen(
    forms: Forms,
    hypotheses: Hypotheses,
    camera: Camera,
    depth: Floats,
    classes: Any,
    own: Any,
    plane: Floats,
    step: int = 1,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Shares (h,) of a form's sample points whose pixels should show its owner and do not, and that cannot be seen.

    A point cannot be seen if something nearer hides it, outside the image, or where depth is missing.

    Args:
        depth: (h, w) metres, 0 where unknown.
        classes: (h, w) class of each pixel.
        own: (h,) class of each hypothesis' owner.
        plane: Heights are over a x + b y + c.
        step: Take every so-manieth sample point.
    """
    points = in_world(hypotheses.pose, forms.samples[hypotheses.form, ::step])
    x, y = points[..., 0], points[..., 1]
    z = points[..., 2] + np.float32(plane[0]) * x + np.float32(plane[1]) * y + np.float32(plane[2])
    # The same as ``Camera.project``, in single precision.
    turn = camera.pose[:3, :3].T.astype(np.float32)
    shift = (-camera.pose[:3, :3].T @ camera.pose[:3, 3]).astype(np.float32)
    across, down, far = (turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z + shift[k] for k in range(3))
    ahead = np.maximum(far, np.float32(1e-3))
    columns = across / ahead * np.float32(camera.focal[0]) + np.float32(camera.centre[0])
    rows = down / ahead * np.float32(camera.focal[1]) + np.float32(camera.centre[1])
    within = (columns >= 0) & (columns < camera.width) & (rows >= 0) & (rows < camera.height) & (far > 0)
    place = np.where(within, rows.astype(np.int32) * camera.width + columns.astype(np.int32), 0)
    seen = depth.ravel()[place]
    mine = classes.ravel()[place] == own[:, None]
    known = within & (seen > 0)
    gone = known & (seen > np.where(mine, far + 0.02, far - CLEAR))
    shown = known & mine & ~gone
    missing: npt.NDArray[np.float32] = gone.mean(axis=1, dtype=np.float32)
    return missing, 1 - missing - shown.mean(axis=1, dtype=np.float32)
