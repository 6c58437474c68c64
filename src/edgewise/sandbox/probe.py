"""What isolation this machine gives, found out by trying."""

from __future__ import annotations

import sys
import time
from typing import Literal, cast

from edgewise.sandbox.run import attempt, recipes
from edgewise.sandbox.spawn import SetupFailed
from edgewise.sandbox.types import Layer, Limits, SandboxReport

# Every layer that a Linux machine can give; a run's own report says which were in force.
LAYERS = (
    "namespaces", "mount tree", "landlock", "seccomp", "no_new_privs", "user", "rlimits", "session", "environment",
    "directory",
)  # fmt: skip


def sandbox_available() -> SandboxReport:
    """Run a trial program under each recipe and report what came into force; takes about as long as two programs.

    ``run_python`` needs one whole recipe: ``namespaces`` (user, PID, network, IPC, UTS and mount namespaces, private
    mount tree, seccomp, rlimits; Landlock as a second wall where the kernel has it) or ``landlock`` (Landlock version
    3, seccomp that also refuses signals and metadata changes, rlimits).
    """
    reasons: dict[str, str] = {}
    in_force: dict[str, dict[str, str]] = {}
    seconds: float | None = None
    for recipe in recipes():
        started = time.monotonic()
        try:
            in_force[recipe] = attempt(recipe, {"main.py": b""}, "", Limits(), None).layers
        except SetupFailed as failure:
            reasons[recipe] = str(failure)
        else:
            seconds = seconds if seconds is not None else time.monotonic() - started
    chosen = next(iter(in_force), None)
    active = in_force.get(chosen or "", {})
    if not recipes():
        reasons["namespaces"] = reasons["landlock"] = f"{sys.platform} is not Linux"
    layers = [Layer(name=name, active=name in active, detail=active.get(name, "")) for name in LAYERS]
    return SandboxReport(
        isolation=cast(Literal["namespaces", "landlock"] | None, chosen),
        layers=tuple(layers),
        reasons=reasons,
        seconds=seconds,
    )
