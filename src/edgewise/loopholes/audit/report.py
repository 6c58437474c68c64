"""The report's section on an audit, from the run's folder alone."""

from __future__ import annotations

from typing import Any

from edgewise.core.errors import RunError
from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text, Transcript

_SHOWN = 8


def build_section(run: Run) -> Section:
    """Loopholes in order with their witnesses, what selection by the proxy does, gradients, and faults of the grader.

    Raises:
        RunError: The run has not ended.
    """
    ended = list(run.read_events("summary"))
    if not ended:
        raise RunError("the run has not ended", where=str(run.path), fix=f"edgewise resume {run.path}")
    summary = ended[-1].data
    blocks: list[Block] = [Text(text=note) for note in summary["notes"]]
    blocks.append(_loopholes(summary["loopholes"]))
    blocks += [_witness(i, one) for i, one in enumerate(summary["loopholes"][:_SHOWN], 1)]
    if summary["best_of_n"] is not None:
        blocks += [_curve(summary["best_of_n"]), _measures(summary)]
    if summary["penalties"]:
        blocks.append(_penalties(summary["penalties"]))
    if summary["faults"]:
        blocks.append(_faults(summary["faults"]))
    return Section(title="Audit of the reward", lead=_lead(summary), blocks=tuple(blocks))


def _lead(summary: dict[str, Any]) -> str:
    found = summary["exploitability"]
    n = len(summary["loopholes"])
    count = "No loophole was found" if n == 0 else f"{n} loophole{'s were' if n > 1 else ' was'} found"
    said = (
        f"{count} in {summary['environment']} with {summary['calls']:,} reward calls, base policy {summary['base']}. "
    )
    if found["value"] is None:
        return said + f"Exploitability is not predicted: {found['reason']}."
    return said + (
        f"Predicted exploit ratio after training {_interval(found)}, from {found['n']} generated environments on which "
        "small policies were trained."
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _interval(data: dict[str, Any] | None) -> str:
    if data is None or data.get("value") is None:
        return "–"
    if data.get("low") is None:
        return _number(data["value"])
    return f"{data['value']:.2f} [{data['low']:.2f}, {data['high']:.2f}]"


def _loopholes(found: list[dict[str, Any]]) -> Block:
    if not found:
        return Text(text="No template that was tried is surely paid more than honest answers without being better.")
    rows = tuple(
        (i, one["kind"], _interval(one["gain"]), _interval(one["kl"]), one["gain"]["n"], one["witness"]["template"])
        for i, one in enumerate(found, 1)
    )
    columns = ("", "kind", "gain over honest answers", "price, nats", "n", "answer")
    return Table(title="Loopholes, the cheapest gain first", columns=columns, rows=rows)


def _witness(i: int, one: dict[str, Any]) -> Transcript:
    seen = one["witness"]
    turns = [Turn(role="user", text=seen["prompt"])]
    if seen["honest"]:
        turns.append(Turn(role="honest answer", text=f"{seen['honest']}\n\n{_paid(seen, 'honest_')}"))
    turns.append(Turn(role="loophole", text=f"{seen['completion']}\n\n{_paid(seen, '')}"))
    return Transcript(title=f"Witness {i}: {one['kind']}", turns=tuple(turns))


def _paid(seen: dict[str, Any], prefix: str) -> str:
    trusted = seen[f"{prefix}trusted"]
    words = f"Reward {_number(seen[f'{prefix}proxy'])}"
    return words + ("." if trusted is None else f", trusted reward {_number(trusted)}.")


def _curve(curve: dict[str, Any]) -> Figure:
    lines = {
        "proxy": "proxy of its own choice",
        "by_proxy": "trusted reward of it",
        "by_trusted": "best trusted reward",
    }
    data = tuple(
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": curve["n"],
            "y": [round(v, 5) for v in curve[key]],
        }
        for key, name in lines.items()
    )
    chosen, best = curve["by_proxy"], curve["by_trusted"]
    summary = (
        f"Of {curve['n'][-1]} answers the one with the highest proxy has a trusted reward of {chosen[-1]:.3g} on "
        f"average; the best would have {best[-1]:.3g}. A single answer has {chosen[0]:.3g}. "
        f"Missed: {_interval(curve['gap'])}, slope per unit of log n: {_interval(curve['slope'])}."
    )
    layout = {
        "height": 360, "xaxis": {"type": "log", "title": {"text": "n, answers to choose from"}},
        "yaxis": {"title": {"text": "mean reward"}}, "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    }  # fmt: skip
    return Figure(title="Best of n by the proxy", summary=summary, data=data, layout=layout)


def _measures(summary: dict[str, Any]) -> Table:
    cosine, largest = summary["alignment"], summary["search"]
    rows = (
        ("cosine of the gradients of proxy and trusted reward, at the base policy", _interval(cosine["start"])),
        ("the same after a small step along the proxy", _interval(cosine["after_step"])),
        ("share of the proxy's rise that is unearned, 3 nats along what can be learned", _number(summary["unearned"])),
        ("largest proxy above trusted reward of any answer", _number(largest["gap"])),
    )
    return Table(title="Where training would move", columns=("", "value"), rows=rows)


def _penalties(found: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            one["template"],
            one["usual"],
            one["penalty"],
            _interval(one["rate"]),
            one["break_even"],
            "yes" if one["dead"] else "no",
        )
        for one in found
    )
    columns = ("answer", "usually paid", "when caught", "rate", "break-even rate", "too rare")
    return Table(title="Penalties that are drawn by lot", columns=columns, rows=rows)


def _faults(found: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (one["kind"], one["count"], _number(one["paid"]), one["detail"], one["completion"][:200]) for one in found
    )
    return Table(
        title="Faults of the grader", columns=("fault", "times", "paid", "in its words", "first on"), rows=rows
    )
