"""The main job: `edgewise checkup embedded --quick`, its time and its memory."""

from __future__ import annotations

import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

from _table import write_table

SECONDS, MEBIBYTES = 300, 3_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "edgewise",
            "checkup",
            "embedded",
            "--quick",
            "--seed",
            "7",
            "--out",
            str(Path(folder) / "run"),
            "--json",
        ]
        started = time.perf_counter()
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
    usage = json.loads(done.stdout)["usage"]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    tokens = usage["input_tokens"] + usage["output_tokens"]
    rows = [
        ("wall time", f"{seconds:.0f} s", f"{SECONDS} s"),
        ("peak memory", f"{peak:.0f} MiB", f"{MEBIBYTES} MiB"),
        ("calls", f"{usage['calls']}", ""),
        ("tokens, prompts and answers", f"{tokens} ({tokens / seconds:.0f} per second)", ""),
    ]
    write_table("checkup", "The quick check-up of the embedded model", ("what", "measured", "target"), rows, "One run.")


if __name__ == "__main__":
    main()
