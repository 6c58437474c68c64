"""What docs/scene.md and the example show must run as it stands."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

from edgewise.scene.perception.frames import write_frames
from support.box_frames import camera, cube, render

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/scene.md").read_text(), re.DOTALL)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three frames of two cubes, with masks."""
    boxes, rng = [cube("red cube", 0.42, -0.1), cube("blue cube", 0.42, 0.12)], np.random.default_rng(0)
    frames = [render(boxes, time, camera(), rng, 0.001) for time in (0.0, 0.2, 0.4)]
    write_frames(tmp_path / "recording", (one for one, _ in frames), (other for _, other in frames))
    return tmp_path / "recording"


def test_twenty_lines(recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS[0].splitlines()) <= 20
    monkeypatch.chdir(recording.parent)
    exec(BLOCKS[0], {})
    told = capsys.readouterr().out
    assert "0.0 initialise red cube [2] stands at (0.42, -0.10, 0.02)" in told and "Now:" in told


def test_own_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    exec(BLOCKS[1], {})
    assert "label='red cube'" in capsys.readouterr().out


def test_the_example_reads_a_recording(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scene_memory.py", str(recording)])
    runpy.run_path(str(ROOT / "examples/scene_memory.py"), run_name="__main__")
    assert "initialise  blue cube [1]" in capsys.readouterr().out


def test_the_example_makes_one_and_knows_what_is_under_the_cup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from support.worlds import needs_pictures

    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))
    monkeypatch.setattr("sys.argv", ["scene_memory.py"])
    runpy.run_path(str(ROOT / "examples/scene_memory.py"), run_name="__main__")
    told = capsys.readouterr().out
    assert "Where is red cube 3, which nobody sees? At 0.4" in told and "with grey cup [2] (because of" in told
