"""A monitor in TRL's ``GRPOTrainer``: a reward function that is watched, and a callback that looks and stops."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.adapters.trl import COLUMN, RewardFunction, text_of
from edgewise.loopholes.monitor.logged import joined, read_rows
from edgewise.loopholes.monitor.monitor import Check, Monitor
from edgewise.loopholes.monitor.rows import Row, row_of
from edgewise.loopholes.types import FIGURES, Environment, Floats, Grades

OnAlarm = Literal["stop", "switch", "warn"]
Grader = Callable[..., Grades]  # prompts, completions and columns by name, as TRL gives them to a reward function
RewardLike = Callable[..., Sequence[float | None]]
_LOGGED = ("proxy_gain", "trusted_gain", "exploit")


def environment_grader(environment: Environment, *, seed: int = 0, timeout: float | None = None) -> Grader:
    """Grades by one of this room's environments; the data set is that of ``adapters.trl.dataset``."""
    reward = RewardFunction(environment, seed=seed, timeout=timeout)

    def grade(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> Grades:
        step = int(getattr(columns.get("trainer_state"), "global_step", 0) or 0)
        found = reward.grades(columns.get(COLUMN), completions, step)
        proxy, trusted, true, exploit = (
            np.array([getattr(g, name) for g in found], dtype=np.float64) for name in FIGURES
        )
        sound = [set(g.parts) for g in found if not g.fault]
        names = sorted(set.intersection(*sound)) if sound else []
        parts = {n: np.array([np.nan if g.fault else g.parts[n] for g in found], dtype=np.float64) for n in names}
        return Grades(proxy, trusted, true, exploit, parts)

    return grade


def function_grader(
    rewards: Sequence[RewardLike], trusted: RewardLike, *, weights: Sequence[float] | None = None,
    exploit: RewardLike | None = None,
) -> Grader:  # fmt: skip
    """Grades by reward functions of one's own, with TRL's signature.

    A function that raises or returns a wrong number of rewards gives none to the batch.

    Args:
        rewards: What training is paid by; each is a part of the proxy, which is their weighted sum.
        trusted: What it is held against; it may be costly, since it is asked at checks only, unless training is
            switched to it.
        weights: Of the reward functions; all 1 unless given.
        exploit: Whether an answer exploits, if there is a way to tell.

    Raises:
        BadInput: No reward function, or another number of weights.
    """
    weight = [1.0] * len(rewards) if weights is None else list(weights)
    if not rewards or len(weight) != len(rewards):
        raise BadInput(f"{len(weight)} weights for {len(rewards)} reward functions", field="weights")
    names = [str(getattr(reward, "__name__", i)) for i, reward in enumerate(rewards)]
    if len(set(names)) < len(names):
        names = [f"{name}_{i}" for i, name in enumerate(names)]

    def grade(
        prompts: Sequence[Any], completions: Sequence[Any], *, only_proxy: bool = False, **columns: Any
    ) -> Grades:
        n = len(completions)
        nothing = np.full(n, np.nan)
        parts = {
            name: w * _asked(reward, prompts, completions, columns)
            for name, w, reward in zip(names, weight, rewards, strict=True)
        }
        proxy = np.sum(list(parts.values()), axis=0)
        wanted = [None if only_proxy else trusted, None if only_proxy else exploit]
        held, taken = (nothing if f is None else _asked(f, prompts, completions, columns) for f in wanted)
        return Grades(proxy, held, nothing, taken, parts)

    return grade


def _asked(
    reward: RewardLike, prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]
) -> Floats:
    try:
        found = list(reward(prompts=prompts, completions=completions, **columns))
        values = np.array([np.nan if x is None else float(x) for x in found], dtype=np.float64)
    except Exception:  # whatever a user's code raises, it is a fault of the grader
        return np.full(len(completions), np.nan)
    return values if values.size == len(completions) else np.full(len(completions), np.nan)


