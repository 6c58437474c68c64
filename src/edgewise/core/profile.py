"""Panels of named dimensions, and profiles that are compared but never summed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure
from edgewise.core.records import Record


class Verdict(StrEnum):
    """The four answers that a check can give."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_MEASURED = "not_measured"


def at_most(found: Measure | None, limit: float) -> Verdict:
    """Whether a figure is surely at most a limit: its whole interval is, or is not, or neither."""
    if not isinstance(found, Estimate):
        return Verdict.NOT_MEASURED
    if found.high <= limit:
        return Verdict.PASS
    return Verdict.FAIL if found.low > limit else Verdict.INCONCLUSIVE


def at_least(found: Measure | None, limit: float) -> Verdict:
    """Whether a figure is surely at least a limit."""
    if not isinstance(found, Estimate):
        return Verdict.NOT_MEASURED
    if found.low >= limit:
        return Verdict.PASS
    return Verdict.FAIL if found.high < limit else Verdict.INCONCLUSIVE


def above(found: Measure | None, limit: float) -> Verdict:
    """Whether a figure is surely more than a limit; one that is at the limit fails."""
    opposite = {Verdict.PASS: Verdict.FAIL, Verdict.FAIL: Verdict.PASS}
    judged = at_most(found, limit)
    return opposite.get(judged, judged)


class Turn(Record):
    """One turn of a transcript shown as evidence. ``text`` is untrusted: whoever shows it escapes it."""

    role: str
    text: str


class Evidence(Record):
    """A transcript that shows what stands behind a dimension.

    Attributes:
        dimension: The dimension it speaks to.
        title: What to look at, in a few words.
        turns: The transcript.
        item_id: The item it comes from, so that the response table can be joined.
        score: The item's score, if it has one.
    """

    dimension: str
    title: str
    turns: tuple[Turn, ...]
    item_id: str = ""
    score: float | None = None


class Panel(Record):
    """What one instrument found: dimensions with intervals, the evidence behind them, verdicts and caveats.

    Attributes:
        instrument: Name of the instrument.
        dimensions: Measured value (or ``NotMeasured``) by dimension.
        lower_is_better: Dimensions where less is better (an error, a rate of failure).
        evidence: The most telling transcripts.
        verdicts: Three-valued answers, or ``not_measured``, to the claims that the instrument checks.
        caveats: What a reader must know before using the numbers.
    """

    SCHEMA: ClassVar[str] = "panel/1"
    instrument: str
    dimensions: dict[str, Measure]
    lower_is_better: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    verdicts: dict[str, Verdict] = {}
    caveats: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        unknown = set(self.lower_is_better) - set(self.dimensions)
        if unknown:
            raise ValueError(f"lower_is_better names unknown dimensions {sorted(unknown)}")
        return self

    @property
    def measured(self) -> dict[str, Estimate]:
        """The dimensions that have an estimate."""
        return {name: m for name, m in self.dimensions.items() if isinstance(m, Estimate)}


class Change(Record):
    """How one dimension differs between two profiles.

    Attributes:
        outcome: ``better`` or ``worse`` where the interval of the improvement excludes zero; ``unclear`` where it does
            not; ``not_measured`` where either side is missing.
        difference: First minus second, in the dimension's own unit (not turned so that more is better).
    """

    panel: str
    dimension: str
    outcome: Literal["better", "worse", "unclear", "not_measured"]
    difference: Estimate | None = None


class Comparison(Record):
    """Two profiles, dimension by dimension. There is no total, on purpose."""

    SCHEMA: ClassVar[str] = "comparison/1"
    first: str
    second: str
    changes: tuple[Change, ...]
    dominance: Literal["first", "second", "none"]

    def count(self, outcome: str) -> int:
        """Number of dimensions with this outcome."""
        return sum(change.outcome == outcome for change in self.changes)


class Profile(Record):
    """Everything known about one model: its panels, and the treatments it came through.

    A profile is a pure function of model, configuration and seed. It carries no clock (the run's manifest does), so two
    runs with the same seed write the same bytes.

    Profiles are partially ordered: ``a.dominates(b)``. They have no total, no float value and no ``<``.
    """

    SCHEMA: ClassVar[str] = "profile/1"
    model: str
    panels: dict[str, Panel]
    lineage: tuple[str, ...] = ()

    def __float__(self) -> float:
        raise TypeError("a profile is not a number; compare two with profile.compare(other)")

    def __iter__(self) -> Any:
        raise TypeError("a profile is not a sequence of numbers; read profile.panels")

    def measures(self) -> dict[tuple[str, str], Measure]:
        """Every measure, by (panel, dimension)."""
        return {(p, d): m for p, panel in self.panels.items() for d, m in panel.dimensions.items()}

    def _lower_is_better(self) -> set[tuple[str, str]]:
        return {(p, d) for p, panel in self.panels.items() for d in panel.lower_is_better}

    def dominates(self, other: Profile) -> bool:
        """Whether this profile is at least as good on every dimension and better on one (Pareto, point values).

        A strict partial order: irreflexive, asymmetric, transitive. It holds only between profiles that measured the
        same dimensions; what is missing on one side is never assumed. Uncertainty is ``compare``'s business.
        """
        mine, theirs = self._oriented(), other._oriented()
        if mine.keys() != theirs.keys() or not mine:
            return False
        return all(mine[k] >= theirs[k] for k in mine) and any(mine[k] > theirs[k] for k in mine)

    def _oriented(self) -> dict[tuple[str, str], float]:
        """Point values of the measured dimensions, turned so that more is better."""
        turned = self._lower_is_better()
        return {
            key: -m.value if key in turned else m.value for key, m in self.measures().items() if isinstance(m, Estimate)
        }

    def compare(self, other: Profile) -> Comparison:
        """Compare dimension by dimension, each with the interval of its difference.

        Raises:
            BadInput: The two profiles disagree on which way a dimension is good.
        """
        mine, theirs = self.measures(), other.measures()
        turned, turned_there = self._lower_is_better(), other._lower_is_better()
        changes = []
        for key in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(key), theirs.get(key)
            if not (isinstance(a, Estimate) and isinstance(b, Estimate)):
                changes.append(Change(panel=key[0], dimension=key[1], outcome="not_measured"))
                continue
            if (key in turned) != (key in turned_there):
                raise BadInput(
                    "the profiles disagree on whether lower is better", field=".".join(key), fix="run both again"
                )
            difference = a.minus(b)
            sign = -1 if key in turned else 1
            up, down = difference.low > 0, difference.high < 0
            outcome: Literal["better", "worse", "unclear"] = "unclear"
            if up or down:
                outcome = "better" if (up and sign > 0) or (down and sign < 0) else "worse"
            changes.append(Change(panel=key[0], dimension=key[1], outcome=outcome, difference=difference))
        dominance: Literal["first", "second", "none"] = "none"
        if self.dominates(other):
            dominance = "first"
        elif other.dominates(self):
            dominance = "second"
        return Comparison(first=self.model, second=other.model, changes=tuple(changes), dominance=dominance)
