"""Options that the commands share that train: `align` and `front`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edgewise.core.errors import MissingExtra

Base = Annotated[str, typer.Argument(help="`embedded`, or a local folder of transformers.", show_default=False)]
PairsPath = Annotated[Path, typer.Option(help="Pairs: a folder with train.jsonl and test.jsonl, or one file.")]
Steps = Annotated[int, typer.Option(min=1, help="Optimiser steps of a run.")]
Batch = Annotated[int, typer.Option(min=1, help="Pairs in a step.")]
LearningRate = Annotated[float, typer.Option(help="Learning rate.")]
Beta = Annotated[float, typer.Option(help="Inverse temperature of DPO.")]
Tolerance = Annotated[list[str] | None, typer.Option(help="DIMENSION=NATS of loss (repeatable).")]
Weight = Annotated[list[str] | None, typer.Option(help="DIMENSION=WEIGHT (repeatable).")]
Rank = Annotated[int, typer.Option(min=1, help="Of an adapter.")]
Layers = Annotated[int, typer.Option(min=0, help="Adapt so many of the last layers alone; 0 for all.")]
FullWeights = Annotated[bool, typer.Option("--full-weights", help="Train all weights, no adapter.")]
DType = Annotated[Literal["float32", "bfloat16"], typer.Option(help="Of the base's weights.")]
MaxLength = Annotated[int, typer.Option(min=8, help="Tokens of prompt and answer.")]
HeldOut = Annotated[int, typer.Option(min=2, help="Held-out pairs of a dimension to score, at most.")]
TrainingSeed = Annotated[int, typer.Option(min=0, help="Of batches and adapters.")]


def base_place(model: str) -> str:
    """A base's specification that is found again from any folder."""
    return model if model == "embedded" else str(Path(model).resolve())


def needs_training() -> None:
    """Raise ``MissingExtra`` unless the extra `train` is installed."""
    from importlib.util import find_spec

    for package in ("torch", "trl", "peft", "datasets"):
        if find_spec(package) is None:
            raise MissingExtra(f"training with {package}", "train")
