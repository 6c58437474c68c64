"""Tiny runs under watch, and TRL's trainer with the callback."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput

pytest.importorskip("torch")
from edgewise.loopholes.monitor.logged import read_rows, replay
from edgewise.loopholes.monitor.monitor import Check, Monitor, MonitorConfig
from edgewise.loopholes.monitor.rows import Row
from edgewise.loopholes.monitor.trl_monitor import TrlWatch, environment_grader, function_grader
from edgewise.loopholes.monitor.watched import watched
from edgewise.loopholes.tokens.games import token_game
from edgewise.loopholes.tokens.policy import Policy
from edgewise.loopholes.tokens.training import (
    RewardConfig,
    StartConfig,
    TrainConfig,
    Training,
    evaluate,
    make_start,
)
from support.tiny_model import tiny_model

SEEDS = [0, 1]
GAME = token_game("self_grading")
needs_trl = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("transformers", "trl", "datasets")), reason="`train` is not installed"
)


@pytest.fixture(scope="module")
def start() -> Policy:
    return make_start([GAME], SEEDS, StartConfig(steps=80))


def training(start: Policy, steps: int, **reward: Any) -> Training:
    return Training(GAME, start, SEEDS, TrainConfig(steps=steps, reward=RewardConfig(**reward)))


@pytest.mark.parametrize("source", ["heldout", "training"])
def test_an_exploit_stops_the_run_and_the_parts_explain_it(start: Policy, source: Any) -> None:
    rows: list[Row] = []
    checks: list[tuple[int, Check]] = []
    run = training(start, 60)
    done = watched(run, every=2, source=source, record=rows.append, tell=lambda i, check: checks.append((i, check)))
    assert all(step is not None for step in done.alarms) and run.step < 60
    for monitor in done.monitors:
        assert monitor.alarm is not None
        # Unaudited claims are what pays; audited ones pay less and less.
        assert monitor.alarm.explained[0] == "unaudited" and "audited" not in monitor.alarm.explained
    assert (len(checks), checks[0][1].length is None) == (len(rows) - 2, source == "training")
    # What was logged gives the same alarms when it is watched afterwards.
    assert [w.monitor.alarm and w.monitor.alarm.step for w in replay(rows)] == done.alarms


def test_a_stopped_policy_is_that_of_its_alarm(start: Policy) -> None:
    done = watched(training(start, 60), every=1)
    for i, step in enumerate(done.alarms):
        again = training(start, 60)
        while again.step < (step or 0):
            again.advance()
        for name, w in again.policy.weights.items():
            np.testing.assert_allclose(done.policy.weights[name][i].numpy(), w.detach()[i].numpy(), atol=1e-5)


def test_switching_to_the_trusted_reward_ends_the_exploit(start: Policy) -> None:
    kept, switched = training(start, 80), training(start, 80)
    warned = watched(kept, every=2, on_alarm="warn")
    saved = watched(switched, every=2, on_alarm="switch")
    assert warned.alarms == saved.alarms and None not in saved.alarms
    left = [g.exploit.mean() for g in evaluate(warned.policy, GAME, SEEDS)]
    right = [g.exploit.mean() for g in evaluate(saved.policy, GAME, SEEDS)]
    assert min(left) > 0.7 and max(right) < 0.3
    with pytest.raises(BadInput, match="from the beginning"):
        watched(kept)


def test_no_alarm_where_the_reward_teaches_nothing(start: Policy) -> None:
    assert watched(training(start, 30, trusted_share=0.95), every=3).alarms == [None, None]


def told(text: str) -> Any:
    return [{"role": "user", "content": text}]


def letters(prompts: Any, completions: Any, **columns: Any) -> list[float]:
    """Pays for vowels."""
    return [float(sum(c in "aeiou" for c in message[-1]["content"])) for message in completions]


def short(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
    """The trusted one pays for short answers, and sometimes cannot tell."""
    return [None if message[-1]["content"] == "?" else 10.0 - len(message[-1]["content"]) for message in completions]


def raises(prompts: Any, completions: Any, **columns: Any) -> list[float]:
    raise RuntimeError


def test_functions_as_graders() -> None:
    said = [told("aeb"), told("x"), told("?")]
    grades = function_grader([letters, letters], short, weights=[1, 2], exploit=letters)(said, said)
    assert grades.proxy.tolist() == [6, 0, 0]
    assert grades.trusted[:2].tolist() == [7, 9] and np.isnan(grades.trusted[2])
    assert {name: values.tolist() for name, values in grades.parts.items()} == {
        "letters_0": [2, 0, 0],
        "letters_1": [4, 0, 0],
    }
    cheap = function_grader([letters], raises)
    assert np.isnan(cheap(said, said).trusted).all()
    assert cheap(said, said, only_proxy=True).proxy.tolist() == [2, 0, 0]
    with pytest.raises(BadInput):
        function_grader([letters], short, weights=[1, 2])


def trained(watch: TrlWatch, folder: Path, steps: int, *, reward: Any = None, resume: Any = None) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = tiny_model(0)
    args = GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=16, num_generations=4, max_completion_length=8,
        learning_rate=1e-3, lr_scheduler_type="constant", max_steps=steps, report_to=[], disable_tqdm=True,
        save_steps=2, use_cpu=True, logging_steps=1,
    )  # fmt: skip
    rows = Dataset.from_list([{"prompt": told(f"word {i}")} for i in range(400)])
    trainer = GRPOTrainer(
        model, reward_funcs=[reward or watch.reward], args=args, train_dataset=rows, processing_class=tokenizer,
        callbacks=[watch.callback()],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume)
    return trainer


HELD_OUT = [{"prompt": told(f"held {i}")} for i in range(40)]


def growing(step: list[int]) -> Any:
    """A proxy that parts from the trusted reward from the moment on that ``step`` says so."""

    def proxy(prompts: Any, completions: Any, **columns: Any) -> list[float]:
        return [10.0 - len(m[-1]["content"]) + (20.0 if step else 0.0) for m in completions]

    return proxy


@needs_trl
@pytest.mark.parametrize("heldout", [True, False])
def test_trl_stops_at_an_alarm(tmp_path: Path, heldout: bool) -> None:
    exploited: list[int] = []
    seen: list[Check] = []

    def tell(check: Check) -> None:
        seen.append(check)
        if check.step >= 4:
            exploited.append(1)

    watch = TrlWatch(
        Monitor(), function_grader([growing(exploited)], short), heldout=HELD_OUT if heldout else None, every=2,
        baseline=32 if heldout else 16, prompts=16, answer_tokens=8, log=tmp_path / "log.jsonl", tell=tell,
    )  # fmt: skip
    trainer = trained(watch, tmp_path / "out", 40)
    alarm = watch.monitor.alarm
    assert alarm is not None and trainer.state.global_step < 30
    assert alarm.explained == ("proxy",)
    logged = [row for row in trainer.state.log_history if "monitor/evidence" in row]
    assert logged and logged[-1]["monitor/evidence"] > 0
    (again,) = replay(read_rows(tmp_path / "log.jsonl"))
    assert again.monitor.alarm is not None and again.monitor.alarm.step == alarm.step
    assert seen[0].evidence == pytest.approx(again.monitor.checks[0].evidence, abs=1e-3)


@needs_trl
def test_trl_switches_its_reward_and_a_resumed_run_knows_what_was_seen(tmp_path: Path) -> None:
    def made() -> TrlWatch:
        return TrlWatch(
            Monitor(), function_grader([growing(exploited)], short), heldout=HELD_OUT, every=1, baseline=40,
            prompts=32, answer_tokens=8, on_alarm="switch", log=tmp_path / "log.jsonl",
        )  # fmt: skip

    exploited: list[int] = []
    first = made()
    trained(first, tmp_path / "out", 2)
    exploited.append(1)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 2, "pro')  # killed while writing
    second = made()
    trained(second, tmp_path / "out", 6, resume=True)
    assert second.switched and second.monitor.alarm is not None
    assert [check.step for check in second.monitor.checks][:2] == [1, 2]
    assert second.monitor.checks[0].evidence == pytest.approx(first.monitor.checks[0].evidence, abs=1e-3)
    said = [told("abc")]
    assert second.reward(prompts=said, completions=said) == [7.0]
    blind = TrlWatch(Monitor(), function_grader([letters], short), heldout=HELD_OUT, baseline=40)
    with pytest.raises(BadInput, match="knows nothing"):
        trained(blind, tmp_path / "out", 8, resume=True)


@needs_trl
def test_what_cannot_be_watched(tmp_path: Path) -> None:
    grader = function_grader([letters], short)
    with pytest.raises(BadInput, match="are needed"):
        TrlWatch(Monitor(), grader, heldout=HELD_OUT, baseline=64)
    watch = TrlWatch(Monitor(MonitorConfig()), grader, heldout=HELD_OUT, baseline=32, prompts=8, on_alarm="switch",
                     answer_tokens=4)  # fmt: skip
    with pytest.raises(BadInput, match="cannot be switched"):
        trained(watch, tmp_path, 2, reward=letters)


def test_an_environment_grades() -> None:
    from edgewise.loopholes.adapters.trl import COLUMN, to_column
    from edgewise.loopholes.text.games import text_game

    game = text_game("tampering")
    rng = np.random.default_rng(0)
    tasks = game.sample(rng, 3)
    grader = environment_grader(game)
    prompts = [told(task.prompt) for task in tasks]
    grades = grader(prompts, [told("nothing")] * 3, **{COLUMN: [to_column(task) for task in tasks]})
    assert grades.proxy.shape == (3,) and np.isfinite(grades.trusted).all() and "tests" in grades.parts
    assert np.isnan(grader(prompts, [told("nothing")] * 3).proxy).all()
