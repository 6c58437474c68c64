"""Pictures, perception and memory of the scene room: speed and errors, measured against the simulator's truth.

OMP_NUM_THREADS=1 python benchmarks/bench_scene.py             # all sections, into benchmarks/results/scene.md
OMP_NUM_THREADS=1 python benchmarks/bench_scene.py memory      # that section alone; also: rendering, perception,
                                                               # accuracy, noise
OMP_NUM_THREADS=1 python benchmarks/bench_scene.py --quick     # a trial with few frames; writes nothing

Times are of one process on one core; the machine should do nothing else. Accuracy is measured on whole episodes that
the symbolic planner plays with what the classical segmenter sees.
"""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from _table import run_sections, table
from scipy.optimize import linear_sum_assignment

from edgewise.embodied.agent import run_scenario
from edgewise.embodied.arms import find_arm
from edgewise.embodied.planners.find import find_planner
from edgewise.embodied.tasks.suites import TASKS
from edgewise.scene.memory import Memory
from edgewise.scene.perception import ClassicalSegmenter, SensorNoise, SimulatorMasks
from edgewise.scene.perception.noise import sense
from edgewise.scene.types import Kind, Observation, Segmentation
from edgewise.scene.worlds.spec import STILL, Thing, WorldSpec, ball, cube, cylinder, prism
from edgewise.scene.worlds.world import World
from edgewise.stats.intervals import mean_estimate, proportion

QUICK = "--quick" in sys.argv
SEEDS = 1 if QUICK else 2
LONG = 300 if QUICK else 10_000  # frames of a still scene
VISIBLE = 60  # pixels of a thing from which its label is scored
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "cyan", "brown")


