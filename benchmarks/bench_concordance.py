"""Do difficulties agree with what people say is hard? Every method on every labelled set; and how robust orders are.

Needs the response sets of ``shared/data/responses`` beside the project.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _table import write_table
from scipy.stats import kendalltau

from edgewise.ranking import METHODS, Options, ResponseMatrix, stability
from edgewise.ranking.methods import fit

DATA = Path(__file__).parents[2] / "shared" / "data" / "responses"
LABELS = {
    "mmlu_pro": "school_level",
    "terminal_bench2_any": "difficulty_rank",
    "terminal_bench2_frac": "difficulty_rank",
    "livecodebench_codegen_2024_02": "difficulty_rank",
    "livecodebench_execution": "difficulty_rank",
}
REPLICATES = 1000


def read(name: str) -> ResponseMatrix:
    table = pq.read_table(DATA / f"{name}.responses.parquet")
    models = [column for column in table.column_names if column != "item_id"]
    values = np.array([table[m].to_numpy().astype(np.float64) for m in models]).T
    return ResponseMatrix.from_array(values, items=table["item_id"].to_pylist(), models=models)


def read_labels(name: str) -> np.ndarray:
    column = pq.read_table(DATA / f"{name}.items.parquet")[LABELS[name]].to_pylist()
    return np.array([np.nan if value is None else float(value) for value in column])


def concordance(difficulty: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Share of pairs with different labels that are in the labels' order, ties half; weights: (replicates, items)."""
    agree, pairs = np.zeros(len(weight)), np.zeros(len(weight))
    place = np.unique(np.round(difficulty, 10), return_inverse=True)[1]
    levels = np.unique(label)
    counts = {level: _by_place(weight, place, label == level) for level in levels}
    for i, low in enumerate(levels):
        below = np.cumsum(counts[low], axis=1) - 0.5 * counts[low]
        for high in levels[i + 1 :]:
            agree += (below * counts[high]).sum(1)
            pairs += counts[low].sum(1) * counts[high].sum(1)
    return agree / pairs


def _by_place(weight: np.ndarray, place: np.ndarray, here: np.ndarray) -> np.ndarray:
    size = int(place.max()) + 1
    return np.array([np.bincount(place[here], row[here], size) for row in weight])


def main() -> None:
    rows, margins = [], []
    for name in LABELS:
        matrix, label = read(name), read_labels(name)
        known = np.flatnonzero(~np.isnan(label))
        rng = np.random.default_rng(0)
        draws = np.array(
            [np.bincount(rng.integers(len(known), size=len(known)), minlength=len(known)) for _ in range(REPLICATES)]
        )
        weight = np.vstack([np.ones(len(known)), draws])
        found = {m: concordance(fit(matrix, m).difficulty[known], label[known], weight) for m in METHODS}
        for method, values in found.items():
            gap = found["edgewise"] - values
            low, high = np.quantile(values[1:], [0.025, 0.975])
            gap_low, gap_high = np.quantile(gap[1:], [0.025, 0.975])
            rows.append(
                (
                    name,
                    len(known),
                    method,
                    f"{values[0]:.3f} [{low:.3f}, {high:.3f}]",
                    f"{gap[0]:+.3f} [{gap_low:+.3f}, {gap_high:+.3f}]",
                )
            )
        rival = max((m for m in METHODS if m != "edgewise"), key=lambda m: found[m][0])
        margins.append(
            (name, rival, found["edgewise"][0] - found[rival][0], found["edgewise"][0] - found["rankllm"][0])
        )
    best = sum(margin >= -1e-9 for _, _, margin, _ in margins)
    above = sum(margin > 1e-9 for *_, margin in margins)
    notes = f"""
Concordance: pairs of items with different labels, ordered as the labels are, ties counting half. Intervals by
{REPLICATES} resamples of the labelled items. `edgewise` is at or above the best rival on {best} of {len(margins)} sets
and above RankLLM on {above}. The labels of livecodebench_execution are those of the parent problem, which most methods
contradict.
"""
    columns = ("set", "labelled items", "method", "concordance", "edgewise less this")
    write_table("ranking_concordance", "Difficulty against human labels", columns, rows, notes)
    write_table(
        "ranking_robustness", "How little an order moves", ("job", "method", "measured", "target"), robustness(), ""
    )


def robustness() -> list[tuple[str, ...]]:
    mmlu, alpaca = read("mmlu_pro"), read("alpaca_eval2_pref")
    best = int(np.nanmean(mmlu.dense(), 0).argmax())
    cloned = ResponseMatrix.from_array(np.hstack([mmlu.values, mmlu.values[:, [best] * 20]]))
    others = np.array([j for j in range(mmlu.shape[1]) if j != best])
    honest = np.array([j for j, name in enumerate(alpaca.models) if name != "NullModel"])
    rows = []
    for method in ("edgewise", "rankllm", "accuracy"):
        kept = stability(mmlu, method, Options(), np.random.default_rng(0), remove=15, draws=100)
        for what, (middle, low, high), target in (("items", kept.items, "0.946"), ("models", kept.models, "0.986")):
            rows.append(
                (f"mmlu_pro less 15 of 29 models: {what}, rho", method, f"{middle:.3f} [{low:.3f}, {high:.3f}]", target)
            )
        tau = kendalltau(fit(mmlu, method).score[others], fit(cloned, method).score[others]).statistic
        rows.append(("mmlu_pro with 20 clones of the best: others, tau", method, f"{tau:.3f}", "0.97"))
        tau = kendalltau(fit(alpaca, method).score[honest], fit(alpaca.select(models=honest), method).score).statistic
        rows.append(("alpaca_eval2_pref without NullModel: others, tau", method, f"{tau:.3f}", "0.995"))
    return rows


if __name__ == "__main__":
    main()
