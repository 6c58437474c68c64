"""The report's section on a probe, from the run's tables alone."""

from __future__ import annotations

from collections.abc import Sequence

from edgewise.core.estimate import Estimate
from edgewise.core.profile import Turn
from edgewise.core.run import Run
from edgewise.core.section import Block, Figure, Section, Table, Text, Transcript
from edgewise.probing import coverage
from edgewise.probing.modes.find import broad_steps, rate_of
from edgewise.probing.search.runner import Step, Trail
from edgewise.probing.tables import read_modes, read_trail
from edgewise.probing.types import Mode

_CARDS, _EXAMPLES, _KINDS = 12, 2, 40
_MORE = 100  # calls whose worth is estimated
_TREE = 600  # nodes shown
_CUT = 60  # characters of a question in the tree
_COLOURS = {"pass": "#9fb7e8", "fail": "#d9534f", "flaky": "#f0ad4e", "invalid": "#bbbbbb"}
_LEAD = (
    "A mode is not one failure but when it fails. Confirmed modes failed more often than chance on fresh questions "
    "that were drawn after the mode was found; only those rates say how often. What was found by searching for "
    "failures does not."
)


def build_section(run: Run) -> Section:
    """The page of ``edgewise probe``: ``section_of`` with who was examined, and what it cost.

    Raises:
        RunError: A table is missing.
        CorruptRecord: A table is not what the run wrote.
    """
    ends = [event.data for event in run.read_events("finished")]
    facts = ends[-1] if ends else {}
    about = f"{run.manifest.model.get('name', '?')}, policy {run.manifest.config.get('policy', '?')}. "
    section = section_of(read_trail(run), read_modes(run), about=about, notes=facts.get("notes", ()))
    usage = facts.get("usage", {})
    return section.model_copy(update={"blocks": (*section.blocks, _cost(usage))}) if usage else section


def section_of(trail: Trail, modes: Sequence[Mode], *, about: str = "", notes: Sequence[str] = ()) -> Section:
    """Mode cards with examples and boundary pairs, the search tree, coverage, what is left."""
    confirmed = sum(mode.status == "confirmed" for mode in modes)
    flaky = sum(s.outcome.verdict == "fail" and not s.outcome.stable for s in trail.steps)
    lead = (
        f"{about}{trail.calls:,} calls, {len(trail.steps):,} questions: {len(trail.failures):,} failed, {flaky:,} "
        f"failed once but not again, {trail.invalid:,} had no answer to judge. {confirmed} confirmed modes, "
        f"{len(modes) - confirmed} tentative. {_LEAD}"
    )
    blocks: list[Block] = [Text(text=note) for note in notes]
    if modes:
        blocks.append(_modes_table(modes))
        for mode in modes[:_CARDS]:
            blocks += _card(mode, trail)
    else:
        blocks.append(
            Text(text="No failure mode was found: no kind of question surely fails more often than the rest.")
        )
    blocks += [*(_left(modes, trail) if modes else []), _coverage(trail), _tree(trail), _truths(trail)]
    return Section(title="Probing", lead=lead, blocks=tuple(blocks))


def _modes_table(modes: Sequence[Mode]) -> Table:
    rows = tuple(
        (
            mode.name,
            "yes" if mode.status == "confirmed" else "no",
            _interval(mode.rate),
            _interval(mode.other_rate),
            mode.q_value,
            _interval(mode.share),
            len(mode.members),
        )
        for mode in modes
    )
    columns = ("fails when", "confirmed", "fails, fresh", "fails otherwise", "q", "share of failures", "found")
    return Table(title="Failure modes", columns=columns, rows=rows)


def _interval(rate: Estimate | None) -> str | None:
    return None if rate is None else f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}] n={rate.n}"


def _card(mode: Mode, trail: Trail) -> list[Block]:
    steps = {step.case.case_id: step for step in trail.steps}
    words = f"{mode.name} ({mode.status}). {mode.description}"
    if mode.counter:
        words += f" Nearest that passes: {', '.join(mode.counter)}."
    truths = ", ".join(f"{count} {truth}" for truth, count in sorted(mode.truths.items()))
    blocks: list[Block] = [Text(text=f"{words} Truth of its members: {truths}.")]
    for case_id in mode.central[:_EXAMPLES]:
        if case_id in steps:
            blocks.append(Transcript(title=f"A failure: {case_id}", turns=turns(steps[case_id])))
    for fail, near in mode.boundary[:_EXAMPLES]:
        if fail in steps and near in steps:
            both = (*turns(steps[fail]), *turns(steps[near]))
            blocks.append(Transcript(title=f"Where it stops: {fail} fails, {near} passes", turns=both))
    return blocks


def turns(step: Step) -> tuple[Turn, ...]:
    """A question, what was answered, and what is right."""
    listed = "".join(f"\n{chr(65 + i)}) {option}" for i, option in enumerate(step.case.options))
    judged = "right" if step.outcome.verdict == "pass" else f"wrong; right would be {step.case.answer}"
    given = step.outcome.response or step.outcome.answer or "(nothing)"
    return (
        Turn(role="user", text=step.case.question + listed),
        Turn(role="assistant", text=given),
        Turn(role="verdict", text=f"{judged} (truth: {step.case.truth}, by {step.outcome.grader})"),
    )