def crowd(count: int) -> WorldSpec:
    """So many small things of different colours and forms on a grid."""
    makers: tuple[Callable[..., Thing], ...] = (cube, cylinder, prism, ball)
    things = []
    for k in range(count):
        x, y = 0.34 + 0.06 * (k % 5), -0.25 + 0.1 * (k // 5)
        things.append(makers[k % 4](COLOURS[(k + k // 5) % 8], x, y, name=f"thing {k}"))
    return WorldSpec(tuple(things))


def milliseconds(job: Callable[[], object], repeats: int) -> np.ndarray:
    seconds = np.empty(repeats)
    for k in range(repeats):
        start = time.perf_counter()
        job()
        seconds[k] = time.perf_counter() - start
    return seconds * 1e3


def quantiles(values: np.ndarray) -> str:
    return f"{np.median(values):.1f} ({np.percentile(values, 5):.1f} to {np.percentile(values, 95):.1f})"


def rendering() -> tuple[str, str]:
    """Pictures while time passes, and pictures alone."""
    rows = []
    for count in (6, 20, 30):
        for shadows in (False, True):
            with World(replace(crowd(count), shadows=shadows), size=(320, 240), randomise=STILL) as world:
                rates = []
                world.observe(), world.segmentation()

                def triplets(world: World = world, frames: int = 20 if QUICK else 200, rate: bool = True) -> float:
                    start = time.perf_counter()
                    if rate:
                        for _ in world.wait(frames / 5):
                            world.observe(), world.segmentation()
                    else:
                        for _ in range(frames):
                            world.observe(), world._boxes.map_of_geom[world._draw().geoms(world._data)]
                    return frames / (time.perf_counter() - start)

                rates = [[triplets(rate=rate) for _ in range(3)] for rate in (False, True)]
            cells = [f"{np.median(r):.0f} ({min(r):.0f} to {max(r):.0f})" for r in rates]
            rows.append([count, "on" if shadows else "off", *cells])
    note = (
        "Colour, depth and exact masks at 320x240, drawn on the CPU: frames per second, median of three runs with "
        "least and greatest. The last column also simulates: 50 physics steps between two pictures, five pictures per "
        "simulated second."
    )
    body = table(["things", "shadows", "pictures alone", "pictures and physics"], rows)
    return "Rendering", f"{body}\n\n{note}"


def perception() -> tuple[str, str]:
    """Time of a frame by the number of things."""
    rows = []
    for count in (10, 20, 30):
        with World(crowd(count), 0) as world:
            observation = world.observe()
        rng = np.random.default_rng(0)
        segmenter, noise = ClassicalSegmenter(), SensorNoise()
        found = len(segmenter.segment(sense(observation, noise, rng)).detections)
        repeats = 10 if QUICK else 300
        adding = milliseconds(lambda o=observation, r=rng: sense(o, SensorNoise(), r), repeats)  # type: ignore[misc]
        noisy = [sense(observation, noise, rng) for _ in range(repeats)]
        alone = milliseconds(lambda s=segmenter, f=noisy: s.segment(f.pop()), repeats)  # type: ignore[misc]
        rows.append([count, found, quantiles(alone), f"{np.median(adding):.1f}"])
    note = (
        "Milliseconds per frame of 320x240, median with 5th and 95th percentile; every frame has fresh noise. Adding "
        "the sensor's noise belongs to the simulation and is timed by itself."
    )
    body = table(["things on the table", "found", "classical segmenter", "adding noise"], rows)
    return "Perception: time", f"{body}\n\n{note}"


@dataclass
class Scores:
    """Detections of whole episodes against the truth, each with the number of its episode."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    frames: int = 0
    spurious: int = 0
    twice: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, world: World, observation: Observation, found: Segmentation, episode: int) -> None:
        """Score one frame. A thing is matched to the detection that overlaps it most, one to one."""
        truth, exact = world.truth(), world.segmentation()
        n, m = len(exact.detections), len(found.detections)
        a, b = np.maximum(exact.map, 0).astype(int), np.maximum(found.map, 0).astype(int)
        both = np.bincount((a * (m + 1) + b).ravel(), minlength=(n + 1) * (m + 1)).reshape(n + 1, m + 1)
        mine, theirs = both.sum(axis=1)[1:], both.sum(axis=0)[1:]
        shared = both[1:, 1:]
        iou = shared / np.maximum(mine[:, None] + theirs[None] - shared, 1)
        pairs = {int(i): int(j) for i, j in zip(*linear_sum_assignment(-iou), strict=True) if iou[i, j] > 0.1}
        self.frames += 1
        for j in set(range(m)) - set(pairs.values()):
            if theirs[j] and shared[:, j].max(initial=0) > 0.5 * theirs[j]:
                self.twice += 1
            else:
                self.spurious += 1
        for k, detection in enumerate(exact.detections):
            if mine[k] < VISIBLE:
                continue
            j = pairs.get(k)
            self.rows.append(
                {
                    "episode": episode,
                    "noun": detection.label.split()[-1],
                    "found": j is not None,
                    "right": j is not None and found.detections[j].label == detection.label,
                    "iou": 0.0 if j is None else float(iou[k, j]),
                    "off": np.nan if j is None else _apart(observation, exact.map == k + 1, found.map == j + 1),
                    "where": _situations(truth, k) if k < len(truth.names) else (),
                }
            )


def _apart(observation: Observation, mask: np.ndarray, other: np.ndarray) -> float:
    """Distance of the median points of two masks, millimetres."""
    middles = []
    for region in (mask, other):
        rows, columns = np.nonzero(region & (observation.depth > 0))
        if not len(rows):
            return float("nan")
        points = observation.camera.back_project(rows, columns, observation.depth[rows, columns].astype(float))
        middles.append(np.median(points, axis=0))
    return float(np.linalg.norm(middles[0] - middles[1]) * 1e3)


def _situations(truth: Any, k: int) -> tuple[str, ...]:
    name, found = truth.names[k], []
    if truth.visible[k] < 0.9:
        found.append("partly hidden" if truth.visible[k] >= 0.5 else "more than half hidden")
    if truth.by_robot[k] > 0.05:
        found.append("behind the gripper")
    if truth.held == name:
        found.append("held")
    if name in truth.inside:
        found.append("in a bin")
    if truth.on.get(name, "table") != "table" or name in truth.on.values():
        found.append("in a stack")
    for pair in truth.contacts:
        other = next((n for n in pair if n != name), name)
        if name in pair and other in truth.names:
            both = [truth.labels[truth.names.index(n)].split()[0] for n in (name, other)]
            found.append("touching its own colour" if both[0] == both[1] else "touching")
            break
    return tuple(found) or ("alone and in full view",)


def play(noise: SensorNoise | None, seeds: int) -> Scores:
    """Every task with every seed, by the symbolic planner with full memory."""
    scores, episode = Scores(), 0
    for task in TASKS:
        for seed in range(seeds):
            episode += 1
            scenario = task.make(seed)
            with World(scenario.spec, seed) as world:
                segmenter = ClassicalSegmenter(noise=noise, robot=world.robot)

                def see(
                    observation: Observation,
                    rng: np.random.Generator,
                    s: Any = segmenter,
                    w: World = world,
                    e: int = episode,
                ) -> tuple[Observation, Segmentation]:
                    start = time.perf_counter()
                    seen, found = s(observation, rng)
                    scores.seconds.append(time.perf_counter() - start)
                    scores.add(w, seen, found, e)
                    return seen, found

                rng = np.random.default_rng(seed)
                run_scenario(scenario, world, find_planner("symbolic"), find_arm("full"), see, rng, seed=seed)
        print(f"{task.name}: {scores.frames} frames", file=sys.stderr, flush=True)
    return scores


def share(rows: list[dict[str, Any]], key: str) -> str:
    """A share with its interval; frames of one episode belong together."""
    found = mean_estimate([float(row[key]) for row in rows], [row["episode"] for row in rows])
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def line(name: str, rows: list[dict[str, Any]]) -> list[object]:
    off = [row["off"] for row in rows]
    ious = [row["iou"] for row in rows]
    return [
        name, len(rows), share(rows, "right"), sum(not row["found"] for row in rows),
        f"{np.median(ious):.3f}", f"{np.percentile(ious, 5):.2f}",
        f"{np.nanmedian(off):.1f} / {np.nanpercentile(off, 95):.1f}",
    ]  # fmt: skip


def accuracy() -> tuple[str, str]:
    """Labels, masks and false alarms over whole episodes, without and with noise."""
    heads = ["", "n", "label right [95 %]", "missed", "IoU", "5th percentile", "centroid off, mm (median / 95th)"]
    parts, alarms = [], []
    of_frame = SensorNoise(missed=0, confusion=0)  # those two are put in on purpose and need no measuring
    for name, noise in (("Exact depth", None), ("Default noise", of_frame), ("Twice the noise", of_frame.scaled(2))):
        scores = play(noise, SEEDS)
        rows = [line("all", scores.rows)]
        nouns, situations = defaultdict(list), defaultdict(list)
        for row in scores.rows:
            nouns[row["noun"]].append(row)
            for where in row["where"]:
                situations[where].append(row)
        rows += [line(noun, found) for noun, found in sorted(nouns.items())]
        rows += [line(f"*{where}*", found) for where, found in sorted(situations.items())]
        parts.append(f"### {name}\n\n{table(heads, rows)}")
        for what, count in (("of nothing", scores.spurious), ("second one of a thing", scores.twice)):
            rate = proportion(min(count, scores.frames), scores.frames)
            alarms.append(
                [
                    name,
                    what,
                    count,
                    scores.frames,
                    f"{rate.value * 1e3:.2f} [{rate.low * 1e3:.2f}, {rate.high * 1e3:.2f}]",
                ]
            )
    episodes = len(TASKS) * SEEDS
    note = (
        f"{episodes} episodes (every task, {SEEDS} seeds), every frame. A thing counts in a frame if at least "
        f"{VISIBLE} of its pixels are seen. Intervals are over episodes. IoU is the median intersection over union."
    )
    alarm = table(["", "false detections", "count", "frames", "per 1,000 frames [95 %]"], alarms)
    return "Perception: accuracy", "\n\n".join([note, *parts, f"### False detections\n\n{alarm}"])


def _still(count: int) -> tuple[Observation, Segmentation, Observation, Segmentation]:
    """A crowd, and the same with one thing moved aside."""
    spec = crowd(count)
    frames: list[Any] = []
    for shift in (0.0, 0.06):
        first = replace(spec.things[0], position=(0.34, -0.25 - shift / 2, 0.02))
        with World(WorldSpec((first, *spec.things[1:])), 0, randomise=STILL) as world:
            frames += [world.observe(), world.segmentation()]
    return tuple(frames)  # type: ignore[return-value]


def memory() -> tuple[str, str]:
    """Time of an update by the number of things, and over a long life."""
    rows = []
    for count in (5, 10, 20, 30):
        here, masks, there, other = _still(count)
        rng, mind = np.random.default_rng(0), Memory()
        noise = SensorNoise(missed=0, confusion=0)
        frames = []
        for k in range(40):
            observation, segmentation = (here, masks) if k < 20 else (there, other)
            frames.append(SimulatorMasks(lambda s=segmentation: s, noise)(observation, rng))  # type: ignore[misc]
        spent = np.empty(LONG)
        for k in range(LONG):
            # For 100 frames at one place, then for 100 at the other: the log grows.
            observation, segmentation = frames[20 * (k // 100 % 2) + k % 20]
            observation = replace(observation, time=0.2 * k)
            start = time.perf_counter()
            mind.update(observation, segmentation)
            spent[k] = time.perf_counter() - start
        part = max(LONG // 10, 1)
        spent *= 1e3
        moves = sum(event.kind == Kind.MOVE for event in mind.events)
        rows.append(
            [count, quantiles(spent), f"{np.median(spent[:part]):.2f}", f"{np.median(spent[-part:]):.2f}", moves]
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = (
        f"Milliseconds per update, median with 5th and 95th percentile, over {LONG:,} frames of 320x240 with exact "
        "masks and default noise of depth and edges; the first and the last tenth by themselves. One thing moves every "
        f"100 frames. Greatest memory of the process {peak:.0f} MB."
    )
    heads = ["things", "update", "first tenth", "last tenth", "moves logged"]
    return "Memory: time", f"{table(heads, rows)}\n\n{note}"


def noise() -> tuple[str, str]:
    """Events that a still scene gives rise to."""
    rows = []
    only_depth = SensorNoise(dropout=0, edge_dropout=0, boundary=0, missed=0, confusion=0)
    for name, errors in (
        ("depth 2 mm", only_depth),
        ("default", SensorNoise()),
        ("twice the default", SensorNoise().scaled(2)),
    ):
        for how in ("masks", "classical"):
            with World(crowd(12), 0) as world:
                observation, exact = world.observe(), world.segmentation()
            see = SimulatorMasks(lambda s=exact: s, errors) if how == "masks" else ClassicalSegmenter(noise=errors)  # type: ignore[misc]
            rng, mind = np.random.default_rng(0), Memory()
            for k in range(LONG):
                seen, found = see(replace(observation, time=0.2 * k), rng)
                mind.update(seen, found)
            kinds = Counter(event.kind for event in mind.events if event.kind != Kind.INITIALISE)
            rate = proportion(min(kinds[Kind.MOVE], LONG), LONG)
            others = (
                ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()) if kind != Kind.MOVE) or "none"
            )
            rows.append([name, how, LONG, kinds[Kind.MOVE], f"{rate.high * 1e3:.2f}", others])
        print(f"noise: {name}", file=sys.stderr, flush=True)
    note = "Twelve things that nobody touches: every event after the first look is false. Every frame has fresh noise."
    heads = ["noise", "perception", "frames", "false MOVE", "at most per 1,000 frames (95 %)", "other events"]
    return "Memory: a still scene", f"{table(heads, rows)}\n\n{note}"


if __name__ == "__main__":
    sections = {f.__name__: f for f in (rendering, perception, accuracy, memory, noise)}
    run_sections(sections, "scene", "The scene room: pictures, perception, memory")
