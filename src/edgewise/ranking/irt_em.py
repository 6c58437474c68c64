"""Marginal maximum likelihood for ``irt``: the M-step's system, its Newton acceleration and the iteration.

Shapes: n items with p parameters each (intercept, log slope, logit guessing), M respondents, K nodes each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit

from edgewise.ranking.irt_quadrature import Data, Floats, Parameters, Posterior, e_step, guessing, terms_at

_KEEP = 1 << 23  # cells of the system kept between two passes: 64 MiB; beyond that they are computed twice
_BATCH = 1 << 21  # cells of the system multiplied at a time: 16 MiB
_LARGEST_SOLVE = 3000  # order of the largest dense system; beyond it plain EM has to do
_LIMITS = np.array([(-60.0, 60.0), (math.log(0.01), math.log(50.0)), (-12.0, 12.0)])  # d, log slope, logit guessing
_CAPS = np.array([3.0, 1.0, 1.5])  # longest step of each in one iteration
_SD_LIMITS = (math.log(0.02), math.log(50.0))
_EM_FIRST = 1  # EM steps before the first Newton step: the likelihood is concave only near its maximum
GUESSING_PRIOR = (5.0, 17.0)  # Beta: mode 0.2, the weight of 20 answers (BILOG-MG's default for five options)


def _mean(data: Data, values: Floats) -> float:
    return float(data.weight @ values) / max(float(data.weight.sum()), 1e-300)


def log_prior(data: Data, items: Floats) -> float:
    """Log prior density of the item parameters, without constants; the means float, so location and scale are free."""
    total = 0.0
    for j in range(min(data.width, 2)):
        if math.isfinite(data.prior_sd[j]):
            centred = items[:, j] - _mean(data, items[:, j])
            total -= 0.5 * float(data.weight @ centred**2) / data.prior_sd[j] ** 2
    if data.width == 3:
        c = np.asarray(expit(items[:, 2]))
        total += float(data.weight @ ((GUESSING_PRIOR[0] - 1) * np.log(c) + (GUESSING_PRIOR[1] - 1) * np.log1p(-c)))
    return total


def _cholesky(matrix: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Lower factors of small matrices (n, p, p), all at once, and which of them are safely positive definite."""
    p = matrix.shape[1]
    factor, sound = np.zeros_like(matrix), np.ones(matrix.shape[0], dtype=bool)
    for j in range(p):
        pivot = matrix[:, j, j] - (factor[:, j, :j] ** 2).sum(axis=1)
        sound &= pivot > 1e-3 * np.abs(matrix[:, j, j]) + 1e-12
        factor[:, j, j] = np.sqrt(np.maximum(pivot, 1e-12))
        for k in range(j + 1, p):
            below = matrix[:, k, j] - (factor[:, k, :j] * factor[:, j, :j]).sum(axis=1)
            factor[:, k, j] = below / factor[:, j, j]
    return factor, sound


def _forward(factor: Floats, right: Floats) -> Floats:
    """Solve L x = right for every item; right (n, p, columns), overwritten."""
    for j in range(factor.shape[1]):
        for k in range(j):
            right[:, j] -= factor[:, j, k, None] * right[:, k]
        right[:, j] /= factor[:, j, j, None]
    return right


def _backward(factor: Floats, right: Floats) -> Floats:
    """Solve L' x = right for every item; right (n, p, columns), overwritten."""
    p = factor.shape[1]
    for j in reversed(range(p)):
        for k in range(j + 1, p):
            right[:, j] -= factor[:, k, j, None] * right[:, k]
        right[:, j] /= factor[:, j, j, None]
    return right


class Piece(NamedTuple):
    """Some rows of the system, in coordinates where the complete-data information is the identity.

    ``factor`` (n, p, p) is its Cholesky factor L; ``gradient`` L^-1 g (n, p); ``coupling`` L^-1 V (n, p, columns).
    """

    rows: slice
    weight: Floats
    factor: Floats
    gradient: Floats
    coupling: Floats


def _polynomials(posterior: Posterior, degree: int) -> list[Floats]:
    """Polynomials in ability of degree 1 to ``degree``, (K, M) each, orthonormal under each respondent's posterior."""
    weight, z = posterior.weight, (posterior.nodes - posterior.mean) / np.maximum(posterior.sd, 1e-12)
    found = [np.ones_like(z)]
    for _ in range(degree):
        following = found[-1] * z
        for earlier in found:
            following = following - (weight * following * earlier).sum(axis=0) * earlier
        found.append(following / np.sqrt(np.maximum((weight * following**2).sum(axis=0), 1e-12)))
    return found[1:]


