"""What a report shows, read from a run's folder; no layout here."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewise.character.facets.report import build_section as facets_section
from edgewise.character.knobs.report import build_section as knobs_section
from edgewise.core.errors import EdgewiseError
from edgewise.core.estimate import Estimate, Measure
from edgewise.core.instrument import load_instrument
from edgewise.core.profile import Evidence, Panel, Profile
from edgewise.core.run import Manifest, Run
from edgewise.core.section import Section, Text
from edgewise.loopholes.audit.audit_report import build_section as loopholes_audit_section
from edgewise.loopholes.monitor.monitor_report import build_section as loopholes_monitor_section
from edgewise.loopholes.monitor.monitor_report import command as loopholes_monitor_command
from edgewise.loopholes.study.report import build_section as loopholes_section
from edgewise.loopholes.study.report import command as loopholes_command
from edgewise.loopholes.trl_report import build_section as loopholes_trl_section
from edgewise.probing.report import build_section as probing_section
from edgewise.ranking.report import build_section as ranking_section
from edgewise.society.report import build_section as society_section
from edgewise.society.report import matrix_section
from edgewise.society.scanning import scan_section
from edgewise.training.report import build_front_section
from edgewise.training.report import build_section as align_section

# Kinds of runs that have no profile, and what their one section is made by.
SECTIONS: dict[str, Callable[[Run], Section]] = {
    "align": align_section,
    "facets": facets_section,
    "knobs": knobs_section,
    "front": build_front_section,
    "loopholes": loopholes_section,
    "loopholes-audit": loopholes_audit_section,
    "loopholes-monitor": loopholes_monitor_section,
    "loopholes-trl": loopholes_trl_section,
    "probe": probing_section,
    "rank": ranking_section,
    "society": society_section,
    "society-matrix": matrix_section,
    "society-scan": scan_section,
}
_PER_DIMENSION = 3  # transcripts shown behind one dimension


@dataclass(frozen=True)
class Row:
    """One dimension of a panel, placed on its group's scale.

    Attributes:
        name: Full name.
        label: Name without its group.
        measure: The estimate, or why there is none.
        lower_is_better: Which way is good.
        low: Left end of the interval, in per cent of the scale; so are ``value`` and ``high``.
        evidence: Transcripts behind it.
    """

    name: str
    label: str
    measure: Measure
    lower_is_better: bool
    low: float
    value: float
    high: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Group:
    """Dimensions with a common prefix, on one scale."""

    name: str
    scale: tuple[float, float]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PanelView:
    """One instrument's panel with its section."""

    name: str
    panel: Panel
    groups: tuple[Group, ...]
    section: Section


@dataclass(frozen=True)
class ReportView:
    """Everything a report shows.

    Attributes:
        outcome: Facts of the run's last end: usage, faults, notes, seconds; empty while it runs.
    """

    manifest: Manifest
    profile: Profile
    status: str
    panels: tuple[PanelView, ...]
    outcome: dict[str, Any]
    command: str


def build_view(run: Run) -> ReportView:
    """Read a run's folder.

    Raises:
        RunError: It has no profile yet.
        CorruptRecord: What it holds is damaged.
    """
    profile = run.read_profile()
    ends = [event.data for event in run.read_events("finished")]
    return ReportView(
        manifest=run.manifest,
        profile=profile,
        status=run.status(),
        panels=tuple(_panel_view(name, panel, run) for name, panel in profile.panels.items()),
        outcome=ends[-1] if ends else {},
        command=reproduce(run.manifest),
    )


def _panel_view(name: str, panel: Panel, run: Run) -> PanelView:
    try:
        section = load_instrument(name).section(panel, run)
    except EdgewiseError as error:
        section = Section(title=name.title(), lead="", blocks=(Text(text=f"Details cannot be shown: {error}"),))
    except Exception as error:  # a defect in one room must not cost the reader the report
        note = f"Details cannot be shown ({type(error).__name__}: {error}); the figures above stand."
        section = Section(title=name.title(), lead="", blocks=(Text(text=note),))
    return PanelView(name, panel, group_rows(panel), section)


