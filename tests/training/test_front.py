"""The front's figures by hand and by simulation: means, dominance, hypervolume with its interval, tolerances swept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.training.pairs import Pair

pytest.importorskip("trl")


def pairs(records: int) -> list[Pair]:
    return [
        Pair(({"role": "user", "content": "?"},), "a", "b", ("x", "y")[i % 2], f"r{i // 2}") for i in range(2 * records)
    ]


def test_means_front_and_hypervolume_by_hand() -> None:
    from edgewise.training.front import summarise

    rows = {"0.3": [0.2, 0.6], "0.5": [0.5, 0.3], "0.6": [0.5, 0.65]}
    losses = {name: np.tile(values, 40) for name, values in rows.items()}
    found = summarise(pairs(40), losses, rng=np.random.default_rng(0))
    assert [p["on_front"] for p in found["points"].values()] == [True, True, False]
    assert [p["on_front_share"] for p in found["points"].values()] == [1, 1, 0]
    assert found["points"]["0.3"]["losses"]["y"]["value"] == pytest.approx(0.6)
    a, b, c, d = np.log(2) - np.array([0.2, 0.6, 0.5, 0.3])
    volume = found["hypervolume"]
    assert [volume[k] for k in ("low", "value", "high")] == pytest.approx([a * b + c * d - c * b] * 3)
    assert volume["n"] == 40 and found["reference"] == {"x": np.log(2), "y": np.log(2)} and not found["notes"]


def test_the_interval_covers_the_hypervolume_of_the_law() -> None:
    """One run, two dimensions, independent losses: the true volume is the product of the lengths below log 2."""
    from edgewise.training.front import summarise

    rng, hits, truth = np.random.default_rng(1), 0, (np.log(2) - 0.4) * (np.log(2) - 0.5)
    for _ in range(20):
        losses = np.column_stack([rng.gamma(4, 0.1, 60), rng.gamma(5, 0.1, 60)]).ravel()
        volume = summarise(pairs(60), {"a": losses}, rng=rng)["hypervolume"]
        hits += volume["low"] <= truth <= volume["high"]
        assert volume["high"] - volume["low"] < 0.2
    assert hits >= 15  # 20 x 95 %, 1 in 10 000


def test_equal_runs_share_the_front_and_few_records_are_told() -> None:
    from edgewise.training.front import summarise

    losses = np.random.default_rng(2).gamma(2, 0.2, 12)
    found = summarise(pairs(6), {"a": losses, "b": losses + 0.5}, rng=np.random.default_rng(0))
    assert found["points"]["a"]["on_front"] and not found["points"]["b"]["on_front"]
    assert "6 held-out records" in found["notes"][0]


def test_each_tolerance_has_its_own_configuration(tmp_path: Path) -> None:
    from edgewise.training.front import FrontConfig, front
    from edgewise.training.job import AlignConfig

    align = AlignConfig(model="m", data="d", out="o", tolerance={"x": 0.6}, slack=0.5)
    swept = FrontConfig(align=align, tolerances=(0.3, 0.45)).points(tmp_path)
    assert [(c.slack, c.tolerance) for c in swept.values()] == [(0.3, {"x": 0.6}), (0.45, {"x": 0.6})]
    assert list(swept) == ["0.3", "0.45"] and len({c.out for c in swept.values()}) == 2
    one = FrontConfig(align=align, tolerances=(0.3, 0.45), dimension="y").points(tmp_path)
    assert [(c.slack, c.tolerance) for c in one.values()] == [(0.5, {"x": 0.6, "y": 0.3}), (0.5, {"x": 0.6, "y": 0.45})]
    with pytest.raises(BadInput, match="no such file"):
        front(FrontConfig(align=align, tolerances=(0.3, 0.45)), tmp_path / "run")


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_section_of_the_report_has_every_run(dimensions: int, tmp_path: Path) -> None:
    from edgewise.core.run import Run
    from edgewise.training.certificate import certify
    from edgewise.training.front import summarise
    from edgewise.training.report import build_front_section

    some = [
        Pair(({"role": "user", "content": "?"},), "a", "b", "xyz"[i % dimensions], f"r{i // dimensions}")
        for i in range(20 * dimensions)
    ]
    losses = {name: np.random.default_rng(k).gamma(2, 0.2, len(some)) for k, name in enumerate(("0.3", "0.5"))}
    summary = {"model": "m", "dimension": None, **summarise(some, losses, rng=np.random.default_rng(0))}
    for name, point in summary["points"].items():
        units = [pair.record for pair in some]
        point["certificates"] = {d: certify(losses[name], units, 0.5) for d in summary["reference"]}
    with Run.create(tmp_path / "run", "front", {}, seed=0) as run:
        run.events.append("summary", summary)
        section = build_front_section(run)
    table = next(block for block in section.blocks if block.kind == "table")
    figure = next(block for block in section.blocks if block.kind == "figure")
    assert [row[0] for row in table.rows] == ["0.3", "0.5"] and len(table.columns) == 3 + dimensions
    assert len(figure.data) == (1 if dimensions == 2 else 2) and "tolerance 0.5" in figure.summary
    assert "Hypervolume below log 2 nats" in section.lead