class System:
    """Gradient and observed information of the marginal likelihood at one E-step.

    By Louis (1982, eq. 3.1) the observed information is that of complete data less the posterior variance of the
    complete-data score. The first is block-diagonal (D, one block per item); the second is V V' with two columns per
    respondent, for the score's regression on ability and on its square (the latter is what fixes the scale of ability
    however narrow the posteriors; four where they are wide and the table is small), so that Woodbury's identity inverts
    the whole in the smaller of the two dimensions.
    The last row of the Rasch model is the standard deviation of ability; the last columns are the floating means of the
    priors.
    """

    def __init__(self, data: Data, parameters: Parameters, posterior: Posterior, *, accelerate: bool = True) -> None:
        self.data, self.parameters, self.posterior = data, parameters, posterior
        n, p = parameters.items.shape
        rows, respondents = n * p + (p == 1), posterior.nodes.shape[1]
        degree = 4 if posterior.nodes.shape[0] > 5 and 4 * rows * respondents <= _KEEP >> 3 else 2
        self._basis = [posterior.weight * b for b in _polynomials(posterior, degree)]
        self.prior_means = {
            j: _mean(data, parameters.items[:, j]) for j in range(min(p, 2)) if math.isfinite(data.prior_sd[j])
        }
        columns = degree * respondents + len(self.prior_means)
        self.by_item = rows <= columns
        fits = rows * columns <= _KEEP
        self.columns = (
            columns if accelerate and min(rows, columns) <= _LARGEST_SOLVE and (fits or not self.by_item) else 0
        )
        self._kept: list[Piece] | None = list(self._make()) if fits or not self.columns else None

    def pieces(self) -> Iterator[Piece]:
        """The rows, block by block."""
        return iter(self._kept) if self._kept is not None else self._make()

    def _make(self) -> Iterator[Piece]:
        nodes = self.posterior.nodes
        for rows in self.data.blocks(nodes.size):
            yield self._piece(rows)
        if self.data.width == 1:
            z2 = nodes**2 * math.exp(-2 * self.parameters.log_sd)
            mean = (self.posterior.weight * z2).sum()
            factor = np.sqrt(2 * mean).reshape(1, 1, 1)
            coupling = np.zeros((1, 1, self.columns))
            if self.columns:
                coupling[0, 0] = np.concatenate([(b * z2).sum(axis=0) for b in self._basis])
            gradient = np.reshape(mean - nodes.shape[1], (1, 1)) / factor[0]
            n = self.data.y.shape[0]
            yield Piece(slice(n, n + 1), np.ones(1), factor, gradient, coupling / factor)

    def _piece(self, rows: slice) -> Piece:
        data, p = self.data, self.data.width
        nodes, post = self.posterior.nodes, self.posterior.weight
        t = terms_at(data, rows, self.parameters, nodes)
        n, a = t.score.shape[0], self.parameters.slope[rows]
        moments = np.stack([post, post * nodes, post * nodes**2], axis=-1).reshape(-1, 3)
        score, curve = t.score.reshape(n, -1) @ moments[:, :2], t.curve.reshape(n, -1) @ moments
        gradient, matrix = np.empty((n, p)), np.empty((n, p, p))
        gradient[:, 0], matrix[:, 0, 0] = score[:, 0], curve[:, 0]
        coupling = np.zeros((n, p, self.columns))
        spread = [slice(r * nodes.shape[1], (r + 1) * nodes.shape[1]) for r in range(len(self._basis))]
        if self.columns:
            for part, basis in zip(spread, self._basis, strict=True):
                coupling[:, 0, part] = np.einsum("ikj,kj->ij", t.score, basis)
        expected = matrix
        if p > 1:
            gradient[:, 1] = a * score[:, 1]
            matrix[:, 0, 1] = matrix[:, 1, 0] = a * curve[:, 1]
            matrix[:, 1, 1] = a * a * curve[:, 2] - a * score[:, 1]
            if self.columns:
                for part, basis in zip(spread, self._basis, strict=True):
                    coupling[:, 1, part] = a[:, None] * np.einsum("ikj,kj->ij", t.score, basis * nodes)
            fisher = t.expected.reshape(n, -1) @ moments if p == 3 else curve
            expected = matrix.copy()
            expected[:, 0, 0], expected[:, 1, 1] = fisher[:, 0], a * a * fisher[:, 2]
            expected[:, 0, 1] = expected[:, 1, 0] = a * fisher[:, 1]
        if t.guess_score is not None:
            assert t.cross is not None and t.cross_expected is not None
            assert t.guess_curve is not None and t.guess_expected is not None
            flat, (right, wrong) = post.ravel(), (GUESSING_PRIOR[0] - 1, GUESSING_PRIOR[1] - 1)
            c = guessing(self.parameters, rows)[:, 0, 0]
            gradient[:, 2] = t.guess_score.reshape(n, -1) @ flat + right * (1 - c) - wrong * c
            for target, cross, own in (
                (matrix, t.cross, t.guess_curve),
                (expected, t.cross_expected, t.guess_expected),
            ):
                both = cross.reshape(n, -1) @ moments[:, :2]
                target[:, 0, 2] = target[:, 2, 0] = both[:, 0]
                target[:, 1, 2] = target[:, 2, 1] = a * both[:, 1]
                target[:, 2, 2] = own.reshape(n, -1) @ flat + (right + wrong) * c * (1 - c)
            if self.columns:
                for part, basis in zip(spread, self._basis, strict=True):
                    coupling[:, 2, part] = np.einsum("ikj,kj->ij", t.guess_score, basis)
        for place, (j, mean) in enumerate(self.prior_means.items()):
            precision = data.prior_sd[j] ** -2
            gradient[:, j] -= precision * (self.parameters.items[rows, j] - mean)
            matrix[:, j, j] += precision
            if expected is not matrix:
                expected[:, j, j] += precision
            if self.columns:
                total = float(data.weight.sum())
                coupling[:, j, -1 - place] = math.sqrt(precision / total) if total else 0.0
        factor, sound = _cholesky(matrix)
        if not sound.all():  # far from the maximum, or hardly any answers: what Fisher scoring would take
            factor[~sound] = _cholesky(expected[~sound])[0]
        solved = _forward(factor, gradient[:, :, None])[:, :, 0]
        return Piece(rows, data.weight[rows], factor, solved, _forward(factor, coupling))

    def _solver(self) -> tuple[Floats, bool]:
        """Cholesky factor of I - C, C being the coupling's product with itself in the smaller dimension.

        Raises:
            LinAlgError: The likelihood is not concave here.
        """
        if self.by_item:
            whole = np.concatenate([self._weighted(piece) for piece in self.pieces()])
            gram = whole @ whole.T
        else:
            gram = np.zeros((self.columns, self.columns))
            for batch in self._batches():  # few large products: many small ones make BLAS threads wait for each other
                gram += batch.T @ batch
        factor: tuple[Floats, bool] = cho_factor(np.eye(gram.shape[0]) - gram, lower=True)
        return factor

    def _batches(self) -> Iterator[Floats]:
        parts: list[Floats] = []
        for piece in self.pieces():
            parts.append(self._weighted(piece))
            if sum(part.size for part in parts) > _BATCH:
                yield np.concatenate(parts)
                parts = []
        if parts:
            yield np.concatenate(parts)

    def _weighted(self, piece: Piece) -> Floats:
        return (piece.coupling * np.sqrt(piece.weight)[:, None, None]).reshape(-1, self.columns)

    def em_direction(self) -> Floats:
        """The M-step's Newton step (rows, p), each item alone; the Rasch model's last row is the log sd of ability."""
        return np.concatenate([_backward(q.factor, q.gradient[:, :, None].copy())[:, :, 0] for q in self.pieces()])

    def newton_direction(self) -> Floats:
        """Newton step of the marginal likelihood (rows, p): all items and all abilities together.

        Raises:
            LinAlgError: The likelihood is not concave here.
        """
        factor = self._solver()
        pull = np.zeros(self.columns)
        if self.by_item:
            whole = np.concatenate([self._weighted(q) for q in self.pieces()])
            right = np.concatenate([(q.gradient * np.sqrt(q.weight)[:, None]).ravel() for q in self.pieces()])
            pull = whole.T @ cho_solve(factor, right)
        else:
            for q in self.pieces():
                pull += np.einsum("ipc,ip,i->c", q.coupling, q.gradient, q.weight, optimize=True)
            pull = cho_solve(factor, pull)
        return np.concatenate(
            [_backward(q.factor, (q.gradient + q.coupling @ pull)[:, :, None])[:, :, 0] for q in self.pieces()]
        )

    def covariance(self) -> Floats:
        """Inverse of the observed information: each item's own block (n, p, p), at weight 1.

        Where the system is too large (``columns`` is 0) or not positive definite, the abilities' uncertainty is left
        out: the inverse of the complete-data information.
        """
        try:
            factor = self._solver() if self.columns else None
        except LinAlgError:
            factor = None
        whole = None
        if factor is not None and self.by_item:
            whole = np.concatenate([self._weighted(piece) for piece in self.pieces()])
        blocks = []
        for piece in self.pieces():
            n, p = piece.gradient.shape
            inner = np.broadcast_to(np.eye(p), (n, p, p)).copy()
            if factor is not None:
                flat = piece.coupling.reshape(n * p, -1)
                if whole is None:
                    moved = cho_solve(factor, flat.T).T
                else:
                    moved = flat + cho_solve(factor, whole @ flat.T).T @ whole
                inner += piece.coupling @ moved.reshape(n, p, -1).transpose(0, 2, 1)
            half = _backward(piece.factor, inner)
            blocks.append(_backward(piece.factor, half.transpose(0, 2, 1).copy()))
        return np.concatenate(blocks)[: self.data.y.shape[0]]


