"""Started by conftest as an ordinary user: runs the programs it reads from stdin, one JSON object a line."""

from __future__ import annotations

import json
import sys

from edgewise.sandbox import Limits, run, run_python_sync

run.recipes = lambda: (sys.argv[1],)
for line in sys.stdin:
    options = json.loads(line)
    limits = Limits(**options.pop("limits"))
    try:
        answer = run_python_sync(limits=limits, **options).model_dump()
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
