"""``edgewise embodied``: tasks at a table in a simulator, what an agent must remember to do them, and how it fared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, finish_run, print_json, print_section, stderr_console, stdout_console
from edgewise.core.errors import BadInput

if TYPE_CHECKING:
    from edgewise.embodied.job import EmbodiedConfig, EmbodiedRun

embodied = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Tasks that need object memory, in a simulator.",
)
_LADDER = ("full", "graph", "stf", "last_seen", "history", "none")
_BASELINES = (("oracle", "full"), ("scene_graph", "none"), ("value_map", "none"))
Planner = Annotated[str, typer.Option(help="symbolic, oracle, scene-graph, value-map, or language with --model.")]
ModelName = Annotated[str | None, typer.Option("--model", help="Of the language planner; see `edgewise models`.")]
Memory = Annotated[str, typer.Option(help="full, none, history, last-seen, stf or graph.")]
Perception = Annotated[Literal["classical", "simulator"], typer.Option(help="A segmenter, or the simulator's masks.")]
Noise = Annotated[float, typer.Option(min=0, help="Errors of camera and segmenter, as a multiple of the default.")]
Gripper = Annotated[Literal["weld", "friction"], typer.Option(help="A grasp holds, or it may slip.")]
Seeds = Annotated[int, typer.Option(min=1, help="Episodes of each task.")]
Seed = Annotated[int, typer.Option(min=0, help="Base of all draws.")]
Budget = Annotated[int, typer.Option(min=100, help="Tokens of facts that the planner is told, whatever its memory.")]
Processes = Annotated[int | None, typer.Option(min=1, help="Episodes at a time.  [default: cores]")]
Record = Annotated[
    int | None, typer.Option(min=0, help="Episodes of each task kept for `watch`.  [default: 1; with a model all]")
]
Limits = Annotated[str, typer.Option(help="Hard limits for the model, e.g. 'tokens=1e5,cost=2.5'.")]
Price = Annotated[str, typer.Option(help="US dollars per million tokens: INPUT,OUTPUT.")]
CacheFile = Annotated[Path | None, typer.Option(help="File that keeps answers from one run to the next.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds until a request counts as failed.")]
ModelArg = Annotated[
    list[str] | None, typer.Option("--model-arg", "-M", help="NAME=VALUE for Inspect's provider (repeatable).")
]
Ray = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster to spread episodes over (auto, local, ray://…).")
]
Out = Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-TASK-N]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(embodied, name="embodied")


@embodied.command("list")
def list_tasks(as_json: AsJson = False) -> None:
    """The tasks, how their goal is given, and what they ask for."""
    from edgewise.embodied.tasks.suites import TASKS

    rows: list[dict[str, Any]] = []
    for task in TASKS:
        goal = task.make(0).goal
        about = " ".join((task.build.__doc__ or "").partition("\n\n")[0].replace("``", "").split())
        guidance = "image" if goal.image else "text"
        rows.append(
            {"task": task.name, "suite": task.suite, "guidance": guidance, "steps": len(goal.steps), "about": about}
        )
    if as_json:
        print_json({"tasks": rows})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("task", "suite", "goal", "steps", "what it tests"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row["task"], row["suite"], row["guidance"], str(row["steps"]), row["about"])
    console = stdout_console()
    console.print(table, markup=False)
    console.print("\nNext: edgewise embodied run long-horizon --seeds 5", markup=False)


@embodied.command("run")
def run(
    tasks: Annotated[list[str], typer.Argument(help="Tasks or suites; `edgewise embodied list` has them; or `all`.")],
    planner: Planner = "symbolic",
    model: ModelName = None,
    memory: Memory = "full",
    perception: Perception = "classical",
    noise: Noise = 1.0,
    gripper: Gripper = "weld",
    seeds: Seeds = 25,
    seed: Seed = 0,
    budget: Budget = 1500,
    record: Record = None,
    processes: Processes = None,
    ray: Ray = None,
    limits: Limits = "",
    price: Price = "",
    cache: CacheFile = None,
    timeout: Timeout = 600.0,
    model_arg: ModelArg = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Play tasks and say how often they are done, and how right the memory was."""
    asked = _asked(model, limits, price, cache, timeout, model_arg)
    options = asked | {
        "tasks": tuple(tasks),
        "arms": ((_planner(planner, model), _memory(memory)),),
        "setting": _setting(perception, noise, gripper, budget),
        "seeds": seeds,
        "keep": _kept(record, model, seeds),
        "jobs": _processes(processes),
        "ray": ray,
    }
    _play(options, seed, out, as_json=as_json)


