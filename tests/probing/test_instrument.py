"""The probing instrument, beyond what every instrument must do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edgewise.checkup import CheckupConfig, check_up, plan_checkup, resume_checkup
from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.core.profile import Verdict
from edgewise.core.run import Run
from edgewise.models import Limits
from edgewise.probing import PlantedModel, Probing, ProbingConfig, Rule
from edgewise.probing.instrument import BROAD, CLAIM, FLAKY
from edgewise.probing.pack import read_pack, write_pack
from edgewise.report.html import write_report
from support.kit import examine


def outcome(rules: list[Rule], noise: float, folder: Path, seed: int) -> Any:
    return examine(Probing(), PlantedModel(rules, noise=noise, seed=seed), ProbingConfig(), folder, seed)


def test_a_known_defect_is_seen_and_carelessness_is_none(tmp_path: Path) -> None:
    """Over seeds: a defect of one family nearly always, a mode of noise hardly ever."""
    seen = false = 0
    for seed in range(12):
        panel = outcome([Rule(when=("group=chain_sum",))], 0.0, tmp_path / f"a{seed}", seed)
        seen += panel.verdicts[CLAIM] is Verdict.FAIL
        false += outcome([], 0.1, tmp_path / f"b{seed}", seed).verdicts[CLAIM] is Verdict.FAIL
    assert seen >= 10 and false <= 2, (seen, false)


def test_a_flawless_model_passes_and_says_why_nothing_is_flaky(tmp_path: Path) -> None:
    panel = outcome([], 0.0, tmp_path / "run", 1)
    assert panel.verdicts[CLAIM] is Verdict.PASS and panel.measured[BROAD].value == 0
    assert "no answer was wrong" in panel.dimensions[FLAKY].reason


def test_noise_is_flaky_and_a_defect_is_not(tmp_path: Path) -> None:
    noisy = outcome([], 0.4, tmp_path / "a", 2).dimensions[FLAKY]
    steady = outcome([Rule(when=("difficulty=hard",))], 0.0, tmp_path / "b", 2).dimensions[FLAKY]
    assert isinstance(noisy, Estimate) and isinstance(steady, Estimate)
    assert steady.value == 0 and noisy.low > 0.1


@pytest.fixture
def bot(tmp_path: Path) -> str:
    (tmp_path / "bot.py").write_text(
        "def f(messages, settings, sample):\n    return f'Answer: {len(messages[-1].text) % 7}'\n"
        "def mute(messages, settings, sample):\n    return ''\n"
        "def same(messages, settings, sample):\n    return 'I would rather not.'\n"
    )
    return f"scripted:{tmp_path / 'bot.py'}:f"


def test_cut_short_it_goes_on_to_the_same_bytes(bot: str, tmp_path: Path) -> None:
    def config(calls: int | None) -> CheckupConfig:
        options = {"probing": {"budget": 40}}
        return CheckupConfig(model=bot, instruments=("probing",), options=options, limits=Limits(calls=calls))

    whole = asyncio.run(check_up(config(None), tmp_path / "whole", seed=5))
    cut = asyncio.run(check_up(config(13), tmp_path / "cut", seed=5))
    assert cut.status == "incomplete" and cut.ledger.usage.attempts == 13
    done = asyncio.run(resume_checkup(tmp_path / "cut", limits=Limits(calls=40)))
    assert done.status == "complete" and done.ledger.usage.attempts == whole.ledger.usage.attempts <= 40
    for name in ("profile.json", "tables/nodes.parquet", "tables/modes.parquet"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    page = write_report(Run.open(tmp_path / "cut")).read_text()
    assert "Details cannot be shown" not in page and "search tree" in page


def test_answers_without_an_answer_are_no_failures(bot: str, tmp_path: Path) -> None:
    config = CheckupConfig(
        model=bot.replace(":f", ":mute"), instruments=("probing",), options={"probing": {"budget": 12}}
    )
    panel = asyncio.run(check_up(config, tmp_path / "run")).profile.panels["probing"]
    assert not panel.measured and panel.verdicts[CLAIM] is Verdict.NOT_MEASURED
    assert "Details cannot be shown" not in write_report(Run.open(tmp_path / "run")).read_text()


def test_its_modes_can_be_packed(tmp_path: Path) -> None:
    defective = PlantedModel([Rule(when=("group=chain_sum",))])
    with Run.create(tmp_path / "run", "checkup", {}, seed=1) as run:
        panel = asyncio.run(Probing().run(defective, ProbingConfig(), run))
    assert panel.verdicts[CLAIM] is Verdict.FAIL
    pack = write_pack(Run.open(tmp_path / "run"), tmp_path / "pack.jsonl")
    assert pack.modes and read_pack(tmp_path / "pack.jsonl") == pack


def test_a_checkup_that_did_not_probe_has_nothing_to_pack(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", "checkup", {}, seed=1).close()
    with pytest.raises(BadInput, match="this checkup run holds no search"):
        write_pack(Run.open(tmp_path / "run"), tmp_path / "pack.jsonl")


def test_a_dozen_failures_that_have_nothing_in_common_are_no_mode(bot: str, tmp_path: Path) -> None:
    config = CheckupConfig(
        model=bot.replace(":f", ":same"), instruments=("probing",), options={"probing": {"budget": 12}}
    )
    panel = asyncio.run(check_up(config, tmp_path / "run")).profile.panels["probing"]
    broad = panel.dimensions[BROAD]
    assert isinstance(broad, Estimate) and broad.value == 1 and panel.verdicts[CLAIM] is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("setting", [{"policy": "nosuch"}, {"families": ["nosuch"]}, {"budget": 0}])
def test_wrong_settings_are_named(bot: str, setting: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"nosuch|budget"):
        plan_checkup(CheckupConfig(model=bot, options={"probing": setting}))
