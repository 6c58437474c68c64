"""Runs untrusted Python source in a separate, confined process.

```python
from edgewise.sandbox import Limits, run_python_sync

result = run_python_sync("print(6 * 7)", limits=Limits(wall_seconds=2))
assert (result.status, result.stdout) == ("ok", "42\\n")
```
"""

from edgewise.sandbox.probe import sandbox_available
from edgewise.sandbox.run import run_python, run_python_sync
from edgewise.sandbox.spawn import Cancellation, Cancelled
from edgewise.sandbox.types import Isolation, Layer, Limits, SandboxReport, SandboxResult

__all__ = [
    "Cancellation",
    "Cancelled",
    "Isolation",
    "Layer",
    "Limits",
    "SandboxReport",
    "SandboxResult",
    "run_python",
    "run_python_sync",
    "sandbox_available",
]
