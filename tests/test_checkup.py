"""The check-up: one instrument's trouble is not another's, budgets end it in order, a replay gives the same profile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from edgewise import checkup
from edgewise.checkup import CheckupConfig, check_up, plan_checkup, resume_checkup
from edgewise.core.errors import BadInput, RunError, Unsupported
from edgewise.core.run import Run
from edgewise.models import Limits

SMALL = {"competence": {"code_items": 0, "families": ["chain_sum", "gcd"]}, "probing": {"budget": 20}}


@pytest.fixture
def bot(tmp_path: Path) -> str:
    script = tmp_path / "bot.py"
    script.write_text("def f(messages, settings, sample):\n    return f'Answer: {len(messages[-1].text) % 7}'\n")
    return f"scripted:{script}:f"


def test_a_checkup_and_its_replay(bot: str, tmp_path: Path) -> None:
    config = CheckupConfig(model=bot, options=SMALL)
    done = asyncio.run(check_up(config, tmp_path / "run", seed=3))
    assert done.status == "complete" and done.ledger.usage.calls > 0 and not done.notes
    assert Run.open(tmp_path / "run").read_profile() == done.profile
    again = CheckupConfig(model=f"replay:{tmp_path / 'run'}", options=SMALL)
    replayed = asyncio.run(check_up(again, tmp_path / "replay", seed=3))
    for name in ("profile.json", *(f"tables/{table}.parquet" for table in ("responses", "items", "nodes", "modes"))):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "replay" / name).read_bytes()
    assert replayed.status == "complete"


def test_a_budget_ends_it_in_order_and_more_budget_completes_it(bot: str, tmp_path: Path) -> None:
    whole = asyncio.run(check_up(CheckupConfig(model=bot, options=SMALL), tmp_path / "whole", seed=3))
    config = CheckupConfig(model=bot, options=SMALL, limits=Limits(calls=4))
    done = asyncio.run(check_up(config, tmp_path / "run", seed=3))
    assert done.status == "incomplete" and "budget" in done.notes[0]
    assert done.ledger.usage.attempts == 4
    assert any("budget" in getattr(m, "reason", "") for m in done.profile.panels["competence"].dimensions.values())
    calls = whole.ledger.usage.calls
    more = asyncio.run(resume_checkup(tmp_path / "run", limits=Limits(calls=calls)))
    assert more.status == "complete" and more.ledger.usage.attempts == calls  # the first four were not paid again
    assert more.profile == whole.profile


def test_a_limit_in_tokens_holds_over_the_whole_run(bot: str, tmp_path: Path) -> None:
    config = CheckupConfig(model=bot, options=SMALL, limits=Limits(tokens=3000))
    for _ in range(3):
        folder = tmp_path / "run"
        job = resume_checkup(folder) if folder.exists() else check_up(config, folder, seed=3)
        usage = asyncio.run(job).ledger.usage  # type: ignore[arg-type]
        assert usage.input_tokens + usage.output_tokens <= 3000


class Broken:
    """A stand-in for an instrument that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(checkup.load_instrument("competence"), name)

    async def run(self, *args: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), Unsupported("no simulator here")])
def test_an_instrument_that_fails_is_not_measured(error: Exception, bot: str, tmp_path: Path) -> None:
    config = CheckupConfig(model=bot, options=SMALL)
    plan = next(plan for plan in plan_checkup(config) if plan.instrument.name == "competence")
    broken = checkup.Plan(Broken(error), plan.config, plan.cost)  # type: ignore[arg-type]
    with Run.create(tmp_path / "run", "checkup", config.model_dump(mode="json"), seed=0) as run:
        subject = checkup._open(config).bind(run)
        profile, notes = asyncio.run(checkup.examine(subject, [broken], run))
        assert not profile.panels["competence"].measured
        assert bool(notes) == (not isinstance(error, Unsupported))
        if notes:
            assert "ZeroDivisionError" in (run.path / "artefacts" / "competence-error.txt").read_text()
        with pytest.raises(RunError):
            full = checkup.Plan(Broken(RunError("the disk is full")), plan.config, plan.cost)  # type: ignore[arg-type]
            asyncio.run(checkup.examine(subject, [full], run))


def test_wrong_settings_are_found_before_anything_is_made(bot: str, tmp_path: Path) -> None:
    for config, complaint in [
        (CheckupConfig(model=bot, options={"competence": {"code_itmes": 1}}), "code_itmes"),
        (CheckupConfig(model=bot, options={"competence": {"families": ["nosuch"]}}), "nosuch"),
        (CheckupConfig(model=bot, options={"nosuch": {}}), "nosuch"),
        (CheckupConfig(model=bot, instruments=("nosuch",)), "nosuch"),
        (CheckupConfig(model="nosuch"), "nosuch"),
        (CheckupConfig(model=bot, limits=Limits(cost=1.0)), "prices"),
    ]:
        with pytest.raises(BadInput, match=complaint):
            asyncio.run(check_up(config, tmp_path / "run"))
        assert not (tmp_path / "run").exists()


def test_resuming_with_another_model_is_refused(bot: str, tmp_path: Path) -> None:
    asyncio.run(check_up(CheckupConfig(model=bot, options=SMALL), tmp_path / "run"))
    Path(bot.split(":")[1]).write_text("def f(*_):\n    return 'another'\n")
    with pytest.raises(RunError, match="do not mix"):
        asyncio.run(resume_checkup(tmp_path / "run"))
    with Run.create(tmp_path / "other", "rank", {}, seed=0):
        pass
    with pytest.raises(RunError, match="not a checkup"):
        asyncio.run(resume_checkup(tmp_path / "other"))
