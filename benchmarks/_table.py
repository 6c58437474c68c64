"""How a benchmark writes its table: the command, the machine, the date, and the rows."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Processor, cores, memory, Python."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "?",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux, Python {platform.python_version()}"


def write_table(name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], notes: str) -> None:
    """Write ``results/<name>.md`` and show it."""
    lines = [
        f"# {title}",
        "",
        f"`python benchmarks/{Path(sys.argv[0]).name}`; {machine()}; {datetime.now(UTC).date()}.",
        "",
    ]
    text = "\n".join([*lines, table(columns, rows), "", notes.strip(), ""])
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def write_section(name: str, heading: str, title: str, body: str, command: str) -> None:
    """Write one section of ``results/<name>.md``, under ``## title``; the others stay as they are."""
    path = RESULTS / f"{name}.md"
    RESULTS.mkdir(exist_ok=True)
    # Read at the last moment: another section may have been written meanwhile.
    written = path.read_text() if path.is_file() else ""
    parts = dict(re.findall(r"^(## .+?)\n\n(.*?)(?=\n\n## |\Z)", written, re.MULTILINE | re.DOTALL))
    parts[f"## {title}"] = f"`python benchmarks/{command}`; {datetime.now(UTC).date()}.\n\n{body.strip()}"
    lead = f"{machine()}. Brackets are 95 % intervals over n repeats."
    sections = [f"{title}\n\n{text.strip()}" for title, text in parts.items()]
    path.write_text("\n\n".join([f"# {heading}", lead, *sections]) + "\n")


def run_sections(sections: Mapping[str, Callable[[], tuple[str, str]]], name: str, heading: str) -> None:
    """Make the sections named on the command line, or all; write each at once, unless ``--quick`` is given."""
    for chosen in [word for word in sys.argv[1:] if word in sections] or list(sections):
        title, body = sections[chosen]()
        print(f"## {title}\n\n{body}\n", flush=True)
        if "--quick" not in sys.argv:
            write_section(name, heading, title, body, f"{Path(sys.argv[0]).name} {chosen}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def write_plot(name: str, xlabel: str, ylabel: str, lines: dict[str, tuple[Sequence[float], Sequence[float]]]) -> None:
    """Write ``results/<name>.svg``: how cost grows, on logarithmic axes."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = name
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for label, (x, y) in lines.items():
        axes.loglog(x, y, marker="o", label=label)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")


def best_of(job: Callable[[], object], repeats: int = 3, enough: float = 20) -> float:
    """Seconds of the fastest run; a run that took long ``enough`` is the last."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
        if seconds[-1] > enough:
            break
    return min(seconds)


def peak_of(job: Callable[[], object]) -> float:
    """Most memory held at one time above what was there before, MB."""
    tracemalloc.start()
    job()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median with smallest and largest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def repeat(times: int, job: Callable[[], float]) -> list[float]:
    """What ``job`` measures, ``times`` times."""
    return [job() for _ in range(times)]


def interval(values: Sequence[float], digits: int = 2) -> str:
    """Mean with Student's 95 % interval over repeats."""
    from scipy.stats import t

    n, mean = len(values), sum(values) / len(values)
    if n == 1:
        return f"{mean:,.{digits}f}"
    half = float(t.ppf(0.975, n - 1)) * math.sqrt(sum((x - mean) ** 2 for x in values) / (n - 1) / n)
    return f"{mean:,.{digits}f} [{mean - half:,.{digits}f}, {mean + half:,.{digits}f}]"


def ratio(above: Sequence[float], below: Sequence[float], digits: int = 1) -> str:
    """Geometric mean of paired ratios with Student's 95 % interval, on the logarithm."""
    from scipy.stats import t

    logs = [math.log(a / b) for a, b in zip(above, below, strict=False)]
    n, mean = len(logs), sum(logs) / len(logs)
    if n == 1:
        return f"{math.exp(mean):,.{digits}f}"
    half = float(t.ppf(0.975, n - 1)) * math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1) / n)
    low, high = math.exp(mean - half), math.exp(mean + half)
    return f"{math.exp(mean):,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"
