"""Opinion dynamics on a graph of many agents: DeGroot, Friedkin and Johnsen, Hegselmann and Krause, the logit voter.

A graph is a sparse matrix of shape (agents, agents): entry (i, j) is the weight that i gives to j. Opinions have shape
(agents,), or (agents, runs) for several runs at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from edgewise.core.errors import BadInput

Floats = NDArray[np.float64]
Votes = NDArray[np.bool_]
Graph = Any  # a scipy.sparse array or matrix, or a dense one


@dataclass(frozen=True)
class VoterRun:
    """What a run of logit voters leaves.

    Attributes:
        votes: After the last round, shape (agents,) or (agents, runs).
        share: Share of votes for option 1 by round, the start first: shape (rounds + 1,) or (rounds + 1, runs).
        history: Votes by round where they were kept, shape (rounds + 1, *votes.shape).
    """

    votes: Votes
    share: Floats
    history: Votes | None = None


def random_graph(agents: int, degree: int, rng: np.random.Generator) -> sparse.csr_array:
    """Everybody listens to ``degree`` others, drawn at random without regard to who listens back.

    Raises:
        BadInput: Fewer others than that.
    """
    if not 1 <= degree < agents:
        raise BadInput(f"must be from 1 to {agents - 1}", field="degree")
    heard = np.empty((agents, degree), dtype=np.int64)
    for i in range(agents):
        others = rng.choice(agents - 1, degree, replace=False)
        heard[i] = others + (others >= i)
    rows = np.repeat(np.arange(agents), degree)
    return sparse.csr_array((np.ones(agents * degree), (rows, heard.ravel())), shape=(agents, agents))


def influence(graph: Graph) -> sparse.csr_array:
    """Weights scaled to sum to 1 over whom an agent listens to; who listens to nobody listens to itself.

    Raises:
        BadInput: Not square, or a weight is negative or not finite.
    """
    found = sparse.csr_array(graph, dtype=np.float64)
    if len(set(found.shape)) != 1 or found.ndim != 2:
        raise BadInput(f"has shape {found.shape}, not (agents, agents)", field="graph")
    if not (np.isfinite(found.data).all() and (found.data >= 0).all()):
        raise BadInput("weights must be finite and not negative", field="graph")
    total: Floats = np.asarray(found.sum(axis=1)).ravel()
    alone = total == 0
    scaled = sparse.diags_array(1 / np.where(alone, 1.0, total)) @ found + sparse.diags_array(alone.astype(float))
    return sparse.csr_array(scaled)


def degroot(graph: Graph, opinions: ArrayLike, rounds: int) -> Floats:
    """Everybody takes the mean of whom it listens to (DeGroot 1974): x(t + 1) = W x(t).

    Returns:
        Opinions after the rounds.
    """
    weights = influence(graph)
    x = _opinions(opinions, weights.shape[0])
    for _ in range(rounds):
        x = weights @ x
    return x


def degroot_weights(graph: Graph) -> Floats:
    """How much each agent's first opinion counts in the consensus: the left eigenvector of W for 1, summing to 1.

    Raises:
        BadInput: More than one group listens to nobody outside, so there is no one consensus.
    """
    weights = influence(graph)
    if int(_closed_groups(weights)[1].sum()) > 1:
        raise BadInput("several groups listen to nobody outside: there is no one consensus", field="graph")
    # (W' - I) v = 0 with sum(v) = 1: the sum takes the place of one equation, which the others imply.
    system = sparse.lil_array(weights.T - sparse.eye_array(weights.shape[0]))
    system[-1, :] = 1.0
    right = np.zeros(weights.shape[0])
    right[-1] = 1.0
    return _solve(sparse.csc_array(system), right)


def friedkin_johnsen(graph: Graph, opinions: ArrayLike, openness: ArrayLike, rounds: int) -> Floats:
    """Everybody stays in part with its first opinion (Friedkin and Johnsen 1990): x(t+1) = L W x(t) + (I - L) x(0).

    Args:
        graph: Who listens to whom.
        opinions: The first ones.
        openness: Diagonal of L, in [0, 1]: 0 never moves, 1 is DeGroot's agent. A number, or shape (agents,).
        rounds: How many.

    Returns:
        Opinions after the rounds.
    """
    weights = influence(graph)
    first = _opinions(opinions, weights.shape[0])
    open_ = _openness(openness, first)
    x, kept = first, (1 - open_) * first
    for _ in range(rounds):
        x = open_ * (weights @ x) + kept
    return x


def friedkin_johnsen_limit(graph: Graph, opinions: ArrayLike, openness: ArrayLike) -> Floats:
    """Where it ends: x = (I - L W)^-1 (I - L) x(0).

    Raises:
        BadInput: A group that is wholly open listens to itself alone, so the end is not determined by this equation.
    """
    weights = influence(graph)
    first = _opinions(opinions, weights.shape[0])
    open_ = _openness(openness, first)
    flat = open_.reshape(-1)
    group, closed = _closed_groups(weights)
    closed[group[flat < 1]] = False
    if closed.any():
        raise BadInput("a group without any stubborn agent listens to itself alone", field="openness")
    system = sparse.csc_array(sparse.eye_array(len(first)) - sparse.diags_array(flat) @ weights)
    return _solve(system, (1 - open_) * first)


def hegselmann_krause(graph: Graph, opinions: ArrayLike, confidence: float, rounds: int) -> Floats:
    """Everybody takes the mean of those no further away than ``confidence``, itself included (Hegselmann, Krause 2002).

    Only those that it listens to count; on a complete graph this is the original model. Opinions of shape (agents,).
    Stops early where nobody moves any more.

    Returns:
        Opinions after the rounds.
    """
    weights = influence(graph)
    x = _opinions(opinions, weights.shape[0])
    if x.ndim != 1:
        raise BadInput("one run at a time: must have shape (agents,)", field="opinions")
    rows, columns = weights.nonzero()
    apart = rows != columns
    rows, columns = rows[apart], columns[apart]
    for _ in range(rounds):
        near = np.abs(x[rows] - x[columns]) <= confidence
        i, j = rows[near], columns[near]
        new = (x + np.bincount(i, x[j], len(x))) / (1 + np.bincount(i, minlength=len(x)))
        if np.array_equal(new, x):
            break
        x = new
    return x


def logit_voter(
    graph: Graph,
    private: ArrayLike,
    kappa: float,
    rounds: int,
    rng: np.random.Generator,
    *,
    revising: float = 1.0,
    keep: bool = False,
) -> VoterRun:
    """Logit (Glauber) voters: P(vote 1) = sigma(lambda_i + kappa (2 m_i - 1)), m_i the share of 1 that i hears of.

    The first vote is private (kappa = 0). For the detector of kappa see ``edgewise.society.estimators``.

    Args:
        graph: Who listens to whom.
        private: Log-odds lambda of option 1, shape (agents,) or (agents, runs).
        kappa: Conformity.
        rounds: How many.
        rng: For all draws.
        revising: Probability that an agent votes anew in a round; 1 is all together, less is close to one at a time.
        keep: Whether to keep every round's votes.

    Returns:
        The run.

    Raises:
        BadInput: ``revising`` outside (0, 1], shapes that do not fit.
    """
    if not 0 < revising <= 1:
        raise BadInput("must be in (0, 1]", field="revising")
    # Votes are counted in single precision: half the memory to move, and a share needs no more.
    weights = influence(graph).astype(np.float32)
    lambda_ = _opinions(private, weights.shape[0]).astype(np.float32)
    # sigma(z) > u just where z > logit(u) = -log(1 / u - 1); the threshold is the same draw for every kappa.
    votes = lambda_ > _logistic(rng, lambda_.shape)
    share = np.empty((rounds + 1, *votes.shape[1:]))
    share[0] = votes.mean(0)
    history = np.empty((rounds + 1, *votes.shape), dtype=bool) if keep else None
    if history is not None:
        history[0] = votes
    lean, push = lambda_ - np.float32(kappa), np.float32(2 * kappa)
    for t in range(1, rounds + 1):
        new = lean + push * (weights @ votes.astype(np.float32)) > _logistic(rng, votes.shape)
        votes = new if revising == 1 else np.where(rng.random(votes.shape) < revising, new, votes)
        share[t] = votes.mean(0)
        if history is not None:
            history[t] = votes
    return VoterRun(votes, share, history)


def _logistic(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    u = rng.random(shape, dtype=np.float32)
    return np.asarray(np.log((u + np.float32(1e-9)) / (1 - u)), dtype=np.float32)


def _opinions(opinions: ArrayLike, agents: int) -> Floats:
    x = np.asarray(opinions, dtype=np.float64)
    if x.ndim not in (1, 2) or len(x) != agents:
        raise BadInput(f"has shape {x.shape}, not ({agents},) or ({agents}, runs)", field="opinions")
    if not np.isfinite(x).all():
        raise BadInput("must be finite", field="opinions")
    return x


def _openness(openness: ArrayLike, opinions: Floats) -> Floats:
    found = np.asarray(openness, dtype=np.float64)
    if found.shape not in ((), (len(opinions),)) or not ((found >= 0) & (found <= 1)).all():
        raise BadInput("must be one number in [0, 1], or one for each agent", field="openness")
    whole = np.broadcast_to(found, len(opinions))
    return whole if opinions.ndim == 1 else whole[:, None]


def _solve(system: sparse.csc_array, right: Floats) -> Floats:
    from scipy.sparse.linalg import spsolve

    return np.asarray(spsolve(system, right)).reshape(right.shape)


def _closed_groups(weights: sparse.csr_array) -> tuple[NDArray[np.int32], Votes]:
    """Strongly connected group of each agent, and for each group whether it listens to itself alone."""
    count, group = sparse.csgraph.connected_components(weights, connection="strong")
    rows, columns = weights.nonzero()
    closed = np.ones(count, dtype=bool)
    closed[group[rows[group[rows] != group[columns]]]] = False
    return group, closed