@embodied.command("ablate")
def ablate(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Tasks or suites.  [default: the text tasks of long-horizon]")
    ] = None,
    planner: Planner = "symbolic",
    model: ModelName = None,
    memory: Annotated[list[str] | None, typer.Option(help="Only these (repeatable); the first is compared.")] = None,
    baselines: Annotated[bool, typer.Option("--baselines", help="Oracle, scene-graph and value-map besides.")] = False,
    perception: Perception = "classical",
    noise: Noise = 1.0,
    gripper: Gripper = "weld",
    seeds: Seeds = 25,
    seed: Seed = 0,
    budget: Budget = 1500,
    record: Record = None,
    processes: Processes = None,
    ray: Ray = None,
    limits: Limits = "",
    price: Price = "",
    cache: CacheFile = None,
    timeout: Timeout = 600.0,
    model_arg: ModelArg = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Play the same episodes with every memory of the ladder, at one budget of tokens."""
    from edgewise.embodied.tasks.suites import suite

    chosen = tuple(tasks or (task.name for task in suite("long-horizon") if not task.make(0).goal.image))
    who = _planner(planner, model)
    arms = [(who, _memory(name)) for name in memory or _LADDER]
    asked = _asked(model, limits, price, cache, timeout, model_arg)
    options = asked | {
        "tasks": chosen,
        "arms": tuple(arms + [arm for arm in _BASELINES if baselines and arm not in arms]),
        "setting": _setting(perception, noise, gripper, budget),
        "seeds": seeds,
        "keep": _kept(record, model, seeds),
        "jobs": _processes(processes),
        "ray": ray,
    }
    _play(options, seed, out, as_json=as_json, name="ladder")


@embodied.command("watch")
def watch(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    task: Annotated[str | None, typer.Option(help="Which task.  [default: the first episode that failed]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Which episode of the task.")] = None,
    arm: Annotated[str | None, typer.Option(help="Whose episode, where several played.")] = None,
    video: Annotated[Path | None, typer.Option(help="Write a film (MP4) too.")] = None,
    out: Annotated[Path | None, typer.Option(help="The page.  [default: TASK-SEED.html in the run's folder]")] = None,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser.")] = True,
    as_json: AsJson = False,
) -> None:
    """Make a page on which an episode can be played: frames, beliefs, events and their causes, plan, why it failed."""
    from edgewise.core.files import write_atomically
    from edgewise.embodied.watching.replay import kept_episode
    from edgewise.embodied.watching.timeline import pictures, timeline
    from edgewise.embodied.watching.video import write_video
    from edgewise.report.html import render_episode
    from edgewise.scene.worlds.render import require_pictures

    found = kept_episode(run, arm, task, seed, ready=require_pictures)
    data = timeline(found.folder)
    page = out or run / f"{found.task}-{found.seed}.html"
    write_atomically(page, render_episode(data, pictures(found.folder)).encode())
    if video is not None:
        write_video(found.folder, video)
    if as_json:
        paths = {"page": str(page), "video": None if video is None else str(video), "episode": str(found.folder)}
        print_json({"task": found.task, "seed": found.seed, "success": data["success"], "why": data["ended"], **paths})
        return
    console = stdout_console()
    console.print(f"{found.task}, seed {found.seed}: {'done' if data['success'] else 'not done'}", markup=False)
    for line in data["ended"]:
        console.print(f"  {line}", markup=False)
    for path in (page, video):
        if path is not None:
            console.print(str(path), markup=False, soft_wrap=True)
    if open_page:
        typer.launch(page.resolve().as_uri())


def _planner(name: str, model: str | None) -> str:
    """A planner's name as the job has it: that of the model where it is one."""
    from edgewise.embodied.planners.find import PLANNERS

    plain = name.replace("-", "_")
    if plain == "language":
        if model is None:
            raise BadInput("a language planner needs a model", field="model", fix="--model SPEC; see `edgewise models`")
        return model
    if plain not in PLANNERS:
        known = ", ".join(one.replace("_", "-") for one in (*PLANNERS, "language"))
        raise BadInput(f"there is no planner {name!r}", field="planner", fix=f"there are: {known}")
    if model is not None:
        raise BadInput("only the language planner asks a model", field="model", fix="add --planner language")
    return plain


def _memory(name: str) -> str:
    return name.replace("-", "_")


def _setting(perception: str, noise: float, gripper: str, budget: int) -> dict[str, Any]:
    seen = "masks" if perception == "simulator" else perception
    return {"perception": seen, "noise": noise, "gripper": gripper, "budget": budget}


def _asked(
    model: str | None, limits: str, price: str, cache: Path | None, timeout: float, model_arg: list[str] | None
) -> dict[str, Any]:
    """Options about the model's calls."""
    from edgewise.cli.checkup import model_args, prices
    from edgewise.models.budget import Limits as Bounds

    if model is None and (limits or price or cache or model_arg):
        raise BadInput("limits, prices, cache and arguments are a model's", field="model", fix="--planner language")
    return {
        "limits": Bounds.parse(limits),
        "prices": prices(price),
        "cache": None if cache is None else str(cache.resolve()),
        "timeout": timeout,
        "model_args": model_args(model_arg or []),
    }


def _kept(record: int | None, model: str | None, seeds: int) -> int:
    """Episodes without a model can be played again at any time; a model's cannot."""
    return record if record is not None else 1 if model is None else seeds


def _processes(given: int | None) -> int:
    import os

    return given or len(os.sched_getaffinity(0))


def _play(options: dict[str, Any], seed: int, out: Path | None, *, as_json: bool, name: str = "") -> None:
    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.embodied.job import EmbodiedConfig, run_suite
    from edgewise.scene.worlds.render import require_pictures

    config: EmbodiedConfig = parse_options(EmbodiedConfig, options, what="options")
    chosen = config.names()
    require_pictures()  # said before anything is written
    folder = out if out is not None else fresh_folder(name or (options["tasks"][0] if options["tasks"] else "embodied"))
    if not as_json:
        episodes = len(chosen) * config.seeds * len(config.arms)
        stderr_console().print(f"tasks: {', '.join(chosen)}; episodes: {episodes}", markup=False)
    with progress_shown(folder, stderr_console()):
        done = run_suite(config, folder, seed=seed)
    finish(done, as_json=as_json)


def finish(done: EmbodiedRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave with the exit code that it deserves."""
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    """The section's lead and its tables, as in the report."""
    from edgewise.core.run import Run
    from edgewise.embodied.report import build_section

    print_section(build_section(Run.open(summary["run"])))
    stdout_console().print(f"\nNext: edgewise embodied watch {summary['run']}", markup=False, soft_wrap=True)
