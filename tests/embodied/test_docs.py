"""What docs/embodied.md shows must run as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgewise.cli.app import app
from support.worlds import needs_pictures

PAGE = (Path(__file__).parents[2] / "docs/embodied.md").read_text()


def test_its_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        needs_pictures()
    except pytest.skip.Exception as problem:
        pytest.skip(str(problem))
    monkeypatch.chdir(tmp_path)
    Path("my_policy.py").write_text('def answer(messages, settings, sample):\n    return \'{"give_up": "later"}\'\n')
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out == "False later\n"


def test_its_commands_have_the_options_that_it_names() -> None:
    (block,) = re.findall(r"```\n(edgewise embodied list.*?)```", PAGE, re.DOTALL)
    for line in block.strip().splitlines():
        words = shlex.split(line, comments=True)
        help_text = CliRunner().invoke(app, [*words[1 : 3 if words[1] == "embodied" else 2], "--help"]).output
        for word in words:
            assert not word.startswith("--") or word in help_text, (word, line)
