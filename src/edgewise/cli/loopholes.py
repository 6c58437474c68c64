"""``edgewise loopholes``: games to train on, studies of what is learned, audits and monitors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.loopholes_audit import audit
from edgewise.cli.loopholes_monitor import monitor
from edgewise.cli.output import AsJson, finish_run, pairs, print_json, print_section, stderr_console, stdout_console
from edgewise.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from edgewise.loopholes.study.job import StudyConfig, StudyRun

loopholes = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="What a model learns to exploit, and how to know before training.",
)
Game = Annotated[str, typer.Argument(help="`edgewise loopholes list` has them.", show_default=False)]
Seeds = Annotated[int, typer.Option(min=2, max=64, help="Policies that are trained side by side.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Updates of a training.  [default: the game's own]")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A parameter of the game, NAME=VALUE (repeatable).")]
Rate = Annotated[float | None, typer.Option(min=0, help="Learning rate.  [default: .002; with TRL 1e-6]")]
Divergence = Annotated[float, typer.Option(min=0, help="Cost of a nat of divergence from the start.")]
Lessons = Annotated[int, typer.Option(min=1, help="Steps of imitation that a start has, for each lesson of a game.")]
Seed = Annotated[int, typer.Option(min=0, help="Base of all draws.")]
Out = Annotated[Path | None, typer.Option(help="The run's folder.  [default: runs/DATE-NAME-N]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    loopholes.command("audit")(audit)
    loopholes.command("monitor")(monitor)
    app.add_typer(loopholes, name="loopholes")


@loopholes.command("list")
def list_games(as_json: AsJson = False) -> None:
    """The games, what they pay for, and what honest and exploiting play are worth."""
    from edgewise.loopholes.tokens.games import TOKEN_GAMES

    rows: list[dict[str, Any]] = []
    for name, game in TOKEN_GAMES.items():
        about = (game.__doc__ or "").partition("\n\n")[0].replace("``", "").split()
        ends = {"honest_optimum": game().honest_optimum(), "exploit_optimum": game().exploit_optimum()}
        rows.append({"name": name, "about": " ".join(about), **{key: best.as_data() for key, best in ends.items()}})
    if as_json:
        print_json({"games": rows})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("game", "in small", "honest: reward, true", "exploit: reward, true"):
        table.add_column(column, overflow="fold")
    for row in rows:
        both = (row["honest_optimum"], row["exploit_optimum"])
        table.add_row(row["name"], row["about"], *(f"{e['reward']:.2f}, {e['true_performance']:.2f}" for e in both))
    console = stdout_console()
    console.print(table, markup=False)
    console.print("\nNext: edgewise loopholes train tampering --control secure", markup=False)


@loopholes.command("train")
def train(
    game: Game,
    backend: Annotated[Literal["tiny", "trl"], typer.Option(help="Small policies, or a language model.")] = "tiny",
    seeds: Seeds = 8,
    steps: Steps = None,
    settings: Settings = None,
    control: Annotated[
        list[str] | None, typer.Option(help="Train this too: secure, shuffled or banned (repeatable).")
    ] = None,
    lr: Rate = None,
    kl: Divergence = 0.0,
    lessons: Lessons = 100,
    model: Annotated[str | None, typer.Option(help="With TRL: `embedded`, or a local folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="With TRL: YAML with all settings; options win.")] = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train on a game and see when the exploit emerges, and what becomes of the intended performance."""
    if backend == "trl":
        if control:
            raise BadInput("controls are trained by the tiny backend", field="control", fix="--set secure=true instead")
        given = {
            "steps": steps,
            "lr": lr,
            "beta": kl or None,
            "model": model,
            "options": pairs(settings or [], "--set") or None,
        }
        _train_trl(
            game, {name: value for name, value in given.items() if value is not None}, config, seed, out, as_json
        )
        return
    for name, value in (("model", model), ("config", config)):
        if value is not None:
            raise BadInput("it is for the backend trl", field=name, fix="add --backend trl")
    options = {
        "study": "train",
        "games": (game,),
        "options": pairs(settings or [], "--set"),
        "controls": tuple(control or ()),
    }
    _study(options, seeds, steps, lr, kl, lessons, seed, out, as_json)


