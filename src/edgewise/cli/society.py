"""``edgewise society`` with ``list``, ``run``, ``matrix`` and ``scan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgewise.cli.output import AsJson, finish_run, pairs, print_json, stderr_console, stdout_console

if TYPE_CHECKING:
    from edgewise.society.job import SocietyRun

_AGENTS = "learning, exact, scripted, null or a model; one for all seats or one for each, with commas."
_SHOWN = 14

society = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="What a group of agents does and no single one would.",
)
Ray = Annotated[str | None, typer.Option(help="Address of a Ray cluster to spread trials over (auto, local, ray://…).")]
Seeds = Annotated[int, typer.Option(min=2, help="How many trials.")]
Seed = Annotated[int, typer.Option(min=0, help="Base of all draws.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(society, name="society")


@society.command("list")
def list_scenarios(as_json: AsJson = False) -> None:
    """The scenarios, their risks, and who can play them without a model."""
    from edgewise.society.scenarios import SCENARIOS, scenario_class

    found = [scenario_class(name) for name in SCENARIOS]
    if as_json:
        scenarios = [
            {
                "name": s.name,
                "risk": s.risk,
                "title": s.title,
                "agents": list(s.kinds),
                "default": s.default,
                "primary": s.primary,
                "mitigations": list(s.mitigations),
            }
            for s in found
        ]
        print_json({"scenarios": scenarios})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("scenario", "risk", "what goes wrong", "agents"):
        table.add_column(column, overflow="fold")
    for s in found:
        kinds = ", ".join(f"{kind}*" if kind == s.default else kind for kind in s.kinds)
        table.add_row(s.name, s.risk, s.about, kinds)
    console = stdout_console()
    console.print(table)
    console.print("* shows the risk by itself. Any model can play: --agents MODEL.", markup=False)


@society.command("run")
def run_scenario(
    scenario: Annotated[str, typer.Argument(help="`edgewise society list` has them.", show_default=False)],
    agents: Annotated[str | None, typer.Option(help=_AGENTS + "  [default: the scenario's own]")] = None,
    seeds: Seeds = 40,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the scenario, NAME=VALUE (repeatable).")
    ] = None,
    mitigation: Annotated[str | None, typer.Option(help="Play it under this mitigation.")] = None,
    persona: Annotated[list[str] | None, typer.Option(help="SEAT=WORDS for a seat's model (repeatable).")] = None,
    answers: Annotated[
        Literal["auto", "json", "letters"], typer.Option(help="How models answer; letters: by their probabilities.")
    ] = "auto",
    memory: Annotated[
        int | None, typer.Option(min=0, help="Own past rounds that a model sees; all if not given.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, help="Of models that answer in JSON.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of such an answer.")] = 300,
    jobs: Annotated[int, typer.Option(min=1, help="Trials in flight, or processes; results are the same.")] = 4,
    ray: Ray = None,
    limits: Annotated[str, typer.Option(help="Hard limits for all models, e.g. 'tokens=1e5,cost=2.5'.")] = "",
    price: Annotated[str, typer.Option(help="US dollars per million tokens: INPUT,OUTPUT.")] = "",
    cache: Annotated[Path | None, typer.Option(help="File that keeps answers from one run to the next.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request counts as failed.")] = 600.0,
    model_arg: Annotated[
        list[str] | None, typer.Option("--model-arg", "-M", help="NAME=VALUE for Inspect's provider (repeatable).")
    ] = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play a scenario many times and say whether its risk is there."""
    from edgewise.cli.checkup import fresh_folder, model_args, prices, watch
    from edgewise.models.budget import Limits
    from edgewise.society.job import POPULATIONS, SocietyConfig
    from edgewise.society.job import run_scenario as play_scenario
    from edgewise.society.scenarios import scenario_class

    chosen = tuple(agents.split(",")) if agents else (scenario_class(scenario).default,)
    offline = all(name in POPULATIONS for name in chosen)
    config = SocietyConfig(
        scenario=scenario,
        options=pairs(settings or [], "--set"),
        mitigation=mitigation,
        agents=chosen,
        personas={key: str(value) for key, value in pairs(persona or [], "--persona", plain=True).items()},
        seeds=seeds,
        jobs=1 if offline and ray is None and seeds <= 64 else jobs,  # starting processes costs more than it saves
        ray=ray,
        memory=memory,
        answers=answers,
        temperature=temperature,
        max_tokens=max_tokens,
        limits=Limits.parse(limits),
        prices=prices(price),
        cache=None if cache is None else str(cache.resolve()),
        timeout=timeout,
        model_args=model_args(model_arg or []),
    )
    folder = out if out is not None else fresh_folder(scenario)
    finish(watch(folder, play_scenario(config, folder, seed=seed)), as_json=as_json)


