"""Embodied tasks: success of the suites, the memory ladder, baselines, grippers, noise, occlusion, and speed.

python benchmarks/bench_embodied.py                              # all sections into benchmarks/results/embodied.md
python benchmarks/bench_embodied.py ladder noise --seeds 10      # some, with fewer episodes of each task
python benchmarks/bench_embodied.py --quick --seeds 2            # writes nothing

The tasks are our re-creation of RoboStream's (its assets were not released); figures are not comparable with the
paper's one by one. Intervals of proportions are Wilson's; p is McNemar's exact test on the same episodes.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _table import run_sections, table
from embodied_watching import clutter, identity

from edgewise.embodied.job import EmbodiedConfig, run_suite
from edgewise.embodied.play import Arm, Setting, perception, play
from edgewise.embodied.report import called, shown
from edgewise.embodied.tasks.suites import SUITES, suite
from edgewise.scene import Memory
from edgewise.scene.perception.noise import SensorNoise
from edgewise.scene.worlds.hand import Carry
from edgewise.scene.worlds.spec import WorldSpec, cube, cuboid, cup
from edgewise.scene.worlds.world import World
from edgewise.stats import proportion

SEEDS = int(sys.argv[sys.argv.index("--seeds") + 1]) if "--seeds" in sys.argv else 25
ROOT = 1  # of all seeds: episodes that nothing was tuned on (the tasks were developed on those of 0)
CORES = len(os.sched_getaffinity(0))
FULL, SCENE_GRAPH, VALUE_MAP, ORACLE = (
    Arm("symbolic", "full"),
    Arm("scene_graph", "none"),
    Arm("value_map", "none"),
    Arm("oracle", "full"),
)
LADDER = tuple(Arm("symbolic", name) for name in ("full", "graph", "stf", "last_seen", "history", "none"))
TEXT = tuple(task.name for task in suite("long-horizon") if not task.make(0).goal.image)
_LOCATED = 0.05  # metres


def play_all(
    tasks: Sequence[str], arms: Sequence[Arm] = (FULL,), seeds: int = SEEDS, **setting: Any
) -> tuple[dict[str, Any], float]:
    """The summary of a run with its arms, and the seconds that it took on all cores."""
    config = EmbodiedConfig(tasks=tuple(tasks), arms=tuple(arms), setting=Setting(**setting), seeds=seeds, jobs=CORES)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        summary = run_suite(config, Path(folder) / "run", seed=ROOT).summary
    seconds = time.perf_counter() - started
    if "arms" not in summary:
        summary = {"arms": {str(arms[0]): summary}, "differences": {}}
    return summary, seconds


def told(seconds: float) -> str:
    return f"{SEEDS} episodes of each task; {seconds / 60:.1f} minutes on {CORES} cores."


def by_task(summary: dict[str, Any]) -> str:
    """Tasks down, arms across, the mean below."""
    arms = summary["arms"]
    names = list(next(iter(arms.values()))["tasks"])
    rows = [
        (name.replace("_", " "), *(shown(arm["tasks"][name]["success"]) for arm in arms.values())) for name in names
    ]
    rows.append(("**all**", *(f"**{shown(arm['mean'])}**" for arm in arms.values())))
    differences = summary["differences"]
    if differences:
        rows.append(("first less this one", "", *(f"{shown(d)}, p={d['p']:.1g}" for d in differences.values())))
    return table(("task", *(["success"] if len(arms) == 1 else (called(name, arms) for name in arms))), rows)


def of_memory(scores: dict[str, Any]) -> str:
    """The memory's figures as lines."""
    named = {"permanence": "hidden objects located", "unknown": "said to be unknown", "error": "error, m",
             "precision": "event precision", "recall": "event recall", "cause": "causes right",
             "switches": "identity switches an episode"}  # fmt: skip
    rows = [(words, shown(scores[name], ".4f" if name == "error" else ".3f")) for name, words in named.items()]
    kinds = [name.partition("/")[2] for name in scores if name.startswith("precision/")]
    for kind in kinds:
        both = (shown(scores[f"{share}/{kind}"], ".3f") for share in ("precision", "recall"))
        rows.append((f"{kind}: precision; recall", "; ".join(both)))
    return table(("memory against the truth", "value"), rows)


def beside(name: str, arms: Sequence[Arm], title: str) -> tuple[str, str]:
    """A suite played by some arms, with the first one's memory scored."""
    summary, seconds = play_all((name,), arms)
    first = next(iter(summary["arms"].values()))
    body = f"{by_task(summary)}\n\n{told(seconds)} Default noise, classical perception, welded grasps.\n\n"
    return title, body + of_memory(first["scores"])