class Fitted(NamedTuple):
    """Where the iteration ended."""

    parameters: Parameters
    posterior: Posterior
    iterations: int
    converged: bool


def moved(parameters: Parameters, step: Floats) -> Parameters:
    """``parameters`` after ``step`` (rows, p), within the limits; an item's step is shortened where it is too long."""
    n, p = parameters.items.shape
    step = step / np.maximum(np.abs(step) / _CAPS[:p], 1).max(axis=1, keepdims=True)
    items = np.clip(parameters.items + step[:n], _LIMITS[:p, 0], _LIMITS[:p, 1])
    log_sd = float(np.clip(parameters.log_sd + step[n, 0], *_SD_LIMITS)) if p == 1 else 0.0
    return Parameters(items, log_sd)


def _expand(parameters: Parameters, posterior: Posterior) -> Parameters:
    """Put the mean of ability back at 0 (and, slopes being free, its standard deviation at 1) by moving the items.

    Parameter expansion (Liu, Rubin & Wu 1998): where answers are many, EM alone moves items and abilities together
    by a share of 1 / information in every iteration, which is hardly at all.
    """
    items, mean = parameters.items.copy(), float(posterior.mean.mean())
    spread = math.sqrt(float((posterior.sd**2 + (posterior.mean - mean) ** 2).mean()))
    items[:, 0] += parameters.slope * mean
    if items.shape[1] == 1:
        return Parameters(items, float(np.clip(math.log(spread), *_SD_LIMITS)))
    items[:, 1] += math.log(spread)
    return Parameters(np.clip(items, _LIMITS[: items.shape[1], 0], _LIMITS[: items.shape[1], 1]), 0.0)