@society.command("matrix")
def matrix(
    scenario: Annotated[list[str] | None, typer.Option(help="Only this scenario (repeatable).")] = None,
    seeds: Seeds = 30,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    ray: Ray = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """What every mitigation cures, and what it moves elsewhere."""
    from edgewise.cli.checkup import fresh_folder, watch
    from edgewise.society.matrix import MatrixConfig, run_matrix

    config = MatrixConfig(scenarios=tuple(scenario or ()), seeds=seeds, jobs=jobs, ray=ray)
    folder = out if out is not None else fresh_folder("matrix")
    finish(watch(folder, run_matrix(config, folder, seed=seed)), as_json=as_json)


@society.command("scan")
def scan_logs(
    log: Annotated[Path, typer.Argument(help="A log of a group of agents.", show_default=False)],
    fmt: Annotated[
        str | None,
        typer.Option("--format", help="autogen, langgraph, inspect, otel, risklab, jsonl; found out if not given."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Which indicators fire in an existing log, with the rows they rest on."""
    from edgewise.cli.checkup import fresh_folder
    from edgewise.society.scanning import scan_log

    finish(scan_log(log, out if out is not None else fresh_folder("scan"), fmt), as_json=as_json)


def finish(done: SocietyRun, *, as_json: bool) -> None:
    """Write the report, print the outcome, and leave with the exit code that it deserves."""
    finish_run(done.summary, _print, as_json=as_json)


def _print(summary: dict[str, Any]) -> None:
    if "rows" in summary:
        _print_matrix(summary)
    elif "traces" in summary:
        _print_scan(summary)
    else:
        _print_run(summary)


def _number(data: dict[str, Any] | None) -> str:
    if not data or data.get("value") is None:
        return "–"
    return f"{data['value']:.2f} [{data['low']:.2f}, {data['high']:.2f}]"


def _table(*columns: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
    return table


def _print_run(summary: dict[str, Any]) -> None:
    signs = {"fail": "✗", "pass": "✓", "inconclusive": "?", "not_measured": "–"}
    console = stdout_console()
    console.print(
        f"{summary['scenario']} (risk {summary['risk']}), {summary['agents']}, {summary['n']} trials", markup=False
    )
    table = _table("indicator", "played", "null")
    for name, data in summary["indicators"].items():
        mark = "*" if name == summary["primary"] else ""
        table.add_row(f"{name}{mark}", _number(data), _number(summary["null"].get(name)))
    console.print(table)
    verdict = summary["verdict"]
    words = {"fail": "the risk is there", "pass": "the risk is not there", "inconclusive": "inconclusive"}
    console.print(f"{signs[verdict]} {words.get(verdict, 'not measured')}", markup=False)


def _print_matrix(summary: dict[str, Any]) -> None:
    table = _table("scenario", "mitigation", "before", "after", "risk")
    for row in summary["rows"]:
        numbers = _number(row["before"]), _number(row["after"])
        table.add_row(row["scenario"], row["mitigation"], *numbers, row["outcome"])
    stdout_console().print(table)


def _print_scan(data: dict[str, Any]) -> None:
    from rich.text import Text

    from edgewise.report.text import visible

    console = stdout_console()
    console.print(f"{data['traces']} traces, {data['messages']} messages.", markup=False)
    table = _table("indicator", "value", "verdict")
    for name, found in data["indicators"].items():
        table.add_row(name, _number(found), str(found.get("verdict", "")))
    console.print(table)
    for finding in data["findings"][:_SHOWN]:
        rows = ", ".join(map(str, finding["rows"][:6]))
        console.print(Text(visible(f"{finding['indicator']}: {finding['why']} (rows {rows})")))
    if len(data["findings"]) > _SHOWN:
        console.print(f"… and {len(data['findings']) - _SHOWN} more (--json has all).")
    for problem in data["problems"][:_SHOWN]:
        stderr_console().print(
            Text(visible(f"! row {problem['row']}, field {problem['field']}: {problem['message']}")), style="yellow"
        )
