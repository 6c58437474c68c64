"""The command that does a run again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from edgewise.core.run import Manifest


def reproduce(manifest: Manifest) -> str:
    """The command line, ready for a shell."""
    return shlex.join(_COMMANDS.get(manifest.kind, _checkup)(manifest))


def _checkup(manifest: Manifest) -> list[str]:
    config = manifest.config
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
    return words


def _limits(given: Mapping[str, Any]) -> str:
    """A budget as an option has it."""
    return ",".join(f"{k}={v}" for k, v in given.items() if v is not None)


def _loopholes_trl(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
    from edgewise.loopholes.trl.training import TrlConfig

    words = ["edgewise", "loopholes", "train", config["game"], "--backend", "trl"]
    words += [word for name in ("steps", "lr", "model") for word in (f"--{name}", str(config[name]))]
    words += ["--kl", f"{config['beta']:g}"] if config["beta"] else []
    words += [word for name, value in config["options"].items() for word in ("--set", f"{name}={value}")]
    shown = {"game", "options", "model", "steps", "lr", "beta", "out"}
    fields = TrlConfig.model_fields.items()
    rest = [name for name, field in fields if name not in shown and config.get(name) != field.default]
    # What has no option of its own stands in a file of settings.
    return [*words, *(["--config", "SETTINGS.yaml"] if rest else []), "--seed", str(seed)]


def _align(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
    words = ["edgewise", "align", str(config["model"]), "--data", config["data"], "--out", config["out"]]
    words += ["--method", config["method"], "--slack", str(config["slack"]), *_training_options(config)]
    return [*words, "--seed", str(seed)]


def _front(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
    training, tolerances = config["align"], ",".join(f"{tolerance:g}" for tolerance in config["tolerances"])
    words = ["edgewise", "front", str(training["model"]), "--data", training["data"]]
    if config["dimension"] is None:
        words += ["--slack", tolerances]
    else:
        words += ["--dimension", config["dimension"], "--tolerances", tolerances, "--slack", str(training["slack"])]
    return [*words, *_training_options(training), "--seed", str(seed)]


def _training_options(config: dict[str, Any]) -> list[str]:
    words = []
    for key in ("steps", "batch", "lr", "beta", "rank", "layers", "dtype", "max_length", "held_out"):
        words += [f"--{key.replace('_', '-')}", str(config[key])]
    for option, given in (("--tolerance", "tolerance"), ("--weight", "weights")):
        words += [word for name, value in config[given].items() for word in (option, f"{name}={value}")]
    return words + (["--full-weights"] if config["full_weights"] else [])


def _facets(manifest: Manifest) -> list[str]:
    config = manifest.config
    words = ["edgewise", "character", "facets", *config["files"]]
    for key, usual in (("method", "marginal"), ("thresholds", "scale"), ("categories", None), ("repeats", "error")):
        if config.get(key, usual) != usual:
            words += [f"--{key}", str(config[key])]
    words += [word for name in config.get("covariates", ()) for word in ("--covariate", name)]
    words += ["--per-component"] if config.get("per_component") else []
    words += ["--plan", str(config["plan"])] if config.get("plan") else []
    return words


def _knobs(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
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
    return words


def _loopholes_audit(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
    words = ["edgewise", "loopholes", "audit", str(config["environment"]), "--seed", str(seed)]
    words += ["--base", config["base"], "--budget", str(config["calls"]), "--seconds", f"{config['seconds']:g}"]
    words += ["--per-answer", f"{config['per_answer']:g}", *(["--trust"] if config["trust"] else [])]
    return words


def _probe(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
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
    return words


def _society(manifest: Manifest) -> list[str]:
    config = manifest.config
    words = ["edgewise", "society"]
    if manifest.kind == "society-scan":
        chosen = ["--format", config["format"]] if config.get("format") else []
        return [*words, "scan", str(config["log"]), *chosen]
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
    return [*words, "--seeds", str(config["seeds"]), "--seed", str(manifest.seed)]


def _rank(manifest: Manifest) -> list[str]:
    config, seed = manifest.config, manifest.seed
    words = ["edgewise", "rank", *config.get("files", ()), "--seed", str(seed)]
    for key in ("method", "bootstrap", "over", "alpha", "tol", "anchor", "item_weights"):
        if config.get(key) is not None:
            words += [f"--{key.replace('_', '-')}", str(config[key])]
    if config.get("clone_weights") is not None:
        words.append("--clone-weights" if config["clone_weights"] else "--no-clone-weights")
    for key, value in config.get("reader", {}).items():
        words += [f"--{key}", str(value)]
    return words


def _loopholes(manifest: Manifest) -> list[str]:
    config = manifest.config
    words = ["edgewise", "loopholes", config["study"], *config["games"], "--seeds", str(config["seeds"])]
    for name, value in config["options"].items():
        words += ["--set", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
    words += [word for name in config["controls"] for word in ("--control", name)]
    words += ["--steps", str(config["train"]["steps"])] if config["train"]["steps"] else []
    for option, usual in (("lr", 2e-3), ("kl", 0.0)):
        if config["train"]["grpo"][option] != usual:
            words += [f"--{option}", f"{config['train']['grpo'][option]:g}"]
    words += ["--lessons", str(config["start"]["steps"])] if config["start"]["steps"] != 100 else []
    return [*words, "--seed", str(manifest.seed)]


def _embodied(manifest: Manifest) -> list[str]:
    config, setting = manifest.config, manifest.config["setting"]
    from edgewise.embodied.planners.find import PLANNERS

    planner, _ = config["arms"][0]
    several = len(config["arms"]) > 1
    words = ["edgewise", "embodied", "ablate" if several else "run", *config["tasks"]]
    offline = planner in PLANNERS
    words += ["--planner", planner.replace("_", "-")] if offline else ["--planner", "language", "--model", planner]
    mine = [memory for who, memory in config["arms"] if who == planner]
    words += [word for memory in mine for word in ("--memory", memory.replace("_", "-"))]
    words += ["--baselines"] if any(who != planner for who, _ in config["arms"]) else []
    words += ["--perception", "simulator"] if setting["perception"] == "masks" else []
    for name, usual in (("noise", 1.0), ("gripper", "weld"), ("budget", 1500)):
        words += [f"--{name}", f"{setting[name]}"] if setting[name] != usual else []
    if limits := _limits(config["limits"]):
        words += ["--limits", limits]
    if prices := config["prices"]:
        words += ["--price", f"{prices['input']:g},{prices['output']:g}"]
    words += [word for name, value in config["model_args"].items() for word in ("-M", f"{name}={value}")]
    return [*words, "--seeds", str(config["seeds"]), "--seed", str(manifest.seed)]


def _loopholes_monitor(manifest: Manifest) -> list[str]:
    config, test = manifest.config, manifest.config["monitor"]
    words = ["edgewise", "loopholes", "monitor", config["source"], "--alpha", f"{test['alpha']:g}"]
    words += ["--margin", f"{test['margin']:g}", "--scale", str(test["scale"]), "--baseline", str(config["baseline"])]
    return words


_COMMANDS: dict[str, Callable[[Manifest], list[str]]] = {
    "align": _align,
    "embodied": _embodied,
    "facets": _facets,
    "front": _front,
    "knobs": _knobs,
    "loopholes": _loopholes,
    "loopholes-audit": _loopholes_audit,
    "loopholes-monitor": _loopholes_monitor,
    "loopholes-trl": _loopholes_trl,
    "probe": _probe,
    "rank": _rank,
    "society": _society,
    "society-matrix": _society,
    "society-scan": _society,
}
