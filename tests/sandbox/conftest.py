"""Three ways to run an attack: from this process, and from an ordinary user's under either recipe."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgewise
from edgewise.sandbox import SandboxResult, run_python_sync, sandbox_available
from support.user import AS_ORDINARY_USER

HELPER = Path(__file__).with_name("ordinary_user.py")


class Driver:
    """Runs programs in this process's name, under the strongest recipe."""

    recipe = "namespaces"

    def run(self, source: str, **options: Any) -> SandboxResult:
        return run_python_sync(source, **options)


class OrdinaryUser(Driver):
    """Runs programs through a helper process of an ordinary user, under one recipe."""

    def __init__(self, recipe: str) -> None:
        self.recipe = recipe
        paths = [str(Path(edgewise.__file__).parents[1]), sysconfig.get_path("purelib")]
        environment = {"PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1", "SECRET_IN_PARENT": "s3cret"}
        self.process = subprocess.Popen(
            [python_for_everybody(), str(HELPER), recipe],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd="/", text=True, **AS_ORDINARY_USER,
        )  # fmt: skip

    def run(self, source: str, **options: Any) -> SandboxResult:
        options["limits"] = options["limits"].model_dump() if "limits" in options else {}
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps({"source": source, **options}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        assert line, "the helper died, so the program reached it"
        answer = json.loads(line)
        assert "error" not in answer, answer
        return SandboxResult.model_validate(answer)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(20)


def python_for_everybody() -> str:
    """An interpreter of this version that an ordinary user may execute."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (os.path.realpath(sys.executable), f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        try:
            subprocess.run([path, "-c", ""], check=True, capture_output=True, cwd="/", env={}, **AS_ORDINARY_USER)
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    pytest.skip(f"no {version} that an ordinary user may execute")


@pytest.fixture(scope="session")
def _needs_isolation() -> None:
    report = sandbox_available()
    if report.isolation != "namespaces":
        pytest.skip(f"this machine gives no namespaces: {report.reasons}")


@pytest.fixture(scope="session", params=["here", "user-namespaces", "user-landlock"])
def driver(request: pytest.FixtureRequest, _needs_isolation: None) -> Iterator[Driver]:
    """Each way of running a program in turn."""
    if request.param == "here":
        yield Driver()
        return
    user = OrdinaryUser(request.param.removeprefix("user-"))
    trial = user.run("")
    if trial.status != "ok":
        pytest.skip(f"{request.param}: {trial}")
    yield user
    user.close()


@pytest.fixture
def outside() -> Iterator[Path]:
    """A directory of the host that everybody can read and write, with a secret in it: only the sandbox protects it."""
    with tempfile.TemporaryDirectory(prefix="edgewise-outside-", dir="/var/tmp") as name:
        path = Path(name)
        path.chmod(0o777)
        secret = path / "secret.txt"
        secret.write_text("s3cret")
        secret.chmod(0o666)
        yield path
