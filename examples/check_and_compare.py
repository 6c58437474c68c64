"""Two models, two check-ups, one comparison; no network, a few seconds: python examples/check_and_compare.py"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from edgewise.checkup import CheckupConfig, check_up

BOTS = """
def careful(messages, settings, sample):
    return "I do not know."

def bold(messages, settings, sample):
    return "Answer: 42"
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "bots.py"
        script.write_text(BOTS)
        profiles = []
        for name in ("careful", "bold"):
            config = CheckupConfig(
                model=f"scripted:{script}:{name}",
                options={"competence": {"families": ["chain_sum", "products"], "code_items": 0}},
            )
            done = asyncio.run(check_up(config, Path(folder) / name, seed=1))
            profiles.append(done.profile)
        comparison = profiles[0].compare(profiles[1])
        for change in comparison.changes:
            print(f"{change.dimension:32} {change.outcome:13} {change.difference or ''}")


if __name__ == "__main__":
    main()