def long_horizon() -> tuple[str, str]:
    return beside("long-horizon", (FULL,), "Long-horizon tasks, symbolic planner with full memory")


def hide_and_restore() -> tuple[str, str]:
    return beside("hide-and-restore", (FULL, SCENE_GRAPH), "Hide and restore, beside the stateless baseline")


def adversarial() -> tuple[str, str]:
    return beside("adversarial", (FULL, LADDER[-1], SCENE_GRAPH), "Adversarial permanence, beside stateless arms")


def families() -> tuple[str, str]:
    """Building and disassembly."""
    summary, seconds = play_all(("building", "disassembly"), (FULL, SCENE_GRAPH))
    return "Building and disassembly", f"{by_task(summary)}\n\n{told(seconds)}"


def ladder() -> tuple[str, str]:
    """Every rung on the tasks with text goals, at one budget of tokens."""
    summary, seconds = play_all((*TEXT, "hide-and-restore"), LADDER)
    body = f"{by_task(summary)}\n\n{told(seconds)} Every rung may tell at most 1,500 tokens of facts."
    return "Memory ladder, symbolic planner", body


def planners() -> tuple[str, str]:
    summary, seconds = play_all(("long-horizon",), (FULL, SCENE_GRAPH, VALUE_MAP))
    return "Planners side by side on the long-horizon tasks", f"{by_task(summary)}\n\n{told(seconds)}"


def oracle() -> tuple[str, str]:
    """What tasks and executor allow at most."""
    summary, seconds = play_all(SUITES, (ORACLE,))
    return "Oracle: the symbolic planner on the truth, all tasks", f"{by_task(summary)}\n\n{told(seconds)}"


def grippers() -> tuple[str, str]:
    rows, spent = [], 0.0
    for title, setting in (
        ("weld", {}),
        ("weld, a tenth of grasps slip", {"slip": 0.1}),
        ("friction", {"gripper": "friction"}),
    ):
        summary, seconds = play_all(("long-horizon",), **setting)
        arm = summary["arms"][str(FULL)]
        spent += seconds
        worst = min(arm["tasks"].items(), key=lambda item: item[1]["success"]["value"])
        rows.append((title, shown(arm["mean"]), f"{worst[0].replace('_', ' ')} {shown(worst[1]['success'])}",
                     *(shown(arm["scores"][name]) for name in ("precision", "recall"))))  # fmt: skip
    columns = ("gripper", "success", "hardest task", "event precision", "event recall")
    return "Grippers, long-horizon tasks", f"{table(columns, rows)}\n\n{told(spent)}"


def noise() -> tuple[str, str]:
    """Success and the memory's figures against the errors of camera and segmenter."""
    rows, spent = [], 0.0
    for factor in (0.0, 0.5, 1.0, 2.0, 4.0):
        summary, seconds = play_all((*TEXT, "hide-and-restore"), noise=factor)
        arm = summary["arms"][str(FULL)]
        spent += seconds
        figures = (shown(arm["scores"][name]) for name in ("permanence", "precision", "recall", "cause", "switches"))
        depth = f"{1000 * SensorNoise().depth * factor:g} mm"
        rows.append((f"{factor:g} ×", depth, shown(arm["mean"]), *figures, shown(arm["scores"]["error"], ".4f")))
    columns = ("noise", "depth at 0.9 m", "success", "hidden located", "event precision", "event recall",
               "causes right", "switches an episode", "error, m")  # fmt: skip
    return "Noise: text tasks and hide and restore, full memory", f"{table(columns, rows)}\n\n{told(spent)}"


def occlusion() -> tuple[str, str]:
    """Where a hidden thing is believed to be after it has been out of sight for a time."""
    rows = []
    for name, script in OCCLUSIONS.items():
        for seconds in (2.0, 10.0, 30.0, 60.0):
            errors = [_hidden(script, seconds, seed) for seed in range(SEEDS)]
            found = [error for error in errors if math.isfinite(error)]
            located = proportion(sum(error <= _LOCATED for error in errors), len(errors))
            median = f"{1000 * float(np.median(found)):.1f}" if found else "–"
            rows.append((name, f"{seconds:g}", str(located), median, f"{1000 * max(found):.1f}" if found else "–"))
    columns = ("how", "seconds out of sight", "located within 5 cm", "median error, mm", "largest, mm")
    body = (
        table(columns, rows) + "\n\nClassical perception at default noise, 5 frames a second; somebody's hand hides it."
    )
    return "Occlusion: permanence against its length", body