@loopholes.command("transfer")
def transfer(
    games: Annotated[list[str] | None, typer.Argument(help="Which games.  [default: all four]")] = None,
    seeds: Seeds = 8,
    steps: Steps = None,
    lr: Rate = None,
    kl: Divergence = 0.0,
    lessons: Lessons = 100,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train on each game, then on each other: does one exploit help to find the next?"""
    from edgewise.loopholes.tokens.games import TOKEN_GAMES

    chosen = tuple(games or TOKEN_GAMES)
    _study({"study": "transfer", "games": chosen}, seeds, steps, lr, kl, lessons, seed, out, as_json)


@loopholes.command("distil")
def distil(
    game: Game,
    seeds: Seeds = 8,
    steps: Steps = None,
    settings: Settings = None,
    lr: Rate = None,
    kl: Divergence = 0.0,
    lessons: Lessons = 100,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Let students imitate a policy that exploits, with and without filters, and unlearn both."""
    options = {"study": "distil", "games": (game,), "options": pairs(settings or [], "--set")}
    _study(options, seeds, steps, lr, kl, lessons, seed, out, as_json)


@loopholes.command("mitigate")
def mitigate(
    game: Game,
    seeds: Seeds = 8,
    steps: Steps = None,
    settings: Settings = None,
    lr: Rate = None,
    kl: Divergence = 0.0,
    lessons: Lessons = 100,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train under each mitigation: what it prevents, and what it costs in intended performance."""
    options = {"study": "mitigate", "games": (game,), "options": pairs(settings or [], "--set")}
    _study(options, seeds, steps, lr, kl, lessons, seed, out, as_json)


def _study(
    options: dict[str, Any], seeds: int, steps: int | None, lr: float | None, kl: float, lessons: int, seed: int,
    out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    from importlib.util import find_spec

    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.core.records import parse_options
    from edgewise.loopholes.study.job import StudyConfig, study

    if find_spec("torch") is None:
        raise MissingExtra("training with torch", "local")
    grpo: dict[str, Any] = {"kl": kl} if lr is None else {"kl": kl, "lr": lr}
    options |= {"seeds": seeds, "start": {"steps": lessons}, "train": {"steps": steps, "grpo": grpo}}
    config: StudyConfig = parse_options(StudyConfig, options, what="options").checked()
    folder = out if out is not None else fresh_folder(f"{config.study}-{config.games[0]}")
    with progress_shown(folder, stderr_console()):
        done = study(config, folder, seed=seed)
    finish(done, as_json=as_json)


def finish(done: StudyRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave."""
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    """The study's lead and its tables, as in the report."""
    from edgewise.core.run import Run
    from edgewise.loopholes.study.report import build_section

    print_section(build_section(Run.open(summary["run"])))


def _train_trl(
    game: str, given: dict[str, Any], config: Path | None, seed: int, out: Path | None, as_json: bool
) -> None:
    from edgewise.cli.checkup import fresh_folder
    from edgewise.cli.progress import progress_shown
    from edgewise.cli.training_options import base_place, needs_training
    from edgewise.core.files import read_yaml
    from edgewise.core.records import parse_options
    from edgewise.loopholes.trl.training import TrlConfig, start_trl

    needs_training()
    read = {} if config is None else read_yaml(config)
    if not isinstance(read, dict):
        raise BadInput("the file must hold settings by name", file=config)
    if read.get("game", game) != game:
        raise BadInput(f"the file is for {read['game']!r}, not {game!r}", file=config, field="game")
    options = {**read, **given, "game": game}
    options["model"] = base_place(str(options.get("model", "embedded")))
    parsed = parse_options(TrlConfig, options, what="options" if config is None else str(config))
    folder = out if out is not None else fresh_folder(f"trl-{game}")
    with progress_shown(folder, stderr_console()):
        summary = start_trl(parsed, folder, seed=seed)
    finish_trl(summary, as_json=as_json)


def finish_trl(summary: dict[str, Any], *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave."""
    finish_run(summary, _print_trl, as_json=as_json)


def _print_trl(summary: dict[str, Any]) -> None:
    from edgewise.loopholes.study.report import shown

    for name in ("reward", "true_performance", "exploit_ratio"):
        stdout_console().print(f"{name.replace('_', ' ')}: {shown(summary[name])}", markup=False)
