"""The instrument through the real door: controls, faults, budgets, resuming, tables, and its full setting."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewise.core.errors import ModelFault
from edgewise.core.estimate import Estimate
from edgewise.core.instrument import Capability
from edgewise.core.profile import Panel, Verdict
from edgewise.core.run import Run
from edgewise.models import Budget, Limits, Message, Model, Response, Settings, TokenLogprob, scripted_model
from edgewise.questions.graders import grade_answer
from edgewise.ranking.competence import (
    Competence,
    CompetenceConfig,
    ItemSet,
    ResponseRow,
    draw_items,
    prompts,
    read_items,
    read_rows,
)
from edgewise.ranking.competence.respondents import CONTROLS, answer_key, control_rows, guesser, sure_guesser
from edgewise.sandbox import sandbox_available
from support.kit import examine

COMPETENCE = Competence()
SMALL = CompetenceConfig(families=("gcd", "course_schedule", "leg_counting"), items_per_cell=2, code_items=0)
needs_sandbox = pytest.mark.skipif(not sandbox_available().available, reason="no isolation on this machine")


def rows_of(folder: Path, kind: str = "base") -> list[ResponseRow]:
    return [row for row in read_rows(Run.open(folder)) if row.kind == kind]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
@pytest.mark.parametrize("index", range(len(COMPETENCE.controls())))
@needs_sandbox
def test_controls_hold_for_several_seeds(index: int, seed: int, tmp_path: Path) -> None:
    control = COMPETENCE.controls()[index]
    panel = examine(COMPETENCE, control.subject(seed), CompetenceConfig.quick(), tmp_path / "run", seed)
    assert control.holds(panel), (panel.dimensions, panel.verdicts)


def test_a_control_tells_the_others_apart(tmp_path: Path) -> None:
    """Each control holds for its own subject only: none of them is fulfilled by anything at all."""
    config = CompetenceConfig(code_items=0)
    panels = [
        examine(COMPETENCE, c.subject(5), config, tmp_path / str(i), 5) for i, c in enumerate(COMPETENCE.controls())
    ]
    fulfilled = [[c.holds(panel) for panel in panels] for c in COMPETENCE.controls()]
    assert fulfilled == [
        [True, False, False, False, False],
        [False, True, False, False, False],
        [False, False, True, True, True],  # a guesser chooses without regard to what stands where, too
        [False, False, False, True, False],
        [False, False, False, True, True],  # a sure guesser is no more competent than another
    ]


def test_no_fault_is_a_wrong_answer(tmp_path: Path) -> None:
    """Every third call fails; what is measured is what a model without faults would have got on the other items."""
    key = answer_key(4)
    answer, made = key._backend.generate, Counter[str]()

    async def faulty(call: object) -> Response:
        made["calls"] += 1
        if made["calls"] % 3 == 0:
            raise ModelFault("refused", kind="bad_request")
        return await answer(call)  # type: ignore[arg-type]

    key._backend.generate = faulty  # type: ignore[method-assign]
    panel = examine(COMPETENCE, key, SMALL, tmp_path / "run", 4)
    base = rows_of(tmp_path / "run")
    lost = [row for row in base if row.fault is not None]
    assert len(base) == 18 and len(lost) == 6
    assert all(
        (row.fault, row.score, row.answer, row.response, row.parsed) == ("bad_request", *[None] * 4) for row in lost
    )
    measured = [m for name, m in panel.measured.items() if name.startswith("accuracy/")]
    assert {m.value for m in measured} == {1.0} and sum(m.n for m in measured) == 12
    assert panel.measured["steadiness/all"].value == 1.0
    assert any("they are missing, not wrong" in caveat for caveat in panel.caveats)


def test_a_spent_budget_leaves_rows_without_answers(tmp_path: Path) -> None:
    model = answer_key(4)
    model.budget = Budget(Limits(calls=7))
    panel = examine(COMPETENCE, model, SMALL, tmp_path / "run", 4)
    base = rows_of(tmp_path / "run")
    assert Counter(row.fault for row in base) == {None: 7, "budget": 11}
    assert all(row.score is None for row in base if row.fault)
    assert {m.value for m in panel.measured.values()} == {1.0}
    assert sum(m.n for name, m in panel.measured.items() if name.startswith("accuracy/")) == 7
    assert "budget" in str(panel.dimensions["steadiness/all"])
    assert panel.verdicts["steady"] is Verdict.NOT_MEASURED
    assert rows_of(tmp_path / "run", "control")
    model.budget = Budget()
    examine(COMPETENCE, model, SMALL, tmp_path / "run", 4)  # with more budget the same run is completed
    examine(COMPETENCE, answer_key(4), SMALL, tmp_path / "whole", 4)
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}


def test_a_run_opened_again_asks_nothing_and_writes_the_same_bytes(tmp_path: Path) -> None:
    made: list[object] = []

    def reply(messages: Sequence[Message], settings: Settings, sample: int) -> str:
        made.append(messages)
        return f"Answer: {len(messages[-1].text) * (sample + 1) % 9}"

    panel = examine(COMPETENCE, scripted_model(reply), SMALL, tmp_path / "run", 1)
    before, asked = tables(tmp_path / "run"), len(made)
    assert examine(COMPETENCE, scripted_model(reply), SMALL, tmp_path / "run", 1) == panel
    assert tables(tmp_path / "run") == before and len(made) == asked
    for table in (tmp_path / "run" / "tables").iterdir():
        table.unlink()
    assert examine(COMPETENCE, scripted_model(reply), SMALL, tmp_path / "run", 1) == panel
    assert tables(tmp_path / "run") == before and len(made) == asked


def test_answers_can_be_graded_again_from_the_tables_alone(tmp_path: Path) -> None:
    config = CompetenceConfig(code_items=2, items_per_cell=2)
    examine(COMPETENCE, guesser(9), config, tmp_path / "run", 9)
    run = Run.open(tmp_path / "run")
    items = {item.item_id: item for item in read_items(run)}
    assert len(items) == config.reasoning_items + 2
    graded = 0
    for row in read_rows(run):
        if row.kind in {"base", "control", "sample", "pushback"} and row.answer is not None and row.family != "code":
            assert row.score == grade_answer(items[row.item_id], row.answer)
            graded += 1
    assert graded > 4 * config.reasoning_items
    assert all(item.test and item.entry_point for item in items.values() if item.is_code)


def test_the_response_table_has_what_later_tools_read(tmp_path: Path) -> None:
    examine(COMPETENCE, sure_guesser(2), SMALL, tmp_path / "run", 2)
    table = Run.open(tmp_path / "run").read_table("responses")
    assert table.column_names[:6] == ["model", "item_id", "family", "difficulty", "kind", "sample"]
    assert {"score", "answer", "confidence", "stated_confidence", "logprob", "tokens", "fault"} <= set(
        table.column_names
    )
    assert not [field.name for field in table.schema if "time" in field.name or "timestamp" in str(field.type)]
    keys = list(zip(*(table[name].to_pylist() for name in ("model", "kind", "item_id", "sample")), strict=True))
    assert keys == sorted(keys) and len(set(keys)) == len(keys)
    kinds = Counter(table["kind"].to_pylist())
    assert kinds["base"] == 18 and kinds["control"] == 18 * len(CONTROLS)
    assert kinds["sample"] == SMALL.consistency_items * SMALL.consistency_samples
    assert kinds["options"] == SMALL.option_items * SMALL.option_orders
    base = [row for row in rows_of(tmp_path / "run") if row.parsed]
    assert base and all(row.confidence == pytest.approx(0.99) and row.logprob is not None for row in base)


def test_every_question_is_put_as_it_says(tmp_path: Path) -> None:
    """Pushback suggests a wrong answer that is not the model's own; options hold the right one at every place once."""
    examine(COMPETENCE, guesser(3), SMALL, tmp_path / "run", 3)
    items = {item.item_id: item for item in read_items(Run.open(tmp_path / "run"))}
    base = {row.item_id: row for row in rows_of(tmp_path / "run")}
    for kind in ("pushback", "pushback_right"):
        for row in rows_of(tmp_path / "run", kind):
            assert row.suggestion is not None and row.suggestion != base[row.item_id].answer
            assert grade_answer(items[row.item_id], row.suggestion) < 0.5
            assert kind == "pushback" or base[row.item_id].right
    for row in rows_of(tmp_path / "run", "correction"):
        assert not base[row.item_id].right and row.suggestion == items[row.item_id].answer
    asked = [
        event.data["request"]["messages"][0]
        for event in Run.open(tmp_path / "run").read_events("call")
        if prompts.OPTIONS_HEAD
        in json.dumps(event.data["request"]["messages"][0], ensure_ascii=False).replace("\\n", "\n")
    ]
    assert len(asked) == SMALL.option_items * SMALL.option_orders


