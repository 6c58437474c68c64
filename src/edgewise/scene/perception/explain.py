"""From connected regions of one colour to things: each is explained by a form, what is left over by another (ours).

Two cubes of one colour that touch are one region. A cube explains half of it; the other half is left over and
explained in its turn. What the gripper splits is two regions that one form explains. Where two things of one colour
together look exactly like a third of the catalogue (two cubes end to end like a block of 8 cm), the third is seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from edgewise.scene.perception.catalogue import FIRST, Catalogue
from edgewise.scene.perception.fit import ROUGH, Forms, Hypotheses, distance, in_world, local, misfit, refine, unseen
from edgewise.scene.perception.regions import Surface
from edgewise.scene.perception.starts import hideable_groups, smooth_points, starts
from edgewise.scene.types import Camera

Indices = npt.NDArray[np.intp]
OUTLINE = 120  # points of a region that say where its rectangle is
POINTS = 40  # of them that hypotheses are fitted to
FEW = 16  # of them that decide which hypotheses are worth fitting
BEST = 6  # hypotheses of a region that are fitted
MARGIN = 2.5  # cost above the best start's from which another is given up
STEPS = 4
ROUNDS = 4  # things of one colour in one region, at most
SIGMA = 0.0018  # metres: least deviation of a surface from a form
GROWTH = 0.001  # metres at .9 m by which a sensor's smoothed noise is reckoned with; grows with the square of distance
OFF, NEARLY = 0.01, 0.004  # metres from a form's surface: the pixel is something else's, or may be
SCRAP = 6.0  # cost from which part of a region is like nothing
UNSEEN, HIDDEN, ODD, RARER = (
    14.0,
    1.5,
    1.5,
    0.04,
)  # cost of missing and hidden parts, of odd labels, of each place in the catalogue
MOSTLY, WORST = 0.35, 6.0  # share of missing parts from which a start is given up, and its misfit
TOLERATED = 0.04  # share of missing parts that may be a matter of pixels
OVERLAP, DEEP = 0.2, 0.006  # share of a thing that may lie so many metres within another
SINGLE = 0.15  # cost by which one thing is preferred to several
MOST_UNIONS = 12
FRAGMENT, NEARBY = 30, 0.02  # fewer pixels so near another thing of their colour are a part of it
NEAR = 0.07  # metres between two regions that may be parts of one thing
# Places in [0, 1), one in each of equal strata and irregular within: even steps would run along columns of pixels.
_STRATA = (np.arange(OUTLINE) + np.arange(OUTLINE) * 0.618034 % 1) / OUTLINE


@dataclass
class Piece:
    """Pixels that one form explains.

    Attributes:
        pixels: Flat indices.
        colour: Class.
        form: Index of the form.
        pose: (4,) of the form.
        cost: Of the best explanation.
        rival: Of the best one with another noun.
        origin: Component that it is part of.
    """

    pixels: Indices
    colour: int
    form: int
    pose: npt.NDArray[np.float32]
    cost: float
    rival: float
    origin: int = 0


class Explainer:
    """Explains regions by a catalogue's forms.

    Args:
        catalogue: Colours and forms.
        kin: For each class, the class that it counts as where one thing may show both: white in the shade is grey.
    """

    def __init__(self, catalogue: Catalogue, kin: npt.NDArray[np.uint8]) -> None:
        self.catalogue, self.kin, self.forms = catalogue, kin, Forms(catalogue.forms)
        self.nouns = [form.noun for form in catalogue.forms]
        self._odd = np.array(
            [[0 if catalogue.allows(c.name, form.noun) else ODD for form in catalogue.forms] for c in catalogue.colours]
        )

    def explain(self, surface: Surface, camera: Camera, pixels: Indices, which: Indices, smallest: int) -> list[Piece]:
        """Things among components, see ``components``."""
        pieces: list[Piece] = []
        groups = np.split(pixels, np.flatnonzero(np.diff(which)) + 1) if len(pixels) else []
        origins = list(range(len(groups)))
        whole: dict[int, Piece] = {}
        for last in (*[False] * (ROUNDS - 1), True):
            if not groups:
                break
            found = self._fit_together(surface, camera, groups)
            groups, sources, origins = [], origins, []
            for piece, off in zip(found, self._distances(surface, found), strict=True):
                piece.origin = origin = sources[piece.origin]
                whole.setdefault(origin, replace(piece))
                rest = [] if last else _rest(surface, piece, off, smallest)
                if rest and len(piece.pixels) >= smallest:
                    # Without what is left over, the others may be explained otherwise.
                    rest.append(piece.pixels)
                else:
                    pieces.append(piece)
                groups += rest
                origins += [origin] * len(rest)
        pieces = self._merged(surface, self._worthwhile(pieces, whole))
        self._shared_out(surface, pieces)
        return pieces

    def _worthwhile(self, pieces: list[Piece], whole: dict[int, Piece]) -> list[Piece]:
        """The pieces, or the whole region where they go through one another: a thing that lies askew, say."""
        kept: list[Piece] = []
        for origin, one in whole.items():
            parts = [piece for piece in pieces if piece.origin == origin]
            kept += [one] if len(parts) > 1 and self._overlap(parts) > OVERLAP else parts
        return kept

    def _overlap(self, pieces: list[Piece]) -> float:
        """Greatest share of one piece's sample points that lies within another, well below its surface."""
        forms = np.array([piece.form for piece in pieces])
        poses = np.stack([piece.pose for piece in pieces])
        points = in_world(poses, self.forms.samples[forms])
        count = len(pieces)
        one, other = np.nonzero(~np.eye(count, dtype=bool))
        d, _ = distance(self.forms, forms[other], local(poses[other], points[one]))
        return float((d < -DEEP).mean(axis=1).max())

    def _fit_together(self, surface: Surface, camera: Camera, groups: list[Indices]) -> list[Piece]:
        """Groups of one colour and near one another are put together where one form explains them better.

        The ``origin`` of a piece is the first of its groups.
        """
        unions = self._unions(surface, groups)
        found = self._fit(surface, camera, groups + [np.concatenate([groups[k] for k in union]) for union in unions])
        for k, piece in enumerate(found[: len(groups)]):
            piece.origin = k
        gains = []
        for union, piece in zip(unions, found[len(groups) :], strict=True):
            piece.origin = union[0]
            gains.append(sum(len(groups[k]) * (found[k].cost + SINGLE - piece.cost) for k in union))
        taken: set[int] = set()
        together = []
        for k in np.argsort(gains)[::-1]:
            if gains[k] > 0 and not taken.intersection(unions[k]):
                taken.update(unions[k])
                together.append(found[len(groups) + k])
        return [found[k] for k in range(len(groups)) if k not in taken] + together

    def _unions(self, surface: Surface, groups: list[Indices]) -> list[tuple[int, ...]]:
        """Sets of groups that may be parts of one thing."""
        flat = surface.points.reshape(-1, 3)
        colours = self.kin[surface.classes.ravel()[[group[0] for group in groups]]]
        low, high = (np.array([end(flat[group], axis=0) for group in groups]) for end in (np.min, np.max))
        apart = np.maximum(low[:, None] - high[None], low[None] - high[:, None]).max(axis=2)
        near = np.triu((apart < NEAR) & (colours[:, None] == colours[None]), 1)
        unions = {frozenset((int(i), int(j))) for i, j in zip(*np.nonzero(near), strict=True)}
        for _ in range(2):
            unions |= {a | b for a in unions for b in unions if a & b}
        return sorted((tuple(sorted(union)) for union in unions), key=lambda union: (-len(union), union))[:MOST_UNIONS]

    def best(self, surface: Surface, camera: Camera, pixels: Indices) -> Piece:
        """The best explanation of pixels of one colour."""
        return self._fit(surface, camera, [pixels])[0]

    def _fit(self, surface: Surface, camera: Camera, groups: list[Indices]) -> list[Piece]:
        """The best form of each group of pixels."""
        forms = self.forms
        chosen = np.stack([group[(_STRATA * len(group)).astype(np.intp)] for group in groups])
        outline = smooth_points(surface, chosen)
        points = outline[:, :: OUTLINE // POINTS]
        colours = surface.classes.ravel()[chosen[:, 0]]
        far = surface.depth.ravel()[chosen].mean(axis=1)
        sigma = np.hypot(SIGMA, GROWTH * (far / 0.9) ** 2).astype(np.float32)
        hideable = hideable_groups(surface, groups)
        hypotheses = starts(forms, outline, hideable)
        without = np.bincount(hypotheses.owner, minlength=len(groups)) == 0
        if without.any():
            hypotheses = starts(forms, outline, hideable | without)
        kin = self.kin
        alike = kin[surface.classes]
        odd = RARER * hypotheses.form + self._odd[colours[hypotheses.owner] - FIRST, hypotheses.form]

        def cost(some: Hypotheses, extra: npt.NDArray[np.float64], rough: bool) -> npt.NDArray[np.float64]:
            """What hypotheses cost; of rough ones only those whose parts are mostly seen are compared with points."""
            step = POINTS // FEW if rough else 1
            gone, hidden = unseen(
                forms, some, camera, surface.depth, alike, kin[colours[some.owner]], surface.plane, step
            )
            fit = np.full(len(some), WORST)
            near = np.flatnonzero(gone < MOSTLY) if rough else np.arange(len(some))
            spread = sigma[some.owner[near]] * (ROUGH if rough else 1)
            fit[near] = misfit(forms, some[near], points[some.owner[near], ::step], spread)
            return np.asarray(fit + UNSEEN * np.maximum(gone - TOLERATED, 0) + HIDDEN * hidden + extra)

        early = cost(hypotheses, odd, rough=True)
        # The best start of every form, then the best forms.
        order = np.lexsort((early, hypotheses.form, hypotheses.owner))
        order = order[_rank(hypotheses.owner[order] * len(forms.forms) + hypotheses.form[order]) == 0]
        order = order[np.lexsort((early[order], hypotheses.owner[order]))]
        rank = _rank(hypotheses.owner[order])
        least = early[order[rank == 0]][hypotheses.owner[order]]
        kept = order[(rank < BEST) & (early[order] < least + MARGIN)]
        hypotheses, odd = hypotheses[kept], odd[kept]
        refine(forms, hypotheses, points[hypotheses.owner], sigma[hypotheses.owner], STEPS)
        final = cost(hypotheses, odd, rough=False)
        pieces = []
        for k, group in enumerate(groups):
            mine = np.flatnonzero(hypotheses.owner == k)
            best = mine[np.argmin(final[mine])]
            noun = self.nouns[hypotheses.form[best]]
            others = [final[h] for h in mine if self.nouns[hypotheses.form[h]] != noun]
            pieces.append(
                Piece(
                    group, int(colours[k]), int(hypotheses.form[best]), hypotheses.pose[best], float(final[best]),
                    min(others, default=float("inf")),
                )
            )  # fmt: skip
        return pieces

    def _distances(self, surface: Surface, pieces: list[Piece]) -> list[npt.NDArray[np.float32]]:
        """Of each piece's pixels from its form."""
        sizes = [len(piece.pixels) for piece in pieces]
        points = surface.points.reshape(-1, 3)[np.concatenate([piece.pixels for piece in pieces])]
        of = np.repeat(np.arange(len(pieces)), sizes)
        poses = np.stack([piece.pose for piece in pieces])[of]
        forms = np.array([piece.form for piece in pieces])[of]
        d, _ = distance(self.forms, forms, local(poses, points[:, None]))
        return np.split(np.abs(d[:, 0]), np.cumsum(sizes)[:-1])

    def _merged(self, surface: Surface, pieces: list[Piece]) -> list[Piece]:
        """Pieces that the form of a larger one of their colour explains go to it; so do fragments and misfits."""
        pieces = sorted((p for p in pieces if len(p.pixels)), key=lambda p: (p.cost > SCRAP, -len(p.pixels)))
        flat = surface.points.reshape(-1, 3)
        kept: list[Piece] = []
        for piece in pieces:
            mine = flat[piece.pixels[:: max(1, len(piece.pixels) // FRAGMENT)]]
            best, least = None, np.inf
            for other in kept:
                if (
                    self.kin[other.colour] != self.kin[piece.colour]
                    or np.linalg.norm(mine.mean(axis=0) - other.pose[:3]) > self.forms.reach[other.form] + NEARBY
                ):
                    continue
                d, _ = distance(self.forms, np.array([other.form]), local(other.pose[None], mine[None]))
                off, far = float((np.abs(d) > OFF).mean()), float(np.abs(d).mean())
                joins = off < 0.15 or (len(mine) < FRAGMENT and far < NEARBY)
                joins |= piece.cost > SCRAP and other.origin == piece.origin
                if joins and far < least:
                    best, least = other, far
            if best is None:
                kept.append(piece)
            else:
                best.pixels = np.concatenate((best.pixels, piece.pixels))
        return kept

    def _shared_out(self, surface: Surface, pieces: list[Piece]) -> None:
        """Pixels of a region that several forms explain go to the nearest of them."""
        flat = surface.points.reshape(-1, 3)
        for origin in {piece.origin for piece in pieces}:
            mine = [piece for piece in pieces if piece.origin == origin]
            if len(mine) < 2:
                continue
            pixels = np.concatenate([piece.pixels for piece in mine])
            forms = np.array([piece.form for piece in mine])
            poses = np.stack([piece.pose for piece in mine])
            points = np.broadcast_to(flat[pixels], (len(mine), len(pixels), 3))
            d, _ = distance(self.forms, forms, local(poses, points))
            nearest = np.abs(d).argmin(axis=0)
            for k, piece in enumerate(mine):
                piece.pixels = pixels[nearest == k]


def _rank(groups: Indices) -> Indices:
    """Place of each element in its run of equal elements."""
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


def _rest(surface: Surface, piece: Piece, far: npt.NDArray[np.float32], smallest: int) -> list[Indices]:
    """Groups of a piece's pixels that lie ``far`` off its form; they are taken from it."""
    from scipy.ndimage import label

    if (far > OFF).sum() < smallest:
        return []
    off = far > NEARLY  # pixels that are hardly off go with those that are clearly off
    width = surface.classes.shape[1]
    rows, columns = np.divmod(piece.pixels, width)
    picture = np.zeros((np.ptp(rows) + 1, np.ptp(columns) + 1), dtype=bool)
    picture[rows[off] - rows.min(), columns[off] - columns.min()] = True
    labels, _ = label(picture)
    of = labels[rows - rows.min(), columns - columns.min()]
    sizes = np.bincount(of[far > OFF], minlength=labels.max() + 1)
    groups = [piece.pixels[of == k] for k in np.flatnonzero(sizes >= smallest)]
    if groups:
        piece.pixels = piece.pixels[(of == 0) | (sizes[of] < smallest)]
    return groups