def group_rows(panel: Panel) -> tuple[Group, ...]:
    """Dimensions by prefix, in the panel's order; each group's scale holds 0, 1 and all its intervals."""
    members: dict[str, list[str]] = {}
    for name in panel.dimensions:
        members.setdefault(name.rpartition("/")[0], []).append(name)
    evidence: dict[str, list[Evidence]] = {}
    for item in panel.evidence:
        evidence.setdefault(item.dimension, []).append(item)
    groups = []
    for group, names in members.items():
        known = [m for name in names if isinstance(m := panel.dimensions[name], Estimate)]
        low = min([0.0, *(m.low for m in known)])
        high = max([1.0, *(m.high for m in known)])
        rows = []
        for name in names:
            measure = panel.dimensions[name]
            places = (0.0, 0.0, 0.0)
            if isinstance(measure, Estimate):
                places = tuple(
                    round(100 * (x - low) / (high - low), 2) for x in (measure.low, measure.value, measure.high)
                )  # type: ignore[assignment]
            shown = tuple(evidence.get(name, ())[:_PER_DIMENSION])
            label = name.rpartition("/")[2].replace("_", " ")
            rows.append(Row(name, label, measure, name in panel.lower_is_better, *places, evidence=shown))
        groups.append(Group(group.replace("_", " "), (low, high), tuple(rows)))
    return tuple(groups)


def reproduce(manifest: Manifest) -> str:
    """The command that does the run again."""
    config = manifest.config
    if manifest.kind == "align":
        return _reproduce_align(config, manifest.seed)
    if manifest.kind == "front":
        return _reproduce_front(config, manifest.seed)
    if manifest.kind == "facets":
        return _reproduce_facets(config)
    if manifest.kind == "knobs":
        return _reproduce_knobs(config, manifest.seed)
    if manifest.kind == "loopholes":
        return loopholes_command(manifest)
    if manifest.kind == "loopholes-monitor":
        return loopholes_monitor_command(manifest)
    if manifest.kind == "loopholes-trl":
        return _reproduce_loopholes_trl(config, manifest.seed)
    if manifest.kind == "loopholes-audit":
        return _reproduce_loopholes_audit(config, manifest.seed)
    if manifest.kind == "rank":
        return _reproduce_rank(config, manifest.seed)
    if manifest.kind == "probe":
        return _reproduce_probe(config, manifest.seed)
    if manifest.kind.startswith("society"):
        return _reproduce_society(manifest)
    words = ["edgewise", manifest.kind, str(config.get("model", "")), "--seed", str(manifest.seed)]
    words += ["--full"] if config.get("depth") == "full" else []
    for name in config.get("instruments") or ():
        words += ["--only", name]
    for instrument, settings in (config.get("options") or {}).items():
        for key, value in settings.items():
            words += ["--set", f"{instrument}.{key}={value}"]
    if limits := _limits(config.get("limits") or {}):
        words += ["--budget", limits]
    if prices := config.get("prices"):
        words += ["--price", f"{prices['input']:g},{prices['output']:g}"]
    if config.get("can") is not None:
        words += ["--can", ",".join(config["can"])]
    for key, value in (config.get("model_args") or {}).items():
        words += ["-M", f"{key}={value}"]
    return shlex.join(words)


def _limits(given: Mapping[str, Any]) -> str:
    """A budget as an option has it."""
    return ",".join(f"{k}={v}" for k, v in given.items() if v is not None)


def _reproduce_loopholes_trl(config: dict[str, Any], seed: int) -> str:
    from edgewise.loopholes.trl_training import TrlConfig

    words = ["edgewise", "loopholes", "train", config["game"], "--backend", "trl"]
    words += [word for name in ("steps", "lr", "model") for word in (f"--{name}", str(config[name]))]
    words += ["--kl", f"{config['beta']:g}"] if config["beta"] else []
    words += [word for name, value in config["options"].items() for word in ("--set", f"{name}={value}")]
    shown = {"game", "options", "model", "steps", "lr", "beta", "out"}
    fields = TrlConfig.model_fields.items()
    rest = [name for name, field in fields if name not in shown and config.get(name) != field.default]
    # What has no option of its own stands in a file of settings.
    return shlex.join([*words, *(["--config", "SETTINGS.yaml"] if rest else []), "--seed", str(seed)])


def _reproduce_align(config: dict[str, Any], seed: int) -> str:
    words = ["edgewise", "align", str(config["model"]), "--data", config["data"], "--out", config["out"]]
    words += ["--method", config["method"], "--slack", str(config["slack"]), *_training_options(config)]
    return shlex.join([*words, "--seed", str(seed)])


def _reproduce_front(config: dict[str, Any], seed: int) -> str:
    training, tolerances = config["align"], ",".join(f"{tolerance:g}" for tolerance in config["tolerances"])
    words = ["edgewise", "front", str(training["model"]), "--data", training["data"]]
    if config["dimension"] is None:
        words += ["--slack", tolerances]
    else:
        words += ["--dimension", config["dimension"], "--tolerances", tolerances, "--slack", str(training["slack"])]
    return shlex.join([*words, *_training_options(training), "--seed", str(seed)])


