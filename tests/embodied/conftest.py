"""One small run of two arms that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewise.core.run import Run
from support.worlds import needs_pictures


@pytest.fixture(scope="session")
def ladder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``slid_cover`` with full memory and without, one seed; the first arm's episode is kept."""
    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))
    from edgewise.embodied.job import EmbodiedConfig, run_suite
    from edgewise.embodied.play import Arm, Setting

    config = EmbodiedConfig(
        tasks=("slid_cover",),
        arms=(Arm("symbolic", "full"), Arm("symbolic", "none")),
        setting=Setting(perception="masks"),
        seeds=1,
        keep=1,
    )
    return run_suite(config, tmp_path_factory.mktemp("embodied") / "ladder").run


@pytest.fixture
def ladder_run(ladder: Path) -> Run:
    """The same, opened."""
    return Run.open(ladder)
