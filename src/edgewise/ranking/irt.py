"""Item response models by marginal maximum likelihood: Rasch, 2PL and 3PL, for any number of items."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from edgewise.core.errors import BadInput
from edgewise.ranking.irt_em import System, maximise
from edgewise.ranking.irt_quadrature import Data, Floats, Parameters, e_step, nodes_for

Marks = npt.NDArray[np.bool_]
Model = Literal["rasch", "2pl", "3pl"]
_WIDTH = {"rasch": 1, "2pl": 2, "3pl": 3}
_EXTREME = 0.3  # score points given to an item that nobody solved (Winsteps' default for extreme scores)
_TIE = 1e-9  # totals closer than this are equal
_INTERCEPT_SD = 10.0  # of a 3PL: where guessing explains all that an item's answers show, nothing else keeps it finite


@dataclass(frozen=True, eq=False)
class IrtFit:
    """A fitted item response model: P = c + (1 - c) / (1 + exp(-a (theta - b))).

    Abilities and difficulties are in logits for Rasch (slopes are 1 and ability has a standard deviation of its own),
    and in standard deviations of ability for 2PL and 3PL, whose abilities are N(0, 1).

    Args:
        model: "rasch", "2pl" or "3pl".
        difficulty: b, shape (items,); NaN where nobody answered the item.
        difficulty_se: Its standard error from the observed information, abilities' uncertainty included, (items,).
        discrimination: a, (items,); ones for Rasch.
        guessing: c, (items,); zeros but for 3PL.
        ability: Posterior mean of theta (EAP), (models,).
        ability_se: Its posterior standard deviation, items taken as known, (models,).
        ability_sd: Standard deviation of ability in the population: estimated for Rasch, 1 otherwise.
        log_likelihood: Marginal log-likelihood of the scores as given, weighted as asked, priors left out.
        iterations: Iterations used.
        converged: Whether the largest step fell below the tolerance.
    """

    model: Model
    difficulty: Floats
    difficulty_se: Floats
    discrimination: Floats
    guessing: Floats
    ability: Floats
    ability_se: Floats
    ability_sd: float
    log_likelihood: float
    iterations: int
    converged: bool

    def probability(self, ability: npt.ArrayLike) -> Floats:
        """Expected score on every item at the given abilities: shape (abilities,) gives (items, abilities)."""
        theta = np.atleast_1d(np.asarray(ability, dtype=np.float64))
        eta = self.discrimination[:, None] * (theta[None, :] - self.difficulty[:, None])
        c = self.guessing[:, None]
        return np.asarray(c + (1 - c) * expit(eta))


def fit_irt(
    values: npt.ArrayLike,
    model: Model = "rasch",
    *,
    item_weights: npt.ArrayLike | None = None,
    tol: float = 1e-6,
    max_iter: int = 500,
    log_slope_sd: float = 0.5,
) -> IrtFit:
    """Fit an item response model by marginal maximum likelihood (Bock & Aitkin 1981), abilities integrated out.

    Quadrature nodes sit on each respondent's own posterior (Liu & Pierce 1994): with thousands of items a posterior is
    far narrower than the gaps of a fixed grid. A graded score y in [0, 1] counts as y successes in one trial
    (quasi-likelihood y log p + (1 - y) log(1 - p)).

    Nothing pulls a Rasch difficulty towards anything, but for items that are (nearly) all wrong or all right, whose
    maximum is infinite: a total below 1 (or within 1 of the most) is moved 0.3 of the way to it, evenly over the
    respondents (0.3 is Winsteps' extreme-score adjustment; that it fades out, so that order is kept, is ours). An item
    that is wholly right or wrong tells nothing of ability, and is left out where ability is estimated. With complete
    data a Rasch difficulty is thus a decreasing function of the item's total; totals within 1e-9 are ties.

    2PL and 3PL have slopes above 0 with the prior log a ~ N(m, ``log_slope_sd``^2), its mean m estimated too
    (BILOG-MG's default sd, with its option FLOAT: a fixed mean would set the scale of ability when items are many), and
    3PL has c ~ Beta(5, 17) (mode 0.2, BILOG-MG's default for five options) and intercepts -a b ~ N(m', 10^2), m'
    estimated (ours): where guessing explains all that an item's answers show, nothing else keeps its difficulty finite.
    A Guttman scale (answers separated perfectly) has no maximum; the fit stops somewhere and ``converged`` is false.

    Args:
        values: Scores in [0, 1], shape (items, models); NaN where missing, which is never counted as wrong.
        model: Rasch has ability ~ N(0, sigma^2), sigma estimated, with slope 1 (the same model as N(0, 1) with a common
            slope sigma); 2PL and 3PL have ability ~ N(0, 1).
        item_weights: How much an item counts in the likelihood of a respondent, shape (items,), not negative; 1 if not
            given. An item of weight 0 tells nothing of ability and still gets its own parameters.
        tol: Largest change of an intercept, log slope or logit guessing parameter that the last iteration leaves to do.
        max_iter: Iterations at most.
        log_slope_sd: Standard deviation of the slopes' prior, for 2PL and 3PL; infinite for none.

    Raises:
        BadInput: Another shape, a score outside [0, 1], no score at all, a bad weight or option.
    """
    scores, seen, weight = _checked(values, model, item_weights, tol, max_iter, log_slope_sd)
    answered: Marks = np.ones(scores.shape[0], dtype=bool) if seen is None else np.asarray(seen.any(axis=1))
    group = _groups(scores, seen, answered) if model == "rasch" else None
    prior_sd = (_INTERCEPT_SD if model == "3pl" else math.inf, log_slope_sd)
    given = _problem(scores, seen, weight, answered, group, _WIDTH[model], prior_sd)
    counts = np.full(given.y.shape[0], given.y.shape[1], float) if given.seen is None else given.seen.sum(axis=1)
    totals = given.y.sum(axis=1)
    shift = _EXTREME * (np.maximum(1 - totals, 0) - np.maximum(1 - (counts - totals), 0)) / counts
    extreme = (totals <= _TIE) | (totals >= counts - _TIE)
    known = replace(given, weight=np.where(extreme, 0.0, given.weight)) if extreme.any() else given
    moved = given.y + (shift[:, None] if given.seen is None else shift[:, None] * given.seen)
    data = replace(known, y=moved) if shift.any() else known
    parameters, start = _first_guess(data, counts)
    fitted = maximise(data, parameters, start, tol=tol, max_iter=max_iter)
    parameters = fitted.parameters
    covariance = System(data, parameters, fitted.posterior).covariance()
    nodes = nodes_for(fitted.posterior.sd) + 2
    final = e_step(known, parameters, fitted.posterior.mode, nodes)
    height = final if known is given else e_step(given, parameters, final.mode, nodes)
    slope, intercept = parameters.slope, parameters.items[:, 0]
    difficulty, variance = -intercept / slope, covariance[:, 0, 0] / slope**2
    if given.width > 1:  # b = -d / a: delta method
        variance += 2 * covariance[:, 0, 1] * difficulty / slope + covariance[:, 1, 1] * difficulty**2
    elif seen is None:
        _keep_order(difficulty, data.y.sum(axis=1))
    guess = np.asarray(expit(parameters.items[:, 2])) if given.width == 3 else np.zeros_like(slope)
    columns = []
    for column in (difficulty, np.sqrt(np.maximum(variance, 0)), slope, guess):
        full = np.full(scores.shape[0], np.nan)
        full[answered] = column if group is None else column[group]
        columns.append(full)
    return IrtFit(
        model=model,
        difficulty=columns[0],
        difficulty_se=columns[1],
        discrimination=columns[2],
        guessing=columns[3],
        ability=final.mean,
        ability_se=final.sd,
        ability_sd=math.exp(parameters.log_sd),
        log_likelihood=height.log_likelihood,
        iterations=fitted.iterations,
        converged=fitted.converged,
    )


def _checked(
    values: npt.ArrayLike, model: str, item_weights: npt.ArrayLike | None, tol: float, max_iter: int, slope_sd: float
) -> tuple[Floats, Marks | None, Floats]:
    """Scores, which of them are there (None: all) and weights."""
    if model not in _WIDTH:
        raise BadInput(f"is {model!r}", field="model", fix=f"one of {', '.join(_WIDTH)}")
    if not (tol > 0 and max_iter >= 1 and slope_sd > 0):
        raise BadInput("tol, max_iter and log_slope_sd must be positive", field="tol")
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2 or not scores.size:
        raise BadInput(f"must have shape (items, models) and not be empty, has {scores.shape}", field="values")
    missing = np.isnan(scores)
    bad = ~((scores >= 0) & (scores <= 1) | missing)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise BadInput(f"{scores[row, column]:g} is outside [0, 1]", field=f"values[:, {column}]", row=int(row) + 1)
    if missing.all():
        raise BadInput("every score is missing", field="values")
    weight = np.ones(scores.shape[0]) if item_weights is None else np.asarray(item_weights, dtype=np.float64)
    if weight.shape != scores.shape[:1] or not np.all(np.isfinite(weight) & (weight >= 0)):
        raise BadInput("need one finite weight per item, not negative", field="item_weights")
    return scores, (~missing if missing.any() else None), weight


def _groups(scores: Floats, seen: Marks | None, answered: Marks) -> npt.NDArray[np.intp]:
    """Which answered items are the same to a Rasch model: equal total over the same respondents."""
    totals = np.nansum(scores[answered], axis=1) if seen is not None else scores.sum(axis=1)
    _, group = np.unique(np.round(totals / _TIE), return_inverse=True)
    if seen is None:
        return np.asarray(group, dtype=np.intp)
    packed = np.ascontiguousarray(np.packbits(seen[answered], axis=1))
    _, pattern = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_inverse=True)
    _, both = np.unique(pattern * (group.max() + 1) + group, return_inverse=True)
    return np.asarray(both, dtype=np.intp)


def _problem(
    scores: Floats,
    seen: Marks | None,
    weight: Floats,
    answered: Marks,
    group: npt.NDArray[np.intp] | None,
    width: int,
    prior_sd: tuple[float, float],
) -> Data:
    """What the iteration works on: one row per answered item, or per group of them (mean scores, summed weights)."""
    if seen is None:
        y, mask = scores, None
    else:
        y, mask, weight = np.where(seen, scores, 0.0)[answered], seen[answered].astype(np.float64), weight[answered]
    if group is None:
        return Data(y, mask, weight, width, prior_sd)
    # Sparse sums, as the likelihood is linear in the scores; a group of weight 0 is the plain mean of its items.
    size = int(group.max()) + 1
    sums: Floats = np.bincount(group, weights=weight, minlength=size).astype(np.float64)
    share = np.where(sums[group] > 0, weight, 1.0)
    share /= np.bincount(group, weights=share, minlength=size)[group]
    rows: Floats = np.stack([np.bincount(group, weights=share * column, minlength=size) for column in y.T], axis=1)
    if mask is not None:
        first = np.zeros(size, dtype=np.intp)
        first[group] = np.arange(group.size)
        mask = mask[first]
    return Data(rows, mask, sums, width, prior_sd)


def _first_guess(data: Data, counts: Floats) -> tuple[Parameters, Floats]:
    """Logits of the items' and the respondents' mean scores, stretched for the spread of the other (Cohen 1979)."""
    rate = (data.y.sum(axis=1) + 0.5) / (counts + 1)
    items = np.zeros((rate.size, data.width))
    items[:, 0] = np.log(rate / (1 - rate))
    weight = data.weight if data.weight.sum() > 0 else np.ones_like(data.weight)
    right = weight @ data.y
    most = np.full(right.shape, weight.sum()) if data.seen is None else weight @ data.seen
    share = (right + 0.5) / (most + 1)
    theta = np.log(share / (1 - share))
    theta -= theta.mean()
    spread = min(max(float(theta.std()), 0.1), 3.0)
    items[:, 0] *= math.sqrt(1 + spread**2 / 2.89)
    if data.width == 1:
        return Parameters(items, math.log(spread)), theta
    items[:, 1] = math.log(max(spread, 0.3))
    if data.width == 3:
        items[:, 2] = math.log(0.15 / 0.85)
    return Parameters(items, 0.0), theta / spread


def _keep_order(difficulty: Floats, totals: Floats) -> None:
    """In place: no item with a lower total is easier, not even by a rounding error."""
    order = np.argsort(-totals, kind="stable")
    difficulty[order] = np.maximum.accumulate(difficulty[order])
