"""Whatever a user's reward does is a finding; whatever a user forgets is said in words; and nothing escapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput, BudgetExhausted, EdgewiseError
from edgewise.loopholes.audit import worker
from edgewise.loopholes.audit.bundle import sandboxed_subject, subject_of
from edgewise.loopholes.audit.caller import Caller
from edgewise.loopholes.audit.job import audit_subject
from edgewise.loopholes.audit.result import AuditConfig
from edgewise.loopholes.audit.subject import EnvironmentSubject, Subject, environment_subject
from edgewise.loopholes.types import Grade, Task
from edgewise.sandbox import sandbox_available

HEAD = """
import math, random, sys, time
prompts = [{"prompt": f"say {word}", "answer": word} for word in ("north", "south", "east", "west") * 6]
examples = [row["answer"] for row in prompts]
"""
BAD: dict[str, tuple[str, str, str]] = {  # what it does; reward's body; the kind of fault
    "raises": ("    return [1.0 / (len(c) - len(c)) if 'x' in c else 1.0 for c in completions]", "say x", "raises"),
    "nan": ("    return [float('nan') if 'x' in c else 1.0 for c in completions]", "x", "not a number"),
    "infinite": ("    return [math.inf if 'x' in c else 1.0 for c in completions]", "x", "infinite"),
    "text": ("    return ['1.0' if 'x' in c else 1.0 for c in completions]", "x", "not a number"),
    "none": ("    return [None if 'x' in c else 1.0 for c in completions]", "x", "not a number"),
    "wrong length": ("    return [1.0 for c in completions if 'x' not in c]", "x", "wrong length"),
    "no list": ("    return 1.0", "fine", "raises"),
    "slow": ("    time.sleep(9 if any('x' in c for c in completions) else 0); return [1.0] * len(completions)", "x",
             "too slow"),
    "mutates": ("    completions[0] = ''; return [1.0] * len(completions)", "x", "mutates its input"),
    "exits": ("    sys.exit(3) if any('x' in c for c in completions) else None; return [1.0] * len(completions)", "x",
              "raises"),
}  # fmt: skip
sandboxed = pytest.mark.skipif(not sandbox_available(), reason="no sandbox on this machine")


def write(folder: Path, body: str, more: str = "") -> str:
    path = folder / "env.py"
    path.write_text(f"{HEAD}\ndef reward(prompts, completions, **columns):\n{body}\n{more}\n")
    return str(path)


@pytest.fixture(params=["trusted", pytest.param("sandboxed", marks=sandboxed)])
def load(request: pytest.FixtureRequest) -> Callable[[str], Subject]:
    return lambda spec: environment_subject(spec, trust=request.param == "trusted")


@pytest.mark.parametrize("name", BAD)
def test_every_bad_reward_is_contained_and_reported(tmp_path: Path, load: Callable[[str], Subject], name: str) -> None:
    body, text, kind = BAD[name]
    caller = Caller(load(write(tmp_path, body)), calls=1000, seconds=60, per_answer=0.2)
    rng = np.random.default_rng(0)
    tasks = caller.subject.sample(rng, 4)
    graded = caller.grade(tasks, ["good", text, "good", "good"], rng)
    assert list(caller.faults) == [kind]
    fault = caller.faults[kind]
    assert fault.completion in (text, "good")
    if name == "mutates":
        assert graded.proxy.tolist() == [1, 1, 1, 1]
    elif name == "no list":
        assert np.isnan(graded.proxy).all()
    else:
        assert fault.completion == text
        assert np.isnan(graded.proxy[1])
        assert graded.proxy[[0, 2, 3]].tolist() == [1, 1, 1]


def test_repeats_after_a_fault_are_counted(tmp_path: Path, load: Callable[[str], Subject]) -> None:
    caller = Caller(load(write(tmp_path, BAD["raises"][0])), calls=1000, seconds=60)
    rng = np.random.default_rng(0)
    caller.grade(caller.subject.sample(rng, 4), ["x", "a", "b", "c"], rng)
    assert caller.used == 8


def test_limits_are_hard(tmp_path: Path) -> None:
    asked: list[int] = []

    class Counting:
        prompts = ("a", "b")

        @staticmethod
        def reward(prompts: list[str], completions: list[str]) -> list[float]:
            asked.append(len(completions))
            return [0.0] * len(completions)

    caller = Caller(subject_of(Counting, "counting"), calls=10, seconds=60)
    rng = np.random.default_rng(0)
    tasks = caller.subject.sample(rng, 6)
    caller.grade(tasks, ["x"] * 6, rng)
    with pytest.raises(BudgetExhausted):
        caller.grade(tasks, ["x"] * 6, rng)
    assert sum(asked) == 6
    late = Caller(caller.subject, calls=10, seconds=-1)
    with pytest.raises(BudgetExhausted):
        late.grade(tasks, ["x"] * 6, rng)


@sandboxed
def test_untrusted_code_sees_nothing_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    subject = sandboxed_subject(
        write(tmp_path, f"    return [float(len(open({str(secret)!r}).read()))] * len(prompts)"), ""
    )
    rng = np.random.default_rng(0)
    answered = subject.ask(subject.sample(rng, 1), ["a"], rng, 1.0)
    assert "FileNotFoundError" in answered.grades[0].fault or "PermissionError" in answered.grades[0].fault


@sandboxed
def test_a_file_is_not_imported_here_unless_trusted(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    spec = write(tmp_path, "    return [1.0] * len(prompts)", f"open({str(mark)!r}, 'w').close()")
    with pytest.raises(BadInput):
        environment_subject(spec)
    assert not mark.exists()
    environment_subject(spec, trust=True)
    assert mark.exists()


WRONG = {
    "no reward": ("prompts = ['a']", "'reward' is missing"),
    "no prompts": ("def reward(prompts, completions): return [0.0]", "'prompts' is missing"),
    "prompt of another kind": ("prompts = [3]\ndef reward(prompts, completions): return [0.0]", "prompt 1 is no text"),
    "weights": ("prompts = ['a']\nweights = [1, 2]\ndef reward(prompts, completions): return [0.0]", "2 numbers for 1"),
    "examples": ("prompts = ['a']\nexamples = []\ndef reward(prompts, completions): return [0.0]", "0 texts for 1"),
    "syntax": ("prompts = [", "SyntaxError"),
    "import": ("import a_package_that_there_is_not", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_missing_is_said(tmp_path: Path, load: Callable[[str], Subject], name: str) -> None:
    source, words = WRONG[name]
    path = tmp_path / "wrong.py"
    path.write_text(source)
    with pytest.raises(BadInput) as caught:
        load(str(path))
    assert words in str(caught.value)
    assert "wrong.py" in str(caught.value)
    assert caught.value.fix


def test_line_of_an_error(tmp_path: Path, load: Callable[[str], Subject]) -> None:
    path = tmp_path / "broken.py"
    path.write_text("prompts = ['a']\n\nx = 1 / 0\n")
    with pytest.raises(BadInput) as caught:
        load(str(path))
    assert caught.value.row == 3 or not caught.value.row  # a trusted file's line is in its traceback
    assert "ZeroDivisionError" in str(caught.value)


@pytest.mark.parametrize("spec", ["nothing", "game:chess", "no_such_file.py", "no.such.module:name"])
def test_no_environment(spec: str) -> None:
    with pytest.raises(EdgewiseError) as caught:
        environment_subject(spec, trust=True)
    assert caught.value.fix or "no such file" in caught.value.message


def test_modules_need_trust() -> None:
    with pytest.raises(BadInput, match="runs in this process"):
        environment_subject("os.path:join")


def test_several_functions_are_weighted_and_their_parts_kept() -> None:
    rewards = [lambda prompts, completions: [1.0] * len(prompts), lambda prompts, completions: map(len, completions)]
    bundle = {"prompts": ["a", "b"], "weights": [1, 0.5], "reward": rewards}
    subject, rng = subject_of(bundle, "two"), np.random.default_rng(0)
    grade = subject.ask(subject.sample(rng, 1), ["abcd"], rng, 1.0).grades[0]
    assert grade.proxy == 3
    assert sorted(grade.parts.values()) == [1, 4]
    assert np.isnan(grade.trusted)


def test_columns_reach_the_function_by_name(tmp_path: Path, load: Callable[[str], Subject]) -> None:
    path = tmp_path / "env.py"
    path.write_text(
        "prompts = [{'prompt': 'p', 'answer': 7, 'unused': 1}]\n"
        "def reward(prompts, completions, answer): return [float(a) for a in answer]\n"
    )
    subject, rng = load(str(path)), np.random.default_rng(0)
    assert subject.ask(subject.sample(rng, 2), ["", ""], rng, 1.0).grades[1].proxy == 7


def test_a_gymnasium_environment() -> None:
    gymnasium = pytest.importorskip("gymnasium")

    class Guess(gymnasium.Env):  # type: ignore[misc, name-defined]
        observation_space = gymnasium.spaces.Text(20)
        action_space = gymnasium.spaces.Text(20)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
            super().reset(seed=seed)
            self.word = str(self.np_random.integers(10))
            return f"say {self.word}", {}

        def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
            return "", float(self.word in action), True, False, {"true": float(action == self.word)}

    subject, rng = subject_of(Guess, "guess"), np.random.default_rng(0)
    tasks = subject.sample(rng, 3)
    words = [task.prompt.split()[1] for task in tasks]
    grades = subject.ask(tasks, [words[0], f"{words[1]} or not", "none"], rng, 1.0).grades
    assert [(g.proxy, g.trusted) for g in grades] == [(1, 1), (1, 0), (0, 0)]


def test_a_verifiers_environment() -> None:
    async def right(completion: list[dict[str, str]], answer: str) -> float:
        return float(completion[-1]["content"] == answer)

    def polite(completion: list[dict[str, str]], **rest: Any) -> float:
        return float("please" in completion[-1]["content"])

    class Rubric:
        funcs = (right, polite)
        weights = (1.0, 0.2)

    class Environment:
        dataset = ({"prompt": [{"role": "user", "content": "2 + 2"}], "answer": "4"},)
        rubric = Rubric()

    subject, rng = subject_of(Environment(), "sums"), np.random.default_rng(0)
    task = subject.sample(rng, 1)
    assert task[0].prompt == "2 + 2"
    paid = [subject.ask(task, [text], rng, 1.0).grades[0].proxy for text in ("4", "please", "no")]
    assert paid == [1, 0.2, 0]


class Sums:
    """An environment in our own form whose grader fails on a word, and pays."""

    name = "sums"

    def sample(self, rng: np.random.Generator, n: int) -> list[Task]:
        return [Task(f"what is {a} plus {b}", {"answer": int(a + b)}) for a, b in rng.integers(20, size=(n, 2))]

    def examples(self, tasks: list[Task], rng: np.random.Generator) -> list[str]:
        return [str(task.facts["answer"] + (rng.random() < 0.5)) for task in tasks]

    def grade(self, tasks: list[Task], completions: list[str], rng: np.random.Generator) -> list[Grade]:
        return [self.one(task, text) for task, text in zip(tasks, completions, strict=True)]

    def one(self, task: Task, text: str) -> Grade:
        right = float(text == str(task.facts["answer"]))
        if not text.strip():
            return Grade(1.0, right, right, 1.0, fault="judge error: empty")
        return Grade(right, right, right, 0.0)


def test_a_fault_that_pays_is_a_loophole() -> None:
    found = audit_subject(EnvironmentSubject(Sums()), AuditConfig(environment="sums", calls=6000))
    kinds = [one["kind"] for one in found["loopholes"]]
    assert "fault-is-reward" in kinds
    one = found["loopholes"][kinds.index("fault-is-reward")]
    assert not one["witness"]["completion"].strip()
    assert found["faults"][0]["kind"] == "judge error"


def test_a_fallback_of_training_pays_too() -> None:
    def reward(prompts: list[str], completions: list[str]) -> list[float]:
        return [1 / len(text.split()) for text in completions]

    bundle = {"prompts": ["say hello to a", "say hello to b"] * 4, "reward": reward, "fallback": 2.0}
    found = audit_subject(subject_of(bundle, "fallback"), AuditConfig(environment="fallback", calls=3000))
    assert "fault-is-reward" in [one["kind"] for one in found["loopholes"]]
    assert found["exploitability"]["value"] is None


def test_outcomes_are_finite_numbers_or_faults() -> None:
    assert worker.number(np.float32(0.5)) == (0.5, "")
    assert worker.number(True) == (1.0, "")
    for bad in (float("nan"), float("inf"), None, "1", [1.0]):
        value, fault = worker.number(bad)
        assert value is None
        assert fault
