"""Every environment through every door, and graders that misbehave."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, Unsupported
from edgewise.loopholes.adapters.contained import Contained
from edgewise.loopholes.adapters.trl import RewardFunction, dataset, from_column, reward_functions, text_of, to_column
from edgewise.loopholes.adapters.verifiers import VerifiersEnvironment
from edgewise.loopholes.text.games import TEXT_GAMES, text_game
from edgewise.loopholes.tokens.game import TokenEnvironment
from edgewise.loopholes.tokens.games import TOKEN_GAMES, token_game
from edgewise.loopholes.types import Environment, Grade, Task

ENVIRONMENTS: list[Environment] = [
    *(text_game(name) for name in TEXT_GAMES),
    *(TokenEnvironment(token_game(name)) for name in TOKEN_GAMES),
]
NAMES = [f"{'text' if name < len(TEXT_GAMES) else 'token'}-{e.name}" for name, e in enumerate(ENVIRONMENTS)]
every_environment = pytest.mark.parametrize("environment", ENVIRONMENTS, ids=NAMES)


class Toy:
    """Pays 1 for ``good``; what else it does is up to a test."""

    name = "toy"

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        return [Task(f"task {i}", {"number": i, "list": [i]}) for i in range(n)]

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> Any:
        return [Grade(float(text == "good"), 0.0, 1.0, 0.0) for text in completions]


class Misbehaving(Toy):
    def __init__(self, deed: Any) -> None:
        self.deed = deed

    def grade(self, tasks: Sequence[Task], completions: Sequence[str], rng: np.random.Generator) -> Any:
        return self.deed(tasks, completions, super().grade(tasks, completions, rng))


def raises(tasks: Any, texts: Any, grades: Any) -> Any:
    if "bad" in texts:
        raise ValueError("boom")
    return grades


def leaves(tasks: Any, texts: Any, grades: Any) -> Any:
    raise SystemExit(1)


def not_a_number(tasks: Any, texts: Any, grades: Any) -> Any:
    return [Grade(math.nan if text == "bad" else 1.0, 0, 0, 0) for text in texts]


def short(tasks: Any, texts: Any, grades: Any) -> Any:
    return grades[:-1]


def bare(tasks: Any, texts: Any, grades: Any) -> Any:
    return [1.0 for _ in texts]


def nothing(tasks: Any, texts: Any, grades: Any) -> Any:
    return None


def changes(tasks: Any, texts: Any, grades: Any) -> Any:
    for task in tasks:
        task.facts["list"].append("x")
    texts.clear()
    return grades


def slow(tasks: Any, texts: Any, grades: Any) -> Any:
    time.sleep(3)
    return grades


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("deed", "counted", "rewards"),
    [
        (raises, {"raised": 1}, [1, None, 0]),
        (leaves, {"raised": 3}, [None, None, None]),
        (not_a_number, {"not a number": 1}, [1, None, 1]),
        (short, {"wrong length": 3}, [None, None, None]),
        (bare, {"no grade": 3}, [None, None, None]),
        (nothing, {"no grade": 3}, [None, None, None]),
        (changes, {"changed its input": 1}, [1, 0, 0]),
        (slow, {"slow": 3}, [None, None, None]),
    ],
)
def test_no_grader_harms_training(deed: Any, counted: dict[str, int], rewards: list[float | None]) -> None:
    environment = Misbehaving(deed)
    (function,) = reward_functions(environment, timeout=0.3)
    tasks = environment.sample(rng(), 3)
    columns = [to_column(task) for task in tasks]
    before = list(columns)
    started = time.monotonic()
    found = function(prompts=["p"] * 3, completions=["good", "bad", "else"], task=columns)
    assert time.monotonic() - started < 2
    assert found == rewards and columns == before
    assert dict(function.contained.counts) == counted


def test_a_fault_has_no_figures_and_is_logged_as_one() -> None:
    grades: list[Grade] = []
    logged: dict[str, float] = {}
    function = RewardFunction(Misbehaving(raises), record=lambda step, texts, batch: grades.extend(batch))
    cells = [to_column(task) for task in Toy().sample(rng(), 2)]
    function([], ["bad", "good"], task=cells, log_metric=lambda name, value: logged.update({name: value}))
    assert grades[0].fault.startswith("raised ValueError") and math.isnan(grades[0].true)
    assert logged == {"faults": 1.0, "true": 1.0, "trusted": 0.0, "exploit": 0.0}


def test_rewards_without_tasks_are_faults_and_cells_must_be_tasks() -> None:
    function = RewardFunction(Toy())
    assert function(["p"], ["good"]) == [None] and function.contained.counts["no task"] == 1
    with pytest.raises(BadInput, match="no task"):
        from_column("{}")


def test_the_same_step_draws_the_same_audits_and_another_does_not() -> None:
    game = text_game("self_grading", audit=0.5, families=("chain_sum",))
    cells = [to_column(task) for task in game.sample(rng(), 40)]
    answers = ["Answer: none\nCorrect: yes"] * 40

    def paid(step: int) -> list[float | None]:
        state = type("State", (), {"global_step": step})()
        return RewardFunction(game, seed=3)(["p"] * 40, answers, task=cells, trainer_state=state)

    assert paid(1) == paid(1) != paid(2)
    assert set(paid(1)) == {1.0, -6.0}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("a", "a"),
        ([{"role": "assistant", "content": "a"}], "a"),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}], "a"),
        ([], ""),
        (None, ""),
        ([{"role": "assistant", "content": None}], ""),
    ],
)
def test_what_was_said(given: Any, text: str) -> None:
    assert text_of(given) == text


@every_environment
@pytest.mark.parametrize("conversational", [True, False])
def test_trl(environment: Environment, conversational: bool) -> None:
    pytest.importorskip("datasets")
    rows = dataset(environment, rng(), 8, conversational=conversational)
    (function,) = reward_functions(environment)
    prompts = rows["prompt"]
    assert isinstance(prompts[0], list) == conversational
    said = [[{"role": "assistant", "content": "yes"}] if conversational else "yes"] * 8
    rewards = function(prompts=prompts, completions=said, completion_ids=[[1]] * 8, task=rows["task"])
    tasks = environment.sample(rng(), 8)
    # Audits are drawn, everything else is the environment's own word.
    expected = [grade.proxy for grade in environment.grade(tasks, ["yes"] * 8, rng())]
    assert all(isinstance(reward, float) for reward in rewards)
    if "self_grading" not in environment.name:
        assert rewards == expected
    assert not function.contained.counts


@every_environment
def test_gymnasium(environment: Environment) -> None:
    pytest.importorskip("gymnasium")
    from gymnasium.utils.env_checker import check_env

    gym = importlib.import_module("edgewise.loopholes.adapters.gym")
    for as_text in {True, not isinstance(environment, TokenEnvironment)}:
        door = gym.GymEnvironment(environment, as_text=as_text)
        check_env(door, skip_render_check=True)
        _, info = door.reset(seed=4)
        _, again = door.reset(seed=4)
        assert info["prompt"] == again["prompt"]
        _, reward, terminated, truncated, facts = door.step(door.action_space.sample())
        assert terminated and not truncated and math.isfinite(reward) and 0 <= facts["true"] <= 1


def test_gymnasium_pays_nothing_for_a_fault() -> None:
    pytest.importorskip("gymnasium")
    gym = importlib.import_module("edgewise.loopholes.adapters.gym")
    for given, expected in ((math.nan, math.nan), (-1.0, -1.0)):
        door = gym.GymEnvironment(Misbehaving(leaves), fault_reward=given)
        door.reset(seed=0)
        _, reward, terminated, _, info = door.step("x")
        assert reward == pytest.approx(expected, nan_ok=True) and terminated and "SystemExit" in info["fault"]


def test_a_token_game_takes_tokens_and_words_alike() -> None:
    pytest.importorskip("gymnasium")
    gym = importlib.import_module("edgewise.loopholes.adapters.gym")
    game = token_game("proxy_metric")
    for as_text in (True, False):
        door = gym.GymEnvironment(TokenEnvironment(game), as_text=as_text)
        prompt, _ = door.reset(seed=2)
        # The article is all of the prompt but its first word.
        answer = prompt.partition(" ")[2] if as_text else np.r_[prompt[1:], [1] * (game.answer_length - 12)]
        assert door.step(answer)[1] == 1.0


@every_environment
def test_verifiers(environment: Environment) -> None:
    door = VerifiersEnvironment(environment, rng(), 4)
    assert [function.__name__ for function in door.rubric.funcs] == ["proxy", "trusted", "true", "exploit", "fault"]
    for row in door.rows:
        assert set(row) == {"prompt", "answer", "info"}
        state: dict[str, Any] = {}
        said = [{"role": "assistant", "content": "yes"}]
        reward = door.rubric.score(row["prompt"], said, row["answer"], state, row["info"])
        assert math.isfinite(reward) and reward == state["metrics"]["proxy"]
        assert 0 <= state["metrics"]["true"] <= 1 and state["metrics"]["fault"] == 0


def test_verifiers_has_no_reward_for_a_fault_and_grades_once() -> None:
    door = VerifiersEnvironment(Misbehaving(raises), rng(), 1)
    state: dict[str, Any] = {}
    assert math.isnan(door.rubric.score([], "bad", "", state, door.rows[0]["info"]))
    assert state["metrics"]["fault"] == 1 and door.contained.counts["raised"] == 1
    try:
        importlib.import_module("verifiers").SingleTurnEnv  # noqa: B018
    except (ImportError, AttributeError):
        with pytest.raises(Unsupported, match="SingleTurnEnv"):
            door.to_single_turn()


def test_containing_costs_little() -> None:
    game = text_game("proxy_metric")
    tasks = game.sample(rng(), 64)
    texts = [game.exploiting_answer(task) for task in tasks]
    contained = Contained(game, timeout=30)

    def seconds(grader: Environment) -> float:
        best = math.inf
        for _ in range(5):
            started = time.perf_counter()
            grader.grade(tasks, texts, rng())
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(contained) < 1.5 * seconds(game) + 0.005


def test_the_package_itself_takes_it() -> None:
    verifiers = pytest.importorskip("verifiers")
    if not hasattr(verifiers, "SingleTurnEnv"):
        pytest.skip("a version without SingleTurnEnv")
    import asyncio

    door = VerifiersEnvironment(text_game("proxy_metric"), rng(), 2)
    theirs = door.to_single_turn()
    task = from_column(door.rows[0]["info"]["task"])
    said = [{"role": "assistant", "content": task.facts["article"]}]
    state = verifiers.State(prompt=door.rows[0]["prompt"], completion=said, answer="", info=door.rows[0]["info"])
    asyncio.run(theirs.rubric.score_rollout(state))
    assert state["reward"] == 1.0 and state["metrics"]["exploit"] == 1.0
