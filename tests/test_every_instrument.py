"""What every instrument must do. A new one is tested here as soon as it is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgewise.core.errors import ModelFault
from edgewise.core.instrument import Capability, Instrument, InstrumentConfig, instrument_names, load_instrument
from edgewise.core.profile import Panel, Profile, Verdict
from edgewise.core.run import Run
from edgewise.core.section import Section
from edgewise.models import Model
from edgewise.scene.worlds.render import gl_problem
from support.kit import examine

SEED = 11
NAMES = instrument_names()
CASES = [(name, i) for name in NAMES for i in range(len(load_instrument(name).controls()))]


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}


def loaded(name: str) -> Instrument[Any, Any]:
    """The instrument; skips where the machine cannot run it."""
    if name == "embodied" and (problem := gl_problem()):
        pytest.skip(problem)
    return load_instrument(name)


@pytest.fixture(params=NAMES)
def instrument(request: pytest.FixtureRequest) -> Instrument[Any, Any]:
    return loaded(request.param)


def test_there_are_instruments() -> None:
    assert "competence" in NAMES


def test_it_says_what_it_is(instrument: Instrument[Any, Any]) -> None:
    assert instrument.name in NAMES and instrument.title and instrument.needs <= frozenset(Capability)
    assert (type(instrument).__doc__ or "").strip()


def test_its_configuration_is_a_schema_and_survives_json(instrument: Instrument[Any, Any]) -> None:
    assert issubclass(instrument.Config, InstrumentConfig)
    assert instrument.Config.model_json_schema()["properties"]
    for config in (instrument.Config.quick(), instrument.Config.full()):
        assert instrument.Config.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValueError, match="no_such_setting"):
        instrument.Config.model_validate({"no_such_setting": 1})


def test_it_knows_its_dimensions_and_its_cost_beforehand(instrument: Instrument[Any, Any]) -> None:
    quick, full = instrument.Config.quick(), instrument.Config.full()
    names = instrument.dimension_names(quick)
    assert names and len(set(names)) == len(names)
    cost, more = instrument.cost(quick), instrument.cost(full)
    assert 0 <= cost.calls <= more.calls and 0 <= cost.output_tokens <= more.output_tokens


def test_it_has_controls_of_both_kinds(instrument: Instrument[Any, Any]) -> None:
    assert {control.kind for control in instrument.controls()} == {"positive", "negative"}


@pytest.mark.parametrize(("name", "index"), CASES)
def test_its_controls_hold_and_its_panel_is_well_formed(name: str, index: int, tmp_path: Path) -> None:
    instrument = loaded(name)
    control, config = instrument.controls()[index], instrument.Config.quick()
    panel = examine(instrument, control.subject(SEED), config, tmp_path / "run", SEED)
    assert control.holds(panel), f"{control.kind} control {control.name!r}: {panel.dimensions}"
    assert panel.instrument == name and set(panel.dimensions) == set(instrument.dimension_names(config))
    assert panel.verdicts and {e.dimension for e in panel.evidence} <= set(panel.dimensions)
    profile = Profile(model="m", panels={name: panel})
    assert Profile.from_json(profile.to_json(), where="x") == profile


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    instrument: Instrument[Any, Any], tmp_path: Path
) -> None:
    control, config = instrument.controls()[-1], instrument.Config.quick()
    first = examine(instrument, control.subject(SEED), config, tmp_path / "a", SEED)
    assert examine(instrument, control.subject(SEED), config, tmp_path / "b", SEED) == first
    assert tables(tmp_path / "a") == tables(tmp_path / "b")
    examine(instrument, control.subject(SEED + 1), config, tmp_path / "c", SEED + 1)
    assert tables(tmp_path / "a") != tables(tmp_path / "c")


def test_a_run_that_stopped_goes_on_to_the_same_bytes(instrument: Instrument[Any, Any], tmp_path: Path) -> None:
    """The subject dies at one third and at two thirds of its calls; resumed, no call is made twice."""
    control, config = instrument.controls()[0], instrument.Config.quick()
    whole = examine(instrument, control.subject(SEED), config, tmp_path / "whole", SEED)
    subject = control.subject(SEED)
    if not isinstance(subject, Model):
        pytest.skip("the subject makes no calls")
    calls = sum(1 for _ in Run.open(tmp_path / "whole").read_events("call"))
    made = 0
    stops = {calls // 3, 2 * calls // 3 + 1}
    backend = subject._backend
    answer = backend.generate

    async def mortal(call: Any) -> Any:
        nonlocal made
        if made in stops:
            stops.remove(made)
            raise Killed
        made += 1
        return await answer(call)

    backend.generate = mortal  # type: ignore[method-assign]
    for _ in range(2):
        with pytest.raises(Killed):
            examine(instrument, subject, config, tmp_path / "cut", SEED)
    assert examine(instrument, subject, config, tmp_path / "cut", SEED) == whole
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")
    assert made == calls


def test_its_section_is_built_from_the_run_alone(instrument: Instrument[Any, Any], tmp_path: Path) -> None:
    control, config = instrument.controls()[0], instrument.Config.quick()
    panel = examine(instrument, control.subject(SEED), config, tmp_path / "run", SEED)
    run = Run.open(tmp_path / "run")
    section = load_instrument(instrument.name).section(panel, run)
    assert isinstance(section, Section) and section.title and section.blocks
    assert section == instrument.section(panel, run)


class Killed(Exception):
    """Ends an examination from within."""


class Lacking:
    """A subject that can do nothing."""

    name = "lacking"
    capabilities: frozenset[Capability] = frozenset()


def test_a_subject_that_lacks_what_it_needs_is_not_measured(instrument: Instrument[Any, Any], tmp_path: Path) -> None:
    config = instrument.Config.quick()
    missing = instrument.missing(Lacking())
    assert missing == instrument.needs
    if not missing:
        pytest.skip("it needs nothing")
    panel = instrument.not_measured(config, "it lacks text")
    assert set(panel.dimensions) == set(instrument.dimension_names(config)) and not panel.measured
    assert set(panel.verdicts.values()) == {Verdict.NOT_MEASURED}
    with Run.create(tmp_path / "run", "test", {}, seed=0) as run:
        assert isinstance(instrument.section(panel, run), Section)


def test_a_subject_that_never_answers_is_not_measured_and_not_wrong(
    instrument: Instrument[Any, Any], tmp_path: Path
) -> None:
    control, config = instrument.controls()[0], instrument.Config.quick()
    subject = control.subject(SEED)
    if not isinstance(subject, Model):
        pytest.skip("the subject makes no calls")

    async def silent(call: Any) -> Any:
        raise ModelFault("no answer", kind="bad_request")

    subject._backend.generate = silent  # type: ignore[method-assign]
    panel: Panel = examine(instrument, subject, config, tmp_path / "run", SEED)
    assert not panel.measured, panel.measured
    assert Verdict.PASS not in panel.verdicts.values() and Verdict.FAIL not in panel.verdicts.values()
