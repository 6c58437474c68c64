"""Small helpers that tests of several rooms share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from edgewise.core.instrument import Instrument, InstrumentConfig
from edgewise.core.profile import Panel
from edgewise.core.run import Run
from edgewise.models import Model


def examine(instrument: Instrument[Any, Any], subject: Any, config: InstrumentConfig, folder: Path, seed: int) -> Panel:
    """Run an instrument in a new run, or continue the run in ``folder``; leaves the panel's tables there."""
    exists = (folder / "manifest.json").exists()
    run = Run.open(folder, writable=True) if exists else Run.create(folder, "test", {}, seed=seed)
    with run:
        bound = subject.bind(run) if isinstance(subject, Model) else subject
        panel: Panel = asyncio.run(instrument.run(bound, config, run))
        return panel
