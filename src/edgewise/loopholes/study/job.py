"""``edgewise loopholes train``, ``transfer``, ``distil`` and ``mitigate``: studies on the tiny games as runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from edgewise.core.errors import BadInput
from edgewise.core.records import Record, parse_options
from edgewise.core.run import Run
from edgewise.loopholes.study.distil import distil
from edgewise.loopholes.study.mitigate import mitigate
from edgewise.loopholes.study.train import CONTROLS, train
from edgewise.loopholes.study.transfer import transfer
from edgewise.loopholes.study.workbench import Workbench
from edgewise.loopholes.tokens.games import TOKEN_GAMES, token_game
from edgewise.loopholes.tokens.training import StartConfig, TrainConfig

KIND = "loopholes"


class StudyConfig(Record):
    """What a study depends on besides its seed.

    Attributes:
        study: Which one.
        games: Games that take part; all but ``transfer`` take one.
        options: Parameters of the game, where they differ from its own.
        seeds: Independent training runs, side by side.
        controls: Of ``train``: what is trained besides, to compare.
        start: How starts are made.
        train: Settings of training.
    """

    SCHEMA: ClassVar[str] = "loopholes.study/1"
    study: Literal["train", "transfer", "distil", "mitigate"]
    games: tuple[str, ...]
    options: dict[str, Any] = {}
    seeds: int = Field(default=8, ge=2, le=64)
    controls: tuple[str, ...] = ()
    start: StartConfig = StartConfig()
    train: TrainConfig = TrainConfig()

    def checked(self) -> StudyConfig:
        """The same, if its games, their parameters and its controls exist.

        Raises:
            BadInput: One does not.
        """
        most = len(TOKEN_GAMES) if self.study == "transfer" else 1
        if not 1 <= len(self.games) <= most or len(set(self.games)) < len(self.games):
            raise BadInput(f"{len(self.games)} games for {self.study}", field="games", fix=f"up to {most}, each once")
        for name in self.games:
            token_game(name, **self.options)
        if wrong := set(self.controls) - set(CONTROLS):
            raise BadInput(
                f"there is no control {min(wrong)!r}", field="control", fix=f"there are: {', '.join(CONTROLS)}"
            )
        return self


@dataclass(frozen=True)
class StudyRun:
    """A finished run and what ``--json`` prints."""

    run: Path
    summary: dict[str, Any]


def study(config: StudyConfig, folder: Path, *, seed: int = 0) -> StudyRun:
    """Carry a study out in a new run.

    Raises:
        BadInput: A game, parameter or control that does not exist; nothing is written then.
        EdgewiseError: The folder cannot be used, or written any further.
    """
    config.checked()
    about = {"name": f"{config.start.shape.parameters:,} weights"}
    with Run.create(folder, KIND, config.model_dump(mode="json"), seed=seed, model=about) as run:
        return _carry_out(run, config)


def resume_study(folder: Path) -> StudyRun:
    """Go on where a run stopped; its curves are those of a run that never did."""
    with Run.open(folder, writable=True) as run:
        return _carry_out(run, parse_options(StudyConfig, run.manifest.config, what="manifest").checked())


def _carry_out(run: Run, config: StudyConfig) -> StudyRun:
    started = time.monotonic()
    bench = Workbench(run, config.seeds, config.start)
    games = [token_game(name, **config.options) for name in config.games]
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "train": lambda: train(bench, games[0], config.train, config.controls),
        "transfer": lambda: transfer(bench, games, config.train),
        "distil": lambda: distil(bench, games[0], config.train),
        "mitigate": lambda: mitigate(bench, games[0], config.train),
    }
    summary = found[config.study]()
    run.write_table("curves", bench.table())
    summary |= {"study": config.study, "seeds": config.seeds, "run": str(run.path), "status": "complete"}
    run.events.append("summary", summary)
    run.finish("complete", seconds=round(time.monotonic() - started, 1))
    return StudyRun(run.path, summary)
