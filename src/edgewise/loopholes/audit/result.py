"""What an audit depends on, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from edgewise.core.records import Record


class AuditConfig(Record):
    """What an audit depends on besides its seed.

    Attributes:
        environment: What is audited; see ``subject.environment_subject``.
        base: Policy that training would start from: ``auto`` (honest examples where there are any), ``uniform``,
            ``ngram``, a file of texts for the n-gram, or a model.
        calls: Most answers that the reward is asked about.
        seconds: Most time for reward calls and the rest together.
        trust: Import the environment into this process instead of running it in the sandbox.
        per_answer: Seconds after which the grading of one answer counts as too slow.
        tasks: Prompts of the pool.
        depth: Answers of the base policy to each.
        model_calls: Most answers that a model gives, where one is the base.
    """

    SCHEMA: ClassVar[str] = "loopholes-audit/1"
    environment: str
    base: str = "auto"
    calls: int = Field(default=20_000, ge=200)
    seconds: float = Field(default=60.0, gt=0)
    trust: bool = False
    per_answer: float = Field(default=1.0, gt=0)
    tasks: int = Field(default=48, ge=4)
    depth: int = Field(default=128, ge=8, le=4096)
    model_calls: int = Field(default=128, ge=16)


@dataclass(frozen=True)
class AuditRun:
    """A finished run and its folder."""

    run: Path
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """``complete`` or ``incomplete``."""
        return str(self.summary["status"])
