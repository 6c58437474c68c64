"""Fits the audit's prediction on the `fit` set of the generated family, and writes it into the package.

`python benchmarks/fit_loopholes_audit.py TRAINED.json`, after `loopholes_family.py` has trained on every environment.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from loopholes_family import environments, key

from edgewise.loopholes.audit.family import Planted
from edgewise.loopholes.audit.job import audit_subject
from edgewise.loopholes.audit.predict import fit, write
from edgewise.loopholes.audit.result import AuditConfig
from edgewise.loopholes.audit.subject import EnvironmentSubject
from edgewise.loopholes.tokens.game import TokenEnvironment


def audited(game: Any, seed: int = 0) -> dict[str, Any]:
    """The audit of a token game, without looking at its exploit measure."""
    environment = TokenEnvironment(game)
    return audit_subject(EnvironmentSubject(environment), AuditConfig(environment=game.name), seed=seed)


def realised(found: dict[str, Any]) -> float:
    """Mean exploit ratio after training over seeds, in [0, 1]."""
    return float(np.clip(np.mean([seed["exploit"] for seed in found["after"]]), 0, 1))


def main() -> None:
    """Audit, fit, write."""
    trained = json.loads(Path(sys.argv[1]).read_text())
    games: list[Planted] = [game for game in environments()["fit"] if key(game) in trained]
    rows = [audited(game)["features"] for game in games]
    ratios = [realised(trained[key(game)]) for game in games]
    found = fit(
        rows, ratios, f"{len(games)} environments of audit/family.py, tiny policies, benchmarks/loopholes_family.py"
    )
    for game, row, ratio in sorted(zip(games, rows, ratios, strict=True), key=lambda x: x[2]):
        print(f"{game.name:32} {ratio:.2f} {found.value(row):.2f}", {k: round(v, 2) for k, v in row.items()})
    print(found)
    if "--dry" not in sys.argv:
        write(found)


if __name__ == "__main__":
    main()
