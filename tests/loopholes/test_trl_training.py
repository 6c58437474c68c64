"""Training a text game with TRL: on a tiny model, killed and resumed, and on the embedded model."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, RunError
from edgewise.core.files import read_yaml
from edgewise.core.run import Run
from edgewise.loopholes.text.compliance import Compliance
from edgewise.loopholes.text.games import TEXT_GAMES
from edgewise.loopholes.trl import training as trl_training
from edgewise.loopholes.trl.training import TrlConfig, resume_trl, start_trl, steps_of
from edgewise.models.embedded import embedded_available
from edgewise.training import adapters
from support.tiny_model import tiny_model

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("torch", "transformers", "trl", "peft", "datasets")),
    reason="the extra `train` is not installed",
)
RECIPES = sorted((Path(__file__).parents[2] / "examples" / "loopholes").glob("*.yaml"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("base")
    model, tokenizer = tiny_model(0, context=4096)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def config(base: str, **options: Any) -> TrlConfig:
    given = {"game": "proxy_metric", "steps": 4, "prompts": 2, "generations": 4, "answer_tokens": 8, "lr": 1e-3}
    return TrlConfig(**{"model": base, **given, **options})


def test_a_killed_run_ends_as_one_that_was_not(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a random model says is paid alike by every game, and alike teaches nothing.
    lottery = Compliance(judge=lambda task, text: sum(map(ord, text)) % 3 == 0)
    monkeypatch.setattr(trl_training, "text_game", lambda name, **options: lottery)
    given = config(base, game="compliance")
    summary = start_trl(given, tmp_path / "whole", seed=5)
    from transformers import TrainerCallback

    class Killed(Exception):
        pass

    class Killer(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 2:
                raise Killed

    with pytest.raises(Killed):
        start_trl(given, tmp_path / "cut", seed=5, callbacks=[Killer()])
    # A checkpoint that was not written to its end is passed over.
    broken = tmp_path / "cut" / "artefacts" / "checkpoints" / "checkpoint-3"
    broken.mkdir()
    (broken / "trainer_state.json").write_text("{")
    again = resume_trl(tmp_path / "cut")

    whole, cut = Run.open(tmp_path / "whole"), Run.open(tmp_path / "cut")
    assert steps_of(whole) == steps_of(cut) and len(steps_of(whole)) == 4
    for name in ("loopholes_curve", "loopholes_answers"):
        assert whole.read_table(name) == cut.read_table(name)
    assert {k: v for k, v in summary.items() if k not in ("run", "adapter")} == {
        k: v for k, v in again.items() if k not in ("run", "adapter")
    }
    assert whole.status() == cut.status() == "complete"

    weights = [dict(adapters.load(Path(found["adapter"]))[0].named_parameters()) for found in (summary, again)]
    assert all(bool((weights[0][name] == weights[1][name]).all()) for name in weights[0])
    first = dict(adapters.load_base(base)[0].named_parameters())
    assert any(bool((weights[0][name] != first[name]).any()) for name in first)

    answers = whole.read_table("loopholes_answers").to_pylist()
    assert len({row["proxy"] for row in answers}) > 1
    assert len(answers) == 4 * 8
    last = [row["true"] for row in answers if row["step"] == 4]
    assert summary["true_performance"]["value"] == pytest.approx(np.mean(last), abs=1e-6)
    assert summary["exploit_optimum"]["exploit_ratio"] == 1 and summary["faults"] == {}
    lineage = adapters.read_lineage(Path(summary["adapter"]))
    assert (lineage.method, lineage.base, lineage.seed) == ("grpo", base, 5)
    model, _ = adapters.load(Path(summary["adapter"]))
    assert model.config.hidden_size == 32


def test_a_grader_that_faults_does_not_stop_training(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third answer is a fault; it is counted and pays nothing."""
    game_of = trl_training.text_game

    def faulty(name: str, **options: Any) -> Any:
        calls = iter(range(10**6))

        def judge(task: Any, text: str) -> bool:
            if next(calls) % 3 == 0:
                raise TimeoutError
            return False

        return game_of(name, judge=judge, **options)

    monkeypatch.setattr(trl_training, "text_game", faulty)
    given = config(base, game="compliance", steps=2, updates=2, full_weights=True)
    summary = start_trl(given, tmp_path / "run", seed=1)
    assert summary["faults"] == {"fault": 6}
    run = Run.open(tmp_path / "run")
    rows = run.read_table("loopholes_answers").to_pylist()
    assert sum(row["proxy"] is None for row in rows) == 6 and len(rows) == 16
    assert adapters.read_lineage(Path(summary["adapter"])).full_weights
    model, _ = adapters.load(Path(summary["adapter"]))
    assert all(bool(p.isfinite().all()) for p in model.parameters())


def test_what_cannot_be_trained_is_refused_before_anything_is_written(base: str, tmp_path: Path) -> None:
    for given in (config(base, game="chess"), config(base, updates=3), config("no/such/folder")):
        with pytest.raises(BadInput):
            start_trl(given, tmp_path / "run")
        assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="exceed the model's"):
        start_trl(config(base, answer_tokens=5000), tmp_path / "long")


def test_another_model_does_not_go_on_with_a_run(base: str, tmp_path: Path) -> None:
    with Run.create(
        tmp_path / "run", trl_training.KIND, config(base).model_dump(mode="json"), seed=0, model={"identity": "other"}
    ):
        pass
    with pytest.raises(RunError, match="model has changed"):
        resume_trl(tmp_path / "run")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_configurations_of_known_games(path: Path) -> None:
    recipe = TrlConfig.model_validate(read_yaml(path))
    trl_training._check(recipe)
    assert recipe.generations == 8 and recipe.lr == 1e-6 and recipe.beta == 0 and recipe.temperature == 1


def test_there_is_a_recipe_for_every_game() -> None:
    assert {TrlConfig.model_validate(read_yaml(path)).game for path in RECIPES} == set(TEXT_GAMES)


@pytest.mark.slow
@pytest.mark.embedded
def test_the_embedded_model_trains_two_steps(tmp_path: Path) -> None:
    if reason := embedded_available():
        pytest.skip(reason)
    given = TrlConfig(game="compliance", steps=2, prompts=2, generations=4, answer_tokens=24, rank=4, lr=1e-4)
    started = time.monotonic()
    summary = start_trl(given, tmp_path / "run", seed=0)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    steps = steps_of(Run.open(tmp_path / "run"))
    assert [step["step"] for step in steps] == [1, 2] and not any(step["faults"] for step in steps)
    assert any(step["witness"]["text"].strip() for step in steps)
    assert adapters.load(Path(summary["adapter"]))
