"""An ordinary user of this machine, for tests that run as root and must not."""

from __future__ import annotations

import os
from typing import Any

# One of its own for each test process: RLIMIT_NPROC counts all of a user's processes, so two that run side by side
# may not share one.
ORDINARY_USER = 20_000 + os.getpid() % 40_000

# Options of `subprocess.Popen` that start a program as that user; nobody but root can.
AS_ORDINARY_USER: dict[str, Any] = (
    {"user": ORDINARY_USER, "group": ORDINARY_USER, "extra_groups": []} if os.geteuid() == 0 else {}
)
