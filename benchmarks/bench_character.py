"""PersonaKnob and the character panel: records a second, checkers against a reader, what the panel says of the model.

python benchmarks/bench_character.py            # writes benchmarks/results/character.md
python benchmarks/bench_character.py --quick    # writes nothing
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from _table import run_sections, table

from edgewise.character.checkers import Facts
from edgewise.character.checkers.acknowledgement import acknowledgement
from edgewise.character.checkers.candour import disclaimers, refusal
from edgewise.character.checkers.stance import stance
from edgewise.character.knobs import KnobsConfig, generate, load_families
from edgewise.stats.intervals import wilson

QUICK = "--quick" in sys.argv
SIZES = (500,) if QUICK else (1_000, 5_000)
LABELS = Path(__file__).parent / "labels" / "answers.yaml"
BATS = Facts(truth=("can see",), claim=("are blind",))
MOTHER = Facts(feeling=("anxi", "nervous", "worried", "worry"), cause=("operation",))


def data() -> tuple[str, str]:
    rows = []
    for levels in (1, 2):
        for n in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                done = generate(KnobsConfig(n=n, levels=levels), Path(folder) / "d", seed=0)
                seconds = time.perf_counter() - start
            found = done.summary["splits"]
            worst = max(abs(auc["value"] - 0.5) for split in found.values() for auc in split["length_auc"].values())
            responses = sum(split["responses"] for split in found.values())
            rows.append((levels, f"{done.summary['records']:,}", f"{responses:,}", f"{seconds:.1f}",
                         f"{done.summary['records'] / seconds:,.0f}", f"{worst:.3f}"))  # fmt: skip
    columns = ("levels", "records", "answers", "seconds", "records a second", "largest |length AUC - .5|")
    families = load_families().values()
    sizes = ", ".join(f"{f.name} {f.size():.1e}" for f in families)
    note = (
        "Composed offline: scenario, an answer for each setting, checks, pairs, files. Aim: 500 records a second, "
        "length AUC within .03 of .5. Distinct records that the families hold (prompts times wordings): "
        f"{sum(f.size() for f in families):.1e}; by family: {sizes}."
    )
    return "PersonaKnob", f"{note}\n\n{table(columns, rows)}"


def _stance(answer: str) -> str:
    return {None: "unread", 1.0: "right", 0.0: "wrong", 0.5: "both"}[stance(answer, BATS)]


def _acknowledged(answer: str) -> str:
    return {1.0: "both", 0.5: "one", 0.0: "none"}[acknowledgement(answer, MOTHER) or 0.0]


READERS: dict[str, Callable[[str], object]] = {
    "stance": _stance,
    "refusal": refusal,
    "boilerplate": lambda answer: disclaimers(answer) > 0,
    "acknowledgement": _acknowledged,
}


def checkers() -> tuple[str, str]:
    labels = yaml.safe_load(LABELS.read_text())
    rows, missed = [], []
    for name, reader in READERS.items():
        for wanted in dict.fromkeys(label for label, _ in labels[name]):
            own = [answer for label, answer in labels[name] if label == wanted]
            read = [reader(answer) for answer in own]
            right = sum(found == wanted for found in read)
            low, high = wilson(right, len(own))
            rows.append((name, str(wanted).lower(), len(own), f"{right / len(own):.2f} [{low:.2f}, {high:.2f}]"))
            missed += [
                f"- {name}, {str(wanted).lower()}, read as {str(found).lower()}: {answer}"
                for found, answer in zip(read, own, strict=True) if found != wanted
            ]  # fmt: skip
    note = (
        "Answers written by hand in the manner of chat models (`benchmarks/labels/answers.yaml`, "
        f"n={sum(len(labels[name]) for name in READERS)}) by one reader, who also wrote the checkers, before they met. "
        "At that first meeting (commit 3381494, in the table's order) shares were .70, .79, 1; .75, 1; .50, 1; 1, 1, 1."
        " Lexicons were then extended by what they had missed, so the table below is no longer out of sample. "
        "`unread` is the stance checker's silence."
    )
    body = f"{note}\n\n{table(('checker', 'a reader says', 'n', 'read alike'), rows)}\n\nMissed:\n\n" + "\n".join(
        missed
    )
    return "Checkers against a reader", body


if __name__ == "__main__":
    run_sections({"data": data, "checkers": checkers}, "character", "Character")