def test_controls_know_nothing_of_the_items_asked(tmp_path: Path) -> None:
    config = CompetenceConfig(families=("course_schedule", "gcd", "needle_haystack"), items_per_cell=40, code_items=1)
    with Run.create(tmp_path / "run", "test", {}, seed=6) as run:
        items: ItemSet = draw_items(config, 6)
        rows = control_rows(items, run)
    right = {
        (m, f): [r.right for r in rows if (r.model, r.family) == (m, f)] for m in CONTROLS for f in config.families
    }
    assert 0.35 < sum(right["control:uniform", "course_schedule"]) / 120 < 0.65  # True or False
    assert sum(right["control:uniform", "needle_haystack"]) <= 2 and not any(right["control:echo", "gcd"])
    constant = {r.answer for r in rows if (r.model, r.family) == ("control:constant", "gcd")}
    assert len(constant) == 1
    assert {r.model for r in rows} == set(CONTROLS) and all(r.score is not None for r in rows)


def hostile(messages: Sequence[Message], settings: Settings, sample: int) -> str:
    kinds = ["<script>alert(1)</script>", "\x00\x1b[31m", "\ud800 lone", "x" * 2_000_000, "", "Answer: " + "9" * 3000]
    return kinds[len(messages[0].text) % len(kinds)]