def maximise(data: Data, parameters: Parameters, start: Floats, *, tol: float, max_iter: int) -> Fitted:
    """Climb the penalised marginal likelihood until no parameter has more than ``tol`` to go.

    Every iteration is an E-step and one Newton step on all items: that of the M-step at first (with parameter
    expansion), then that of the marginal likelihood (Louis 1982, section 4), which is taken only if the likelihood
    does not fall. A step that lowers it is halved, and given up for an EM step.

    Args:
        data: Answers.
        parameters: Where to begin.
        start: First guess of the abilities, (M,).
        tol: Largest step at the end, or what is left to go as far as the last two steps tell.
        max_iter: Iterations at most.
    """
    posterior, before = e_step(data, parameters, start), math.inf
    height = posterior.log_likelihood + log_prior(data, parameters.items)
    for iteration in range(1, max_iter + 1):
        system = System(data, parameters, posterior, accelerate=iteration > _EM_FIRST)
        step, newton = None, False
        if system.columns:
            try:
                step, newton = system.newton_direction(), True
            except LinAlgError:
                step = None
        # Nodes move with the parameters, so that the height is known to this only.
        slack = 1e-9 * abs(height) + 1e-7
        accepted = None
        for scale in (1.0, 0.5, 0.25) if step is not None else ():
            assert step is not None
            accepted = _try(data, parameters, posterior, scale * step, height - slack)
            if accepted is not None:
                break
        if accepted is None:
            newton, step = False, system.em_direction()
            # The prior on a 3PL's intercepts is not free of location: there, expansion may lower the height.
            origins = (_expand(parameters, posterior), parameters) if iteration <= 20 else (parameters,)
            for origin, scale in product(origins, (1.0, 0.5, 0.2, 0.05, 0.01)):
                accepted = _try(data, origin, posterior, scale * step, height - slack)
                if accepted is not None:
                    break
        if accepted is None:
            return Fitted(parameters, posterior, iteration, converged=False)
        change = np.abs(accepted[0].items - parameters.items).max(initial=abs(accepted[0].log_sd - parameters.log_sd))
        parameters, posterior, height = accepted
        # Steps that shrink by a ratio r leave at most step * r / (1 - r) to go.
        ratio = change / before if newton and change < before else 1.0
        if change * min(1.0, ratio / max(1 - ratio, 1e-9)) < tol and iteration > _EM_FIRST:
            return Fitted(parameters, posterior, iteration, converged=True)
        before = change
    return Fitted(parameters, posterior, max_iter, converged=False)


def _try(
    data: Data, parameters: Parameters, posterior: Posterior, step: Floats, least: float
) -> tuple[Parameters, Posterior, float] | None:
    """The E-step after ``step``, unless the likelihood is below ``least`` there."""
    candidate = moved(parameters, step)
    after = e_step(data, candidate, posterior.mode)
    height = after.log_likelihood + log_prior(data, candidate.items)
    return (candidate, after, height) if height >= least else None
