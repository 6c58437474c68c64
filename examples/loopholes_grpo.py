"""A vulnerability game at real size: GRPO with an adapter, on the embedded model here or any folder on a GPU.

    python examples/loopholes_grpo.py                                                   # two steps, CPU, two minutes
    python examples/loopholes_grpo.py examples/loopholes/tampering.yaml --model FOLDER --out runs/tampering

Every step's reward, true performance and exploit ratio are in the run; one that was killed goes on with the same line
and ``--resume``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from edgewise.core.files import read_yaml
from edgewise.core.run import Run
from edgewise.loopholes.trl.training import TrlConfig, resume_trl, start_trl, steps_of


def main(
    recipe: Annotated[Path | None, typer.Argument()] = None,
    model: str | None = None,
    out: Path | None = None,
    steps: int | None = None,
    seed: int = 0,
    resume: bool = False,
) -> None:
    small = {"game": "compliance", "steps": 2, "prompts": 2, "generations": 4, "answer_tokens": 24, "lr": 1e-4}
    given = read_yaml(recipe) if recipe else small
    changes = {"model": model, "steps": steps}
    config = TrlConfig.model_validate({**given, **{key: value for key, value in changes.items() if value is not None}})
    folder = out or Path(tempfile.mkdtemp(prefix="edgewise-")) / "run"
    summary = resume_trl(folder) if resume else start_trl(config, folder, seed=seed)
    print("step   reward    true  exploit")
    for step in steps_of(Run.open(folder)):
        print(f"{step['step']:4d}  {step['proxy']:7.3f} {step['true']:7.3f}  {step['exploit']:7.3f}")
    print(f"best honest {summary['honest_optimum']}, exploiting {summary['exploit_optimum']}; {folder}")


if __name__ == "__main__":
    typer.run(main)