def _left(modes: Sequence[Mode], trail: Trail) -> list[Block]:
    """Discovery curve, how many are unseen, what more calls would bring."""
    curve = coverage.discovery(modes, trail)
    counts = coverage.sightings(modes, trail)
    unseen = coverage.unseen(counts)
    searched = max(1, curve[-1][0])
    broad_failures = sum(step.outcome.stable for step in broad_steps(trail))
    more = coverage.expected_new(counts, _MORE * broad_failures / searched)
    figure = Figure(
        title="Modes found against calls",
        summary=f"{curve[-1][1]} modes had three failures or more after {curve[-1][0]:,} calls of the search.",
        data=(
            {
                "type": "scatter",
                "mode": "lines",
                "line": {"shape": "hv"},
                "x": [calls for calls, _ in curve],
                "y": [found for _, found in curve],
                "hovertemplate": "%{y} modes after %{x} calls<extra></extra>",
            },
        ),
        layout={
            "height": 300,
            "xaxis": {"title": {"text": "calls"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "modes"}, "rangemode": "tozero"},
        },
    )
    text = (
        f"About {unseen:.1f} more modes are there to be seen, by how often the broad search came upon those it found "
        f"(Chao's lower bound); the next {_MORE} calls would show about {more:.1f} of them."
    )
    return [figure, Text(text=text)]


def _coverage(trail: Trail) -> Table:
    found = coverage.coverage(trail)
    order = sorted(found, key=lambda kind: (-found[kind][1] / max(1, found[kind][0]), kind))
    rows = tuple(
        (kind, found[kind][0], found[kind][1], _interval(rate_of(found[kind][1], found[kind][0]))) for kind in order
    )
    title = f"Coverage: kinds of questions that were asked broadly ({len(found)})"
    if len(rows) > _KINDS:
        title += f"; the {_KINDS} that failed most"
    return Table(title=title, columns=("kind", "asked", "failed", "failure rate"), rows=rows[:_KINDS])


def _tree(trail: Trail) -> Figure:
    """Questions by order and depth, joined to what they were made from."""
    shown = [step for step in trail.steps if step.phase != "holdout"][:_TREE]
    depth: dict[int, int] = {}
    for step in shown:
        depth[step.number] = 0 if step.parent is None else depth.get(step.parent, 0) + 1
    xs: list[float | None] = []
    ys: list[float | None] = []
    for step in shown:
        if step.parent is not None and step.parent in depth:
            xs += [step.parent, step.number, None]
            ys += [-depth[step.parent], -depth[step.number], None]
    lines = {"type": "scatter", "mode": "lines", "x": xs, "y": ys, "hoverinfo": "skip", "showlegend": False}
    data = [lines | {"line": {"width": 0.5, "color": "#cccccc"}}]
    for verdict, colour in _COLOURS.items():
        steps = [step for step in shown if _kind(step) == verdict]
        if steps:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": verdict,
                    "x": [step.number for step in steps],
                    "y": [-depth[step.number] for step in steps],
                    "text": [f"{coverage.kind_of(s)}: {s.case.question[:_CUT]}" for s in steps],
                    "hovertemplate": "%{text}<extra>%{fullData.name}</extra>",
                    "marker": {
                        "size": 7,
                        "color": colour,
                        "symbol": ["diamond" if s.phase == "micro" else "circle" for s in steps],
                    },
                }
            )
    counts = {phase: sum(step.phase == phase for step in shown) for phase in ("seed", "macro", "micro")}
    summary = (
        f"Each point is a question, in the order they were asked, below the one it was made from: {counts['seed']} "
        f"seeds, {counts['macro']} macro (circles: somewhere new), {counts['micro']} micro (diamonds: close by)."
    )
    layout = {
        "height": 360,
        "xaxis": {"title": {"text": "question"}},
        "yaxis": {"title": {"text": "depth"}, "tickformat": "d", "dtick": 1},
        "legend": {"orientation": "h", "y": -0.3},
    }
    return Figure(title="The search tree", summary=summary, data=tuple(data), layout=layout)


def _kind(step: Step) -> str:
    if step.outcome.verdict == "fail":
        return "fail" if step.outcome.stable else "flaky"
    return step.outcome.verdict


def _truths(trail: Trail) -> Table:
    rows = []
    for truth in ("recorded", "executed", "inherited", "sourced", "consensus"):
        steps = [s for s in trail.steps if s.case.truth == truth and s.outcome.verdict != "invalid"]
        if steps:
            rows.append((truth, len(steps), sum(step.outcome.stable for step in steps)))
    return Table(title="How the truth is known", columns=("truth", "questions", "failures"), rows=tuple(rows))


def _cost(usage: dict[str, object]) -> Table:
    rows = tuple((key.replace("_", " "), value) for key, value in usage.items() if isinstance(value, int | float))
    return Table(title="Cost of all models", columns=("", "sum"), rows=rows)