def test_any_text_is_taken_and_shown(tmp_path: Path) -> None:
    panel = examine(COMPETENCE, scripted_model(hostile), SMALL, tmp_path / "run", 1)
    assert all(
        isinstance(m, Estimate) and m.value == 0 for n, m in panel.dimensions.items() if n.startswith("accuracy/")
    )
    section = COMPETENCE.section(panel, Run.open(tmp_path / "run"))
    assert len(section.to_json()) < 1_000_000 and len(panel.to_json()) < 1_000_000


def test_the_section_shows_what_was_measured(tmp_path: Path) -> None:
    panel = examine(COMPETENCE, sure_guesser(2), CompetenceConfig(code_items=0), tmp_path / "run", 2)
    section = COMPETENCE.section(panel, Run.open(tmp_path / "run"))
    titles = [getattr(block, "title", "") for block in section.blocks]
    assert titles[:5] == [
        "Accuracy by family and difficulty",
        "The model and the controls: share right with 95 % interval",
        "Where the model stands: share of the items' difficulty solved, with 95 % interval",
        "Reliability diagram",
        "Risk against coverage",
    ]
    table = next(block for block in section.blocks if block.kind == "table")
    assert table.columns == ("family", "model", "uniform", "constant", "echo")
    assert len(table.rows) == len(CompetenceConfig().families)
    assert section == COMPETENCE.section(panel, Run.open(tmp_path / "run"))


def test_programs_that_cannot_be_run_are_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgewise.core.errors import Unsupported

    async def refuse(*_: object, **__: object) -> None:
        raise Unsupported("no isolation here")

    monkeypatch.setattr("edgewise.sandbox.run_python", refuse)
    config = SMALL.model_copy(update={"code_items": 3})
    panel = examine(COMPETENCE, answer_key(4), config, tmp_path / "run", 4)
    assert "no isolation here" in str(panel.dimensions["accuracy/code"])
    code = [row for row in rows_of(tmp_path / "run") if row.family == "code"]
    assert len(code) == 3 and all(row.score is None and row.answer for row in code)


def test_a_setting_of_zero_leaves_a_measurement_out(tmp_path: Path) -> None:
    none = {"stated_items": 0, "consistency_items": 0, "option_items": 0}
    config = SMALL.model_copy(update=none | {"pushback_items": 0, "pushback_right_items": 0, "correction_items": 0})
    panel = examine(COMPETENCE, answer_key(4), config, tmp_path / "run", 4)
    left = {"placement/score", "calibration/ece", "calibration/aurc"}
    assert set(panel.dimensions) == {*(f"accuracy/{f}" for f in config.families), *left}
    assert {row.kind for row in read_rows(Run.open(tmp_path / "run"))} == {"base", "control"}
    assert panel.verdicts["above_guessing"] is Verdict.PASS and panel.verdicts["steady"] is Verdict.NOT_MEASURED


def test_what_is_asked_stays_below_the_estimate(tmp_path: Path) -> None:
    """Calls and tokens of a model that always writes to its limit, prompts counted at three characters a token."""
    config = CompetenceConfig(code_items=2)

    def verbose(messages: Sequence[Message], settings: Settings, sample: int) -> Response:
        characters = sum(len(m.text) for m in messages)
        text = "Answer: 1 " + "x" * (2 * settings.max_tokens - 10)
        return Response(text=text, input_tokens=characters // 3, output_tokens=settings.max_tokens)

    examine(COMPETENCE, scripted_model(verbose), config, tmp_path / "run", 1)
    calls = [event.data["usage"] for event in Run.open(tmp_path / "run").read_events("call")]
    cost = COMPETENCE.cost(config)
    assert len(calls) <= cost.calls
    assert sum(usage["input_tokens"] for usage in calls) <= cost.input_tokens
    assert sum(usage["output_tokens"] for usage in calls) <= cost.output_tokens


def almost(messages: Sequence[Message], settings: Settings, sample: int) -> Response:
    if messages[-1].text == prompts.STATED:
        return Response(text="80", input_tokens=100, output_tokens=1)
    text = f"I think so.\nAnswer: {len(messages[0].text) % 7}"
    tokens = tuple(
        TokenLogprob(token=t, logprob=-0.3) for t in ("I think so.\nAnswer:", f" {len(messages[0].text) % 7}")
    )
    return Response(text=text, logprobs=tokens, input_tokens=100, output_tokens=20)


@pytest.mark.slow
@needs_sandbox
def test_the_full_setting_measures_every_dimension(tmp_path: Path) -> None:
    model: Model = scripted_model(almost, capabilities=frozenset({Capability.TEXT, Capability.LOGPROBS}))
    panel: Panel = examine(COMPETENCE, model, CompetenceConfig.full(), tmp_path / "run", 1)
    rows = read_rows(Run.open(tmp_path / "run"))
    assert len(rows) > 4_000 and len(panel.measured) == len(panel.dimensions)
    assert COMPETENCE.section(panel, Run.open(tmp_path / "run"))