def _training_options(config: dict[str, Any]) -> list[str]:
    words = []
    for key in ("steps", "batch", "lr", "beta", "rank", "layers", "dtype", "max_length", "held_out"):
        words += [f"--{key.replace('_', '-')}", str(config[key])]
    for option, given in (("--tolerance", "tolerance"), ("--weight", "weights")):
        words += [word for name, value in config[given].items() for word in (option, f"{name}={value}")]
    return words + (["--full-weights"] if config["full_weights"] else [])


def _reproduce_facets(config: dict[str, Any]) -> str:
    words = ["edgewise", "character", "facets", *config["files"]]
    for key, usual in (("method", "marginal"), ("thresholds", "scale"), ("categories", None), ("repeats", "error")):
        if config.get(key, usual) != usual:
            words += [f"--{key}", str(config[key])]
    words += [word for name in config.get("covariates", ()) for word in ("--covariate", name)]
    words += ["--per-component"] if config.get("per_component") else []
    words += ["--plan", str(config["plan"])] if config.get("plan") else []
    return shlex.join(words)


def _reproduce_knobs(config: dict[str, Any], seed: int) -> str:
    from edgewise.character.knobs.job import KnobsConfig

    words = ["edgewise", "character", "data", "--out", "DIR", "--seed", str(seed)]
    options = {"families": "family", "shares": "share", "limits": "budget"}
    for name, value in KnobsConfig.model_validate(config):
        if value == KnobsConfig.model_fields[name].default and name != "n":
            continue
        option = f"--{options.get(name, name).replace('_', '-')}"
        if name == "limits":
            words += [option, _limits(value.model_dump())]
        elif name == "shares":
            words += [word for dimension, share in value.items() for word in (option, f"{dimension}={share:g}")]
        elif isinstance(value, tuple):
            words += [word for item in value for word in (option, item)]
        else:
            words += [option, str(value)]
    return shlex.join(words)


def _reproduce_loopholes_audit(config: dict[str, Any], seed: int) -> str:
    words = ["edgewise", "loopholes", "audit", str(config["environment"]), "--seed", str(seed)]
    words += ["--base", config["base"], "--budget", str(config["calls"]), "--seconds", f"{config['seconds']:g}"]
    words += ["--per-answer", f"{config['per_answer']:g}", *(["--trust"] if config["trust"] else [])]
    return shlex.join(words)


def _reproduce_probe(config: dict[str, Any], seed: int) -> str:
    from edgewise.probing.job import ProbeConfig

    words = ["edgewise", "probe", str(config["model"]), "--seed", str(seed)]
    for name, value in ProbeConfig.model_validate(config):
        if value == ProbeConfig.model_fields[name].default or name == "model":
            continue
        if name == "limits":
            words += ["--limits", _limits(value.model_dump())]
        elif name == "prices":
            words += ["--price", f"{value.input:g},{value.output:g}"]
        elif name == "edits":
            words.append("--no-edits")
        elif name == "model_args":
            words += [word for key, item in value.items() for word in ("-M", f"{key}={item}")]
        else:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def _reproduce_society(manifest: Manifest) -> str:
    config = manifest.config
    words = ["edgewise", "society"]
    if manifest.kind == "society-scan":
        chosen = ["--format", config["format"]] if config.get("format") else []
        return shlex.join([*words, "scan", str(config["log"]), *chosen])
    if manifest.kind == "society-matrix":
        words += ["matrix", *(w for name in config.get("scenarios", ()) for w in ("--scenario", name))]
    else:
        words += ["run", str(config["scenario"]), "--agents", ",".join(config["agents"])]
        words += [w for k, v in config.get("options", {}).items() for w in ("--set", f"{k}={v}")]
        words += [w for k, v in config.get("personas", {}).items() for w in ("--persona", f"{k}={v}")]
        given = {"answers": "auto", "temperature": 0.7, "max_tokens": 300, "mitigation": None, "memory": None}
        for name, usual in given.items():
            if config.get(name, usual) != usual:
                words += [f"--{name.replace('_', '-')}", str(config[name])]
    return shlex.join([*words, "--seeds", str(config["seeds"]), "--seed", str(manifest.seed)])


def _reproduce_rank(config: dict[str, Any], seed: int) -> str:
    words = ["edgewise", "rank", *config.get("files", ()), "--seed", str(seed)]
    for key in ("method", "bootstrap", "over", "alpha", "tol", "anchor", "item_weights"):
        if config.get(key) is not None:
            words += [f"--{key.replace('_', '-')}", str(config[key])]
    if config.get("clone_weights") is not None:
        words.append("--clone-weights" if config["clone_weights"] else "--no-clone-weights")
    for key, value in config.get("reader", {}).items():
        words += [f"--{key}", str(value)]
    return shlex.join(words)