OCCLUSIONS: dict[str, tuple[Carry, ...]] = {
    "under a cup": (Carry("cup", "red"),),
    "under a cup that was slid 20 cm": (Carry("cup", "red"), Carry("cup", (0.48, -0.2, 0.0), slide=True)),
    "behind a board": (Carry("board", (0.33, 0.0, 0.1)),),
}


def _hidden(script: tuple[Carry, ...], seconds: float, seed: int) -> float:
    """Error in metres of the red cube's place at the end; infinite if none is believed."""
    rng = np.random.default_rng(seed)
    x, y = 0.45 + float(rng.uniform(-0.02, 0.02)), float(rng.uniform(-0.02, 0.02))
    board = cuboid("cyan board", 0.62, 0.2, (0.012, 0.14, 0.1), name="board")
    things = (cube("red", x, y), cube("blue", 0.42, 0.25), cup("grey", 0.6, -0.12, name="cup"), board)
    with World(WorldSpec(things), rng) as world:
        see, memory = perception(world, Setting()), Memory()

        def frame() -> None:
            observation, segmentation = see(world.observe(), rng)
            memory.update(observation, segmentation)

        frame()
        world.hand.perform(script)
        for _ in world.wait(0.4):
            frame()
        while world.hand.busy:
            for _ in world.wait(0.2):
                frame()
        for _ in world.wait(seconds):
            frame()
        (red,) = [fact for fact in memory.objects() if fact.label == "red cube"]
        if red.position is None or red.visibility == "lost":
            return math.inf
        return float(np.linalg.norm(np.array(red.position) - np.array(world.position("red"))))


def speed() -> tuple[str, str]:
    """Seconds of the whole suite, and where they go."""
    summary, seconds = play_all(("long-horizon",))
    arm = summary["arms"][str(FULL)]
    rows: list[tuple[str, str]] = [
        (
            f"8 tasks × {SEEDS} episodes on {CORES} cores, processes started and tables written",
            f"{seconds / 60:.2f} min",
        ),
        ("an episode", f"{arm['seconds']:.2f} s"),
        ("frames a second and process, everything included", f"{arm['fps']:.0f}"),
    ]
    rows += [(f"of which {name}", f"{100 * share:.0f} %") for name, share in _shares().items()]
    return "Speed", table(("what", "value"), rows)


def _shares() -> dict[str, float]:
    """Share of an episode's time by part, over the long-horizon tasks, one seed each."""
    spent: dict[str, float] = {}
    parts = ((World, "observe", "pictures"), (World, "truth", "truth for scores"), (World, "_step", "physics"),
             (Memory, "update", "memory"), (Memory, "facts", "telling facts"))  # fmt: skip
    kept = [(owner, method, getattr(owner, method)) for owner, method, _ in parts]
    from edgewise.embodied.planners.symbolic import SymbolicPlanner
    from edgewise.scene.perception.classical import ClassicalSegmenter

    more = ((ClassicalSegmenter, "__call__", "perception"), (SymbolicPlanner, "decide", "planning"))
    kept += [(owner, method, getattr(owner, method)) for owner, method, _ in more]
    depth = [0]
    for owner, method, name in (*parts, *more):
        setattr(owner, method, _timed(getattr(owner, method), name, spent, depth))
    started = time.perf_counter()
    try:
        for task in suite("long-horizon"):
            play(task.name, 0, FULL, Setting())
    finally:
        for owner, method, plain in kept:
            setattr(owner, method, plain)
    whole = time.perf_counter() - started
    shares = {name: seconds / whole for name, seconds in sorted(spent.items(), key=lambda item: -item[1])}
    return shares | {"the rest": 1 - sum(shares.values())}


def _timed(plain: Callable[..., Any], name: str, spent: dict[str, float], depth: list[int]) -> Callable[..., Any]:
    """The same function; its time counts for it unless it is called by another one that is timed."""

    def timed(*args: Any, **fields: Any) -> Any:
        depth[0] += 1
        started = time.perf_counter()
        try:
            return plain(*args, **fields)
        finally:
            depth[0] -= 1
            if depth[0] == 0:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - started

    return timed


if __name__ == "__main__":
    run_sections(
        {
            "long_horizon": long_horizon,
            "hide_and_restore": hide_and_restore,
            "adversarial": adversarial,
            "families": families,
            "ladder": ladder,
            "planners": planners,
            "oracle": oracle,
            "grippers": grippers,
            "noise": noise,
            "occlusion": occlusion,
            "identity": lambda: identity(SEEDS),
            "clutter": lambda: clutter(SEEDS),
            "speed": speed,
        },
        "embodied",
        "Embodied tasks, memory ladder and memory against the truth",
    )
