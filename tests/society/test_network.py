"""Opinion dynamics: closed forms, invariants, and the speed that is promised."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import sparse

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.society.estimators import conformity_kappa
from edgewise.society.network import (
    degroot,
    degroot_weights,
    friedkin_johnsen,
    friedkin_johnsen_limit,
    hegselmann_krause,
    influence,
    logit_voter,
    random_graph,
)


@pytest.fixture
def graph() -> sparse.csr_array:
    return random_graph(50, 5, np.random.default_rng(1))


def test_a_random_graph_has_its_degree_and_no_loops(graph: sparse.csr_array) -> None:
    assert (graph.sum(axis=1) == 5).all() and graph.diagonal().sum() == 0 and graph.nnz == 250


def test_degroot_ends_where_the_left_eigenvector_says(graph: sparse.csr_array) -> None:
    x = np.random.default_rng(2).normal(size=(50, 3))
    weights = degroot_weights(graph)
    values, vectors = np.linalg.eig(influence(graph).toarray().T)
    oracle = np.real(vectors[:, np.argmin(abs(values - 1))])
    assert weights == pytest.approx(oracle / oracle.sum())
    assert degroot(graph, x, 500) == pytest.approx(np.tile(weights @ x, (50, 1)))
    assert degroot(graph, x, 0) == pytest.approx(x)


def test_friedkin_johnsen_ends_at_its_fixed_point(graph: sparse.csr_array) -> None:
    rng = np.random.default_rng(3)
    x, openness = rng.normal(size=50), rng.random(50)
    w, open_ = influence(graph).toarray(), np.diag(openness)
    oracle = np.linalg.solve(np.eye(50) - open_ @ w, (np.eye(50) - open_) @ x)
    assert friedkin_johnsen_limit(graph, x, openness) == pytest.approx(oracle)
    assert friedkin_johnsen(graph, x, openness, 3_000) == pytest.approx(oracle)
    both = np.column_stack([x, 2 * x])
    assert friedkin_johnsen_limit(graph, both, openness) == pytest.approx(np.column_stack([oracle, 2 * oracle]))
    assert friedkin_johnsen(graph, x, 0.0, 10) == pytest.approx(x)
    assert friedkin_johnsen(graph, x, 1.0, 10) == pytest.approx(degroot(graph, x, 10))


def test_bounded_confidence_keeps_far_groups_apart_and_joins_near_ones() -> None:
    everybody = np.ones((6, 6)) - np.eye(6)
    x = [0.0, 0.1, 0.2, 0.8, 0.9, 1.0]
    assert hegselmann_krause(everybody, x, 0.25, 50) == pytest.approx([0.1] * 3 + [0.9] * 3)
    assert hegselmann_krause(everybody, x, 1.0, 1) == pytest.approx([0.5] * 6)
    assert hegselmann_krause(everybody, x, 0.0, 5) == pytest.approx(x)
    # One step by hand on a line 0 - 1 - 2, where 0 does not hear 2.
    line = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    assert hegselmann_krause(line, [0.0, 0.3, 1.0], 0.5, 1) == pytest.approx([0.15, 0.15, 1.0])


def test_voters_without_conformity_vote_as_they_think(graph: sparse.csr_array) -> None:
    run = logit_voter(graph, np.full((50, 40), 1.0), 0.0, 50, np.random.default_rng(4))
    assert run.share.shape == (51, 40) and run.votes.shape == (50, 40)
    assert run.share.mean() == pytest.approx(1 / (1 + np.exp(-1.0)), abs=0.01)


def test_the_share_follows_the_mean_field() -> None:
    # Everybody hears everybody: m = sigma(lambda + kappa (2 m - 1)) at rest.
    n = 2_000
    run = logit_voter(np.ones((n, n)), np.full(n, 0.2), 1.0, 60, np.random.default_rng(5))
    m = 0.6
    for _ in range(200):
        m = 1 / (1 + np.exp(-(0.2 + (2 * m - 1))))
    assert run.share[20:].mean() == pytest.approx(m, abs=0.02)


def test_strong_conformity_carries_the_group_away_from_its_evidence() -> None:
    # Above kappa = 2 the mean field has a second state: a group that began wrong stays wrong.
    graph, rng = random_graph(1_000, 20, np.random.default_rng(6)), np.random.default_rng(7)
    mild, strong = (logit_voter(graph, np.full(1_000, 0.3), kappa, 100, rng).share[-1] for kappa in (0.0, 6.0))
    assert mild == pytest.approx(0.574, abs=0.05) and strong > 0.95


@pytest.mark.parametrize("kappa", [0.0, 1.0])
def test_kappa_is_recovered_from_the_votes(kappa: float) -> None:
    rng = np.random.default_rng(8)
    graph, private = random_graph(300, 6, rng), rng.normal(0, 1, 300)
    run = logit_voter(graph, private, kappa, 20, rng, keep=True)
    assert run.history is not None and (run.history[-1] == run.votes).all()
    heard = influence(graph) @ run.history[:-1].T.astype(float)
    found = conformity_kappa(
        run.history[1:].T.ravel(), np.repeat(private, 20), heard.clip(0, 1).ravel(), np.repeat(np.arange(300), 20)
    )
    assert isinstance(found, Estimate) and found.low <= kappa <= found.high and found.high - found.low < 0.6


def test_fewer_revising_change_less(graph: sparse.csr_array) -> None:
    runs = [
        logit_voter(graph, np.zeros(50), 1.0, 100, np.random.default_rng(9), revising=r, keep=True) for r in (1.0, 0.1)
    ]
    moved = [np.mean(run.history[1:] != run.history[:-1]) for run in runs if run.history is not None]
    assert moved[1] < 0.2 * moved[0]


def test_ten_thousand_voters_for_a_thousand_rounds_in_ten_seconds() -> None:
    rng = np.random.default_rng(10)
    graph, private = random_graph(10_000, 10, rng), rng.normal(size=10_000)
    start = time.process_time()
    run = logit_voter(graph, private, 1.0, 1_000, rng)
    assert time.process_time() - start < 10 and len(run.share) == 1_001


def test_bad_input_is_named(graph: sparse.csr_array) -> None:
    for call, field in (
        (lambda: random_graph(3, 3, np.random.default_rng(0)), "degree"),
        (lambda: influence(np.ones((2, 3))), "graph"),
        (lambda: influence(-np.ones((2, 2))), "graph"),
        (lambda: degroot(graph, np.zeros(3), 1), "opinions"),
        (lambda: degroot(graph, np.full(50, np.nan), 1), "opinions"),
        (lambda: degroot_weights(np.eye(3)), "graph"),
        (lambda: friedkin_johnsen(graph, np.zeros(50), 1.5, 1), "openness"),
        (lambda: friedkin_johnsen_limit(graph, np.zeros(50), 1.0), "openness"),
        (lambda: hegselmann_krause(graph, np.zeros((50, 2)), 1.0, 1), "opinions"),
        (lambda: logit_voter(graph, np.zeros(50), 1.0, 1, np.random.default_rng(0), revising=0.0), "revising"),
    ):
        with pytest.raises(BadInput) as caught:
            call()
        assert field in str(caught.value)


def test_who_listens_to_nobody_keeps_its_opinion() -> None:
    assert degroot(np.zeros((2, 2)), [0.2, 0.8], 5) == pytest.approx([0.2, 0.8])