class TrlWatch:
    """One training run under watch.

    ``GRPOTrainer(reward_funcs=[watch.reward], callbacks=[watch.callback()])``. The reward may be left to others with
    ``heldout``, unless an alarm is to switch it.

    Args:
        monitor: Without a baseline.
        grader: See ``environment_grader`` and ``function_grader``.
        heldout: Rows of held-out prompts, ``prompt`` and the grader's columns. ``baseline`` of them, drawn at random,
            are answered at the start and ``prompts`` at each check; false alarms are bounded for these rows. None: the
            answers that training samples anyway are looked at, a prompt's answers as one unit; the first ``baseline``
            prompts are the baseline.
        every: Optimiser steps between checks.
        baseline: Prompts of the baseline; below about 64 little can be told from noise.
        prompts: Held-out prompts of a check.
        batch: Answers that are generated at one time.
        answer_tokens, temperature: Of held-out answers; those of training.
        on_alarm: ``stop`` the training, ``switch`` its reward to the trusted one, or only ``warn``.
        seed: Of the draws of prompts and of their answers.
        log: File of JSON lines (``.jsonl``) for the rows, begun anew with the training; a resumed one needs it to
            know what was seen.
        tell: Told every check.

    Raises:
        BadInput: Too few held-out prompts for the baseline.
    """

    def __init__(
        self, monitor: Monitor, grader: Grader, *, heldout: Sequence[Mapping[str, Any]] | None = None, every: int = 10,
        baseline: int = 128, prompts: int = 32, batch: int = 32, answer_tokens: int = 256, temperature: float = 1.0,
        on_alarm: OnAlarm = "stop", seed: int = 0, log: Path | str | None = None,
        tell: Callable[[Check], None] | None = None,
    ) -> None:  # fmt: skip
        if heldout is not None and len(heldout) < max(baseline, prompts):
            raise BadInput(f"{len(heldout)} prompts, {max(baseline, prompts)} are needed", field="heldout")
        self.monitor, self.grader, self.heldout = monitor, grader, heldout
        self.every, self.baseline, self.prompts, self.batch = every, baseline, prompts, batch
        self.answer_tokens, self.temperature, self.on_alarm = answer_tokens, temperature, on_alarm
        self.log, self.tell = None if log is None else Path(log), tell
        self.seed, self.switched = seed, False
        self._calls = 0
        self._only_proxy = "only_proxy" in inspect.signature(grader).parameters
        self._pending: list[Row] = []  # of the baseline, from training
        self._texts: list[str] = []
        self._looked = -1

    @property
    def reward(self) -> RewardLike:
        """What training is paid: the proxy, and after a switch the trusted reward."""

        def watched(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
            return self._pay(prompts, completions, columns)

        return watched

    def _pay(self, prompts: Sequence[Any], completions: Sequence[Any], columns: dict[str, Any]) -> list[float | None]:
        self._calls += 1
        step = int(getattr(columns.get("trainer_state"), "global_step", 0) or 0)
        looks = self.heldout is None and (not self.monitor.begun or step >= self._looked + self.every)
        cheap = {"only_proxy": True} if self._only_proxy and not (looks or self.switched) else {}
        grades = self.grader(prompts, completions, **cheap, **columns)
        if looks and not self.switched:
            texts = [text_of(completion) for completion in completions]
            self._from_training(step, grades, texts, [json.dumps(prompt, default=str) for prompt in prompts])
        if columns.get("log_metric") and self.monitor.checks:
            for name, value in self._figures().items():
                columns["log_metric"](name, value)
        paid = grades.trusted if self.switched else grades.proxy
        return [float(x) if np.isfinite(x) else None for x in paid]

    def _from_training(self, step: int, grades: Grades, texts: list[str], units: list[str]) -> None:
        if self.monitor.begun:
            self._look(step, grades, texts, units)
            return
        self._pending.append(row_of(step, grades, kind="start", units=[f"{len(self._pending)}/{u}" for u in units]))
        self._texts += texts
        if sum(row.size for row in self._pending) >= self.baseline:
            whole = joined(self._pending)
            self._write(whole)
            self.monitor.begin(whole.grades(), self._texts, whole.units)
            self._looked = step

    def _look(self, step: int, grades: Grades, texts: Sequence[str], units: Sequence[object] | None) -> None:
        first = not self.monitor.begun
        self._write(row_of(step, grades, kind="start" if first else "check", units=units))
        self._looked = step
        if first:
            self.monitor.begin(grades, texts, units)
            return
        check = self.monitor.check(step, grades, texts, units)
        if self.tell is not None:
            self.tell(check)
        if self.monitor.alarm is not None and self.on_alarm == "switch":
            self.switched = True

    def _write(self, row: Row) -> None:
        if self.log is not None:
            with self.log.open("ab") as file:
                file.write(json.dumps(row.model_dump(mode="json")).encode() + b"\n")

    def _figures(self) -> dict[str, float]:
        check = self.monitor.checks[-1]
        found = {name: getattr(check, name).value for name in _LOGGED}
        figures = {"evidence": check.evidence, "alarm": float(check.alarm), **found}
        return {f"monitor/{name}": float(value) for name, value in figures.items() if value is not None}

    def callback(self) -> Any:
        """The ``TrainerCallback``."""
        from transformers import TrainerCallback

        watch = self

        class MonitorCallback(TrainerCallback):  # type: ignore[misc]
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch._begin(state.global_step, kwargs)

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                watch._after(state, control, kwargs)

        return MonitorCallback()

    def _begin(self, step: int, given: Mapping[str, Any]) -> None:
        if step:
            self._restore(step)
            return
        if self.log is not None:
            self.log.write_bytes(b"")
        if self.heldout is not None:
            self._generate(0, self.baseline, given)

    def _restore(self, step: int) -> None:
        """See again what the log holds; looks after the checkpoint are made again."""
        if self.log is None or not self.log.is_file():
            raise BadInput(
                f"the training goes on from step {step} and the monitor knows nothing of the steps before",
                field="log", fix="give the log of the run's first part",
            )  # fmt: skip
        written = self.log.read_bytes()
        if not written.endswith(b"\n"):  # killed while writing a row
            self.log.write_bytes(written[: written.rfind(b"\n") + 1])
        last = {(row.kind, row.step): row for row in read_rows(self.log) if row.step <= step}
        for row in sorted(last.values(), key=lambda row: (row.kind == "check", row.step)):
            if row.kind == "start":
                self.monitor.begin(row.grades(), units=row.units)
            elif self.monitor.begun:
                self.monitor.check(row.step, row.grades(), units=row.units)
            self._looked = row.step
        self.switched = self.monitor.alarm is not None and self.on_alarm == "switch"

    def _after(self, state: Any, control: Any, given: Mapping[str, Any]) -> None:
        step = state.global_step
        if self.on_alarm == "switch" and not self._calls:
            raise BadInput("the reward cannot be switched", field="on_alarm", fix="train with this watch's `reward`")
        if self.heldout is not None and step % self.every == 0 and not self.switched:
            self._generate(step, self.prompts, given)
            state.log_history.append({"step": step, **self._figures()})
        if self.on_alarm == "stop" and self.monitor.alarm is not None:
            control.should_training_stop = True

    def _generate(self, step: int, n: int, given: Mapping[str, Any]) -> None:
        """Answer n held-out prompts with the model as it is, and look."""
        pool = self.heldout or ()
        drawn = np.random.default_rng([self.seed, step]).choice(len(pool), n, replace=False)
        rows = [pool[int(i)] for i in drawn]
        prompts = [row["prompt"] for row in rows]
        tokenizer = given.get("processing_class") or given.get("tokenizer")
        texts: list[str] = []
        for i in range(0, len(prompts), self.batch):
            texts += self._answers(given["model"], tokenizer, prompts[i : i + self.batch], (step, i))
        columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
        grades = self.grader(prompts, [_like(p, text) for p, text in zip(prompts, texts, strict=True)], **columns)
        self._look(step, grades, texts, None)

    def _answers(self, model: Any, tokenizer: Any, prompts: Sequence[Any], place: tuple[int, int]) -> list[str]:
        """One sampled answer to each prompt; training's own randomness is left as it was."""
        import torch

        whole = [
            p if isinstance(p, str) else tokenizer.apply_chat_template(p, add_generation_prompt=True, tokenize=False)
            for p in prompts
        ]
        special = isinstance(prompts[0], str)  # a template brings its own
        inputs = tokenizer(
            whole, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=special
        ).to(model.device)
        inputs.pop("token_type_ids", None)
        devices = [model.device] if model.device.type == "cuda" else []
        training = model.training
        model.eval()
        try:
            with torch.random.fork_rng(devices=devices), torch.no_grad():
                torch.manual_seed(int(np.random.default_rng([self.seed, *place]).integers(2**31)))
                out = model.generate(
                    **inputs, do_sample=True, temperature=self.temperature, top_k=0, top_p=1.0,
                    max_new_tokens=self.answer_tokens, pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
                )  # fmt: skip
        finally:
            model.train(training)
        said: list[str] = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return said


def _like(prompt: Any, text: str) -> Any:
    """A completion in the form of its prompt."""
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]
