"""A training run told step by step to its run folder."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from edgewise.core.run import Run


class RunCallback(TrainerCallback):  # type: ignore[misc]
    """Reports steps as progress.

    Args:
        run: Told.
        steps: In all.
    """

    def __init__(self, run: Run, steps: int) -> None:
        self._run, self._steps = run, steps

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A step is done."""
        self._run.progress("align", state.global_step, self._steps)
