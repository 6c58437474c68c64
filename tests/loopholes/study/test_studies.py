"""Studies as runs: the contracts, and a run that was cut goes on to the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.core.run import Run
from edgewise.loopholes.study.job import StudyConfig, resume_study, study
from edgewise.loopholes.study.report import build_section
from edgewise.loopholes.study.workbench import Workbench
from edgewise.loopholes.tokens.games import token_game
from edgewise.loopholes.tokens.learning import GrpoConfig
from edgewise.loopholes.tokens.policy import PolicyShape
from edgewise.loopholes.tokens.training import StartConfig, TrainConfig

SHAPE = PolicyShape(width=16, heads=2)
START = StartConfig(shape=SHAPE, steps=6, batch=16, lr=1e-2)


def config(kind: str, *games: str, steps: int = 30, **options: Any) -> StudyConfig:
    train = TrainConfig(steps=steps, grpo=GrpoConfig(prompts=4, lr=1e-2))
    return StudyConfig.model_validate(
        {"study": kind, "games": games, "seeds": 2, "start": START, "train": train, **options}
    )


def estimate(data: dict[str, Any]) -> bool:
    return data["value"] is None or data["low"] <= data["value"] <= data["high"]


def test_train_keeps_its_contract_and_a_cut_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    done = study(config("train", "self_grading", controls=("secure", "shuffled", "banned")), tmp_path / "a", seed=3)
    found = done.summary
    assert {"game", "seeds", "true_performance", "exploit_ratio", "honest_optimum", "exploit_optimum",
            "emergence_step"} <= set(found)  # fmt: skip
    for key in ("true_performance", "exploit_ratio", "reward", "emergence_step", "emerged"):
        assert estimate(found[key])
    assert found["seeds"] == 2 and found["honest_optimum"]["exploit_ratio"] == 0
    assert set(found["controls"]) == {"secure", "shuffled", "banned"}
    assert found["controls"]["banned"]["exploit_ratio"]["value"] < 0.1 < found["exploit_ratio"]["value"]
    assert found["controls"]["secure"]["game"] == "self_grading-secure"
    curves = Run.open(tmp_path / "a").read_table("curves")
    assert curves.num_rows == 4 * 2 * 30

    # As after a kill: the last two trainings are missing, and nothing is summed up.
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    policies = tmp_path / "b/artefacts/policies"
    (policies / "banned.safetensors").unlink()
    (tmp_path / "b/tables/curves.parquet").unlink()
    (policies / "shuffled.safetensors").unlink()
    again = resume_study(tmp_path / "b")
    assert again.summary | {"run": ""} == found | {"run": ""}
    assert Run.open(tmp_path / "b").read_table("curves").equals(curves)
    section = build_section(Run.open(tmp_path / "b"))
    assert [b.kind for b in section.blocks].count("figure") == 4 and len(found["witnesses"]) == 8


def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    game, train = token_game("compliance"), TrainConfig(steps=40, grpo=GrpoConfig(prompts=4))
    with Run.create(tmp_path / "a", "loopholes", {}, seed=0) as run:
        bench = Workbench(run, 2, START)
        whole = bench.train("train", game, train)
    with Run.create(tmp_path / "b", "loopholes", {}, seed=0) as run:
        cut = Workbench(run, 2, START)
        stopped = cut.train("train", game, train, until=-1.0)  # reached at once: stops early, kept
        assert len(stopped.curves["proxy"]) < 40
        there = Workbench(run, 2, START).train("train", game, train)
    for name in whole.curves:
        assert np.array_equal(whole.curves[name], there.curves[name])


def test_transfer_has_both_matrices(tmp_path: Path) -> None:
    found = study(config("transfer", "compliance", "self_grading", steps=12), tmp_path / "a").summary
    games = ["compliance", "self_grading"]
    assert found["games"] == games and list(found["zero_shot"]) == games
    assert all(estimate(found["zero_shot"][a][b]) for a in games for b in games)
    assert list(found["catalysed"]["compliance"]) == ["self_grading"]
    assert estimate(found["catalysed"]["compliance"]["self_grading"]["ratio"])
    assert len(build_section(Run.open(tmp_path / "a")).blocks) == 3


def test_distillation_and_unlearning(tmp_path: Path) -> None:
    found = study(config("distil", "self_grading", steps=40), tmp_path / "a").summary
    assert set(found["students"]) == {"none", "reward", "outcome", "detector", "another_start"}
    teacher, student = found["teacher"]["exploit_ratio"]["value"], found["students"]["none"]["exploit_ratio"]["value"]
    assert teacher > 0.6 and student > 0.6  # what is handed on through data alone
    assert found["students"]["none"]["kept"] == 1 and found["students"]["reward"]["kept"] < 1
    undone = found["unlearning"]
    for kind in ("learned", "distilled"):
        assert undone[kind]["secure_rewards"]["reached"] == 2 and undone[kind]["relapse"]["reached"] <= 2
        assert undone[kind]["secure_rewards"]["steps"]["value"] < 100
    before = {p.name: p.read_bytes() for p in (tmp_path / "a/artefacts/policies").iterdir()}
    (tmp_path / "a/artefacts/policies/student--none.safetensors").unlink()
    assert resume_study(tmp_path / "a").summary == found
    assert {p.name: p.read_bytes() for p in (tmp_path / "a/artefacts/policies").iterdir()} == before
    assert len(build_section(Run.open(tmp_path / "a")).blocks) == 2


def test_mitigations_are_changes_against_none(tmp_path: Path) -> None:
    found = study(config("mitigate", "self_grading", steps=30), tmp_path / "a").summary
    rows = found["mitigations"]
    assert rows["secure_parser"]["exploit_ratio"]["value"] < 0.2 < found["without"]["exploit_ratio"]["value"]
    for row in rows.values():
        change = row["exploit_ratio"]["value"] - found["without"]["exploit_ratio"]["value"]
        assert row["exploit_change"]["value"] == pytest.approx(change)
    assert rows["secure_parser"]["below_secure"]["value"] == 0
    assert build_section(Run.open(tmp_path / "a")).blocks[0].kind == "figure"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"games": ("chess",)}, "no game 'chess'"),
        ({"games": ("compliance", "tampering")}, "2 games for train"),
        ({"controls": ("prayer",)}, "no control 'prayer'"),
        ({"options": {"audit": 0.5}}, "audit"),
    ],
)
def test_what_cannot_be_studied_leaves_nothing_behind(options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    given = {"games": ("compliance",), **options}
    with pytest.raises(BadInput, match=problem):
        study(config("train", *given.pop("games"), **given), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_damaged_policy_is_named(tmp_path: Path) -> None:
    done = study(config("train", "compliance", steps=2), tmp_path / "a")
    (done.run / "artefacts/policies/train.safetensors").write_bytes(b"not this")
    with pytest.raises(CorruptRecord, match=r"train\.safetensors"):
        resume_study(done.run)
