"""The command line in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MAIN = [sys.executable, "-c", "from edgewise.cli import main; main()"]


def edgewise(*words: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [*MAIN, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=os.environ | env, check=False)


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Standard output as the one object that it must be."""
    data: dict[str, Any] = json.loads(done.stdout)
    assert done.stdout.rstrip().endswith("}") and "Traceback" not in done.stderr
    return data
