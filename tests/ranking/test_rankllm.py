"""RankLLM against the paper's closed forms, an independent PageRank, and itself by other routes."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.core.errors import BadInput
from edgewise.ranking import ResponseMatrix
from edgewise.ranking.rankllm import Statistics, rankllm, sum_statistics
from support.responses import BINARY, GRADED, real, simulated

ENGINES = ("reference", "direct", "sweeps")


@given(st.one_of(BINARY, GRADED), st.sampled_from([0.3, 0.85, 0.97]))
@settings(max_examples=150)
def test_the_engines_agree(values: np.ndarray, alpha: float) -> None:
    matrix = ResponseMatrix.from_array(values)
    found = [rankllm(matrix, alpha=alpha, tol=1e-14, engine=engine) for engine in ENGINES]
    for other in found[1:]:
        np.testing.assert_allclose(other.competency, found[0].competency, atol=1e-9)
        np.testing.assert_allclose(other.difficulty, found[0].difficulty, atol=1e-9)


@pytest.mark.parametrize("name", ["mmlu_pro", "terminal_bench2_frac", "alpaca_eval2_pref"])
def test_the_engines_agree_on_real_data(name: str) -> None:
    matrix = real(name)
    found = [rankllm(matrix, tol=1e-13, engine=engine) for engine in ENGINES]
    for other in found[1:]:
        np.testing.assert_allclose(other.competency, found[0].competency, atol=1e-12)
        np.testing.assert_allclose(other.difficulty, found[0].difficulty, atol=1e-12)


def test_it_is_a_personalised_pagerank() -> None:
    """Half of each vector is the PageRank of the union graph, restart uniform on each side."""
    matrix, _, _ = simulated(40, 7)
    found = rankllm(matrix)
    kept = np.flatnonzero(found.in_fit)
    graph = nx.DiGraph()
    for q in kept:
        for m in range(7):
            if matrix.values[q, m] == 1:
                graph.add_edge(("item", q), ("model", m), weight=1.0)
            else:
                graph.add_edge(("model", m), ("item", q), weight=1.0)
    restart = {("item", q): 1 / (2 * len(kept)) for q in kept} | {("model", m): 1 / 14 for m in range(7)}
    oracle = nx.pagerank(graph, alpha=0.85, personalization=restart, tol=1e-15, max_iter=10_000)
    np.testing.assert_allclose(found.competency / 2, [oracle["model", m] for m in range(7)], atol=1e-12)
    np.testing.assert_allclose(found.difficulty[kept] / 2, [oracle["item", q] for q in kept], atol=1e-12)


def test_by_hand() -> None:
    """Two models, two items, each solves one: all alike. And one more item that only the first solves."""
    even = rankllm(ResponseMatrix.from_array([[1, 0], [0, 1]]))
    np.testing.assert_allclose(even.competency, 0.5)
    np.testing.assert_allclose(even.difficulty, 0.5)
    a = 0.85
    found = rankllm(ResponseMatrix.from_array([[1, 0], [0, 1], [1, 0]]))
    # Items 0 and 2: x = (1-a)/3 + a*y1/2; item 1: z = (1-a)/3 + a*y0; y0 = (1-a)/2 + 2*a*x; y1 = (1-a)/2 + a*z.
    system = np.array([[1, 0, 0, -a / 2], [0, 1, -a, 0], [-2 * a, 0, 1, 0], [0, -a, 0, 1]])
    x, z, y0, y1 = np.linalg.solve(system, [(1 - a) / 3, (1 - a) / 3, (1 - a) / 2, (1 - a) / 2])
    np.testing.assert_allclose(found.competency, [y0, y1])
    np.testing.assert_allclose(found.difficulty, [x, z, x])


@given(st.one_of(BINARY, GRADED))
def test_masses_are_one(values: np.ndarray) -> None:
    found = rankllm(ResponseMatrix.from_array(values))
    assert found.competency.sum() == pytest.approx(1)
    assert np.all(found.competency > 0)
    if found.in_fit.any():
        assert found.difficulty[found.in_fit].sum() == pytest.approx(1)


@given(BINARY.filter(lambda v: not np.isnan(v).any()))
def test_dominance(values: np.ndarray) -> None:
    """Who solves all that another solves scores no lower; what defeats all whom another item defeats is no easier."""
    found = rankllm(ResponseMatrix.from_array(values))
    for j in range(values.shape[1]):
        for k in range(values.shape[1]):
            if np.all(values[:, j] >= values[:, k]):
                assert found.competency[j] >= found.competency[k] - 1e-12
    for p in range(values.shape[0]):
        for q in range(values.shape[0]):
            if np.all(values[p] <= values[q]):
                assert found.difficulty[p] >= found.difficulty[q] - 1e-12


@given(BINARY.filter(lambda v: not np.isnan(v).any()), st.data())
def test_a_mistake_put_right_costs_nothing(values: np.ndarray, data: st.DataObject) -> None:
    wrong = np.argwhere(values == 0)
    if not len(wrong):
        return
    row, column = wrong[data.draw(st.integers(0, len(wrong) - 1))]
    before = rankllm(ResponseMatrix.from_array(values))
    values = values.copy()
    values[row, column] = 1
    after = rankllm(ResponseMatrix.from_array(values))
    if before.in_fit[row] and after.in_fit[row]:  # otherwise another set of items is in the fit
        assert after.competency[column] >= before.competency[column] - 1e-12


@given(st.one_of(BINARY, GRADED), st.randoms(use_true_random=False))
def test_order_does_not_matter(values: np.ndarray, random) -> None:
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    found = rankllm(ResponseMatrix.from_array(values))
    moved = rankllm(ResponseMatrix.from_array(values[rows][:, columns]))
    np.testing.assert_allclose(moved.competency, found.competency[columns], atol=1e-12)
    np.testing.assert_allclose(moved.difficulty, found.difficulty[rows], atol=1e-12)


def test_a_sweep_contracts_by_alpha_squared() -> None:
    """From any start the distance to the fixed point shrinks by alpha squared at least, in L1."""
    matrix, _, _ = simulated(60, 8)
    limit = rankllm(matrix, tol=1e-14).competency
    start = np.eye(8)[3]
    before = abs(start - limit).sum()
    for sweeps in range(1, 6):
        after = abs(rankllm(matrix, max_sweeps=sweeps, engine="sweeps", start=start).competency - limit).sum()
        assert after <= 0.85**2 * before + 1e-15
        before = after


def test_copies_and_weights_are_the_same() -> None:
    matrix, _, _ = simulated(50, 6)
    copied = ResponseMatrix.from_array(np.hstack([matrix.values, matrix.values[:, [2, 2]]]))
    weights = np.array([1, 1, 3, 1, 1, 1.0])
    for engine in ENGINES:
        weighted = rankllm(matrix, model_weights=weights, engine=engine, tol=1e-13)
        np.testing.assert_allclose(weighted.competency, rankllm(copied).competency[:6], atol=1e-10)
        np.testing.assert_allclose(weighted.difficulty, rankllm(copied).difficulty, atol=1e-10)
    twice = ResponseMatrix.from_array(np.vstack([matrix.values, matrix.values]))
    np.testing.assert_allclose(rankllm(twice).competency, rankllm(matrix).competency)
    np.testing.assert_allclose(rankllm(twice).difficulty[:50], rankllm(matrix).difficulty / 2)
    np.testing.assert_allclose(rankllm(matrix, item_weights=np.full(50, 2.0)).competency, rankllm(matrix).competency)


def test_statistics_of_parts_add_up_and_come_apart() -> None:
    """Adding and removing items is exact, at the cost of those items."""
    matrix, _, _ = simulated(300, 9)
    first, rest = matrix.select(items=range(200)), matrix.select(items=range(200, 300))
    u = np.ones(9)

    def statistics(part: ResponseMatrix) -> Statistics:
        return sum_statistics(part.blocks(), u, np.ones(part.shape[0]))

    whole = rankllm(matrix).competency
    np.testing.assert_allclose((statistics(first) + statistics(rest)).competency(0.85, u), whole, atol=1e-13)
    removed = statistics(matrix) - statistics(rest)
    np.testing.assert_allclose(removed.competency(0.85, u), rankllm(first).competency, atol=1e-12)


def test_a_start_nearby_saves_sweeps_and_ends_the_same() -> None:
    matrix, _, _ = simulated(400, 150)
    cold = rankllm(matrix, engine="sweeps")
    fewer = matrix.select(models=range(149))
    start = np.append(rankllm(fewer).competency, 1 / 150)
    warm = rankllm(matrix, engine="sweeps", start=start)
    assert warm.sweeps < cold.sweeps
    np.testing.assert_allclose(warm.competency, cold.competency, atol=1e-9)


def test_alpha_near_zero_is_uniform() -> None:
    matrix, _, _ = simulated(30, 5)
    np.testing.assert_allclose(rankllm(matrix, alpha=1e-9).competency, 0.2, atol=1e-8)


def test_extreme_items_are_out_of_the_fit_but_not_lost() -> None:
    values = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan] * 3])
    found = rankllm(ResponseMatrix.from_array(values))
    assert found.in_fit.tolist() == [False, False, True, True, False]
    assert found.difficulty[0] == found.difficulty[:4].min() == pytest.approx(0.15 / 2)
    assert found.difficulty[1] == found.difficulty[:4].max()
    assert np.isnan(found.difficulty[4])
    np.testing.assert_allclose(found.competency, rankllm(ResponseMatrix.from_array(values[2:4])).competency)


@pytest.mark.parametrize("values", [[[1.0]], [[0.0]], [[1, 1], [1, 1]], [[0, 0]], [[np.nan, 1]]])
def test_where_nothing_tells_models_apart_they_are_alike(values: list[list[float]]) -> None:
    for engine in ENGINES:
        found = rankllm(ResponseMatrix.from_array(values), engine=engine)
        np.testing.assert_allclose(found.competency, 1 / len(values[0]))


def test_a_missing_answer_is_not_a_wrong_one() -> None:
    values = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 1, 0.0]])
    gap = values.copy()
    gap[3, 0] = np.nan
    missing, wrong = (rankllm(ResponseMatrix.from_array(v)) for v in (gap, values))
    assert missing.difficulty[3] < wrong.difficulty[3]


def test_a_perfect_model_passes_its_score_on() -> None:
    """It has no failures to send competency along; the mass must not vanish."""
    values = np.array([[1, 0, 1], [1, 1, 0], [1, 0, 0]])
    for engine in ENGINES:
        found = rankllm(ResponseMatrix.from_array(values), engine=engine)
        assert found.competency.sum() == pytest.approx(1)
        assert found.competency.argmax() == 0


def test_too_few_sweeps_are_told() -> None:
    matrix, _, _ = simulated(30, 5)
    assert not rankllm(matrix, engine="sweeps", max_sweeps=2).converged
    assert rankllm(matrix, engine="sweeps").converged


@pytest.mark.parametrize(
    "options", [{"alpha": 0}, {"alpha": 1}, {"tol": 0}, {"model_weights": np.ones(3)}, {"item_weights": np.zeros(30)}]
)
def test_bad_options(options: dict) -> None:
    matrix, _, _ = simulated(30, 5)
    with pytest.raises(BadInput):
        rankllm(matrix, **options)


def test_removing_half_of_the_models_keeps_the_order() -> None:
    """The figures of the spec: items .946, models .986."""
    from edgewise.ranking import Options, stability

    kept = stability(real("mmlu_pro"), "rankllm", Options(), np.random.default_rng(0), remove=15, draws=20)
    assert kept.items[0] > 0.93
    assert kept.models[0] > 0.98
