"""Where studies train: policies and curves are files of the run, and what is half done goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import CorruptRecord
from edgewise.core.files import write_atomically
from edgewise.core.run import Run
from edgewise.loopholes.study.emergence import steps_to
from edgewise.loopholes.tokens.game import TokenGame
from edgewise.loopholes.tokens.games import TOKEN_GAMES
from edgewise.loopholes.tokens.learning import Adam, answer, imitate
from edgewise.loopholes.tokens.policy import Policy
from edgewise.loopholes.tokens.training import (
    StartConfig,
    TrainConfig,
    Training,
    evaluate,
    figures,
    make_start,
    pack_state,
    unpack_state,
)  # fmt: skip
from edgewise.loopholes.tokens.vocabulary import Tokens
from edgewise.loopholes.types import FIGURES, Floats, Grades

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

_EVERY = 25  # steps between checkpoints
_EVALUATED = 2048  # prompts of each seed
_IMITATE = 4  # stream of randomness, beside those of training
# Of a seed's place, its generator and a number: so many prompts and answers.
Draw = Callable[[int, np.random.Generator, int], tuple[Tokens, Tokens]]
REACHED = 0.5  # exploit ratio from which an exploit counts as learned


@dataclass(frozen=True)
class Trained:
    """Policies of all seeds after training, and the way there.

    Attributes:
        policy: The policies.
        curves: Each figure by step and seed, shape (steps, seeds).
        by_prompt: The same of each prompt of a step, shape (steps, seeds, prompts); of training by rewards alone.
    """

    policy: Policy
    curves: dict[str, Floats]
    by_prompt: dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Answers:
    """What a policy says to prompts: of each seed prompts (with frames), answers and grades."""

    prompts: list[Tokens]
    answers: list[Tokens]
    grades: list[Grades]


class Workbench:
    """Trains for a study, and keeps what it made in ``artefacts/policies`` of the run.

    Args:
        run: Open for writing.
        seeds: How many.
        start: How starts are made.
    """

    def __init__(self, run: Run, seeds: int, start: StartConfig) -> None:
        self.run, self.config = run, start
        self.seeds = [1_000 * run.seed + i for i in range(seeds)]
        self._rows: list[dict[str, Any]] = []
        self._start: Policy | None = None
        self._trained: dict[str, Trained] = {}

    def _file(self, key: str) -> Path:
        return self.run.path / "artefacts" / "policies" / f"{key.replace('/', '--')}.safetensors"

    def _load(self, key: str) -> dict[str, Tensor] | None:
        from safetensors import SafetensorError
        from safetensors.torch import load

        path = self._file(key)
        if not path.exists():
            return None
        try:
            return load(path.read_bytes())
        except SafetensorError as error:
            raise CorruptRecord(
                f"not safetensors ({error})", where=str(path), fix="delete it; it is made again"
            ) from None

    def _save(self, key: str, tensors: dict[str, Tensor]) -> None:
        from safetensors.torch import save

        path = self._file(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))

    def start(self) -> Policy:
        """The starts of all seeds: every game demonstrated, honestly and imperfectly."""
        if self._start is None:
            kept = self._load("start")
            if kept is None:
                games = [game() for game in TOKEN_GAMES.values()]
                policy = make_start(games, self.seeds, self.config, lambda i, n: self.run.progress("start", i, n))
                self._save("start", policy.weights)
            else:
                policy = Policy(kept, self.config.shape)
            self._start = policy
        return self._start

    def train(
        self, key: str, game: TokenGame, config: TrainConfig, start: Policy | None = None, *, until: float | None = None
    ) -> Trained:  # fmt: skip
        """Train in all seeds; each step is taken once, whatever happens in between and however often it is asked for.

        Args:
            key: Name of this training within the run.
            game: What is trained on.
            config: Settings.
            start: Policies to begin with; the common start unless given.
            until: Stop as soon as every seed's exploit ratio has passed this.
        """
        if key in self._trained:
            return self._trained[key]
        training = Training(game, self.start() if start is None else start, self.seeds, config)
        if (kept := self._load(key)) is not None:
            training.restore(kept)

        def reached() -> bool:
            curve = training.curves["exploit"][: training.step]
            return until is not None and training.step > 5 and bool(
                np.isfinite([steps_to(column, until) for column in curve.T]).all()
            )  # fmt: skip

        while not training.done and not reached():
            training.advance()
            if training.done or training.step % _EVERY == 0 or reached():
                self._save(key, training.state())
            self.run.progress(key, training.step, training.steps)
        curves = {name: values[: training.step] for name, values in training.curves.items()}
        self._remember(key, curves)
        by_prompt = {name: values[: training.step] for name, values in training.by_prompt.items()}
        self._trained[key] = Trained(training.policy.clone(), curves, by_prompt)
        return self._trained[key]

    def imitate(
        self, key: str, start: Policy, steps: int, data: Draw, *, batch: int = 48, lr: float = 1e-3,
        watch: TokenGame | None = None, every: int = 10,
    ) -> Trained:  # fmt: skip
        """Imitate answers in all seeds.

        Args:
            key: Name of this training within the run.
            start: Policies to begin with.
            steps: How many.
            data: Draws what is imitated.
            batch: Answers of a step.
            lr: Learning rate.
            watch: Game on which the policies are evaluated every ``every`` steps; those figures are the curves.
            every: See ``watch``.
        """
        begin, policy = 0, start.clone()
        optimiser, curves = Adam(policy.weights, lr), {name: np.empty((0, len(self.seeds))) for name in FIGURES}
        if (kept := self._load(key)) is not None:
            begin, policy, optimiser, arrays = unpack_state(kept, policy.shape, lr)
            curves = arrays["curves"]
        for step in range(begin, steps):
            rngs = [np.random.default_rng([seed, _IMITATE, step]) for seed in self.seeds]
            drawn = [data(i, rng, batch) for i, rng in enumerate(rngs)]
            imitate(policy, optimiser, [prompts for prompts, _ in drawn], [answers for _, answers in drawn])
            if watch is not None and (step + 1) % every == 0:
                found = figures(evaluate(policy, watch, self.seeds, n=256, stream=step + 1))
                curves = {name: np.vstack([rows, found[name]]) for name, rows in curves.items()}
            if step + 1 == steps or (step + 1) % _EVERY == 0:
                self._save(key, pack_state(step + 1, policy, optimiser, {"curves": curves}))
            self.run.progress(key, step + 1, steps)
        if watch is not None:
            self._remember(key, curves, every)
        return Trained(policy.clone(), curves, {})

    def evaluate(self, policy: Policy, game: TokenGame, *, n: int = _EVALUATED) -> list[Grades]:
        """Grades of answers to fresh prompts, by seed."""
        return evaluate(policy, game, self.seeds, n=n)

    def answers(self, policy: Policy, game: TokenGame, n: int) -> Answers:
        """What the policies say to n prompts of each seed."""
        rngs = [np.random.default_rng([seed, _IMITATE, 0, 1]) for seed in self.seeds]
        prompts, said, grades = answer(policy, game, [game.sample(rng, n) for rng in rngs], rngs)
        return Answers(list(prompts.numpy()), list(said.numpy()), grades)

    def _remember(self, key: str, curves: dict[str, Floats], every: int = 1) -> None:
        steps, seeds = curves["proxy"].shape
        self._rows += [
            {"training": key, "seed": self.seeds[j], "step": (i + 1) * every - 1}
            | {name: float(curves[name][i, j]) for name in FIGURES}
            for i in range(steps)
            for j in range(seeds)
        ]

    def prompts(self, key: str) -> pa.Table:
        """What a monitor reads: ``seed``, ``step``, ``prompt`` and the figures, a row for each prompt of each step."""
        import pyarrow as pa

        found = self._trained[key].by_prompt
        step, seed, prompt = (place.ravel() for place in np.indices(found["proxy"].shape))
        columns = {"seed": np.array(self.seeds)[seed], "step": step, "prompt": prompt}
        return pa.table({**columns, **{name: values.ravel() for name, values in found.items()}})

    def table(self) -> pa.Table:
        """All curves: ``training``, ``seed``, ``step`` and the figures; one row for each step of each seed."""
        import pyarrow as pa

        return pa.Table.from_pylist(self._rows)
