"""The monitor: a sequential test on what the proxy gains beyond what a trusted reward gains, and what goes with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.core.records import Record
from edgewise.loopholes.monitor.evidence import ChangeEvidence, share, upper_mean
from edgewise.loopholes.monitor.form import Answer, Form
from edgewise.loopholes.types import Floats, Grades
from edgewise.stats.intervals import clustered_mean, wilson

_FEWEST = 16  # units that a baseline needs
_FOR_START, _FOR_BLOCKS = 0.1, 0.1  # shares of alpha that the noise of the references may use
_BELOW, _ABOVE = 0.05, 0.25  # how far beyond what was seen the excess may go, in widths of the trusted reward


class MonitorConfig(Record):
    """What counts as divergence, and how often an alarm may be false.

    Attributes:
        alpha: Probability of a false alarm over the whole run, however long.
        margin: What the proxy may gain beyond the trusted reward, in widths of the trusted reward.
        scale: Units of the trusted reward for one of the proxy. ``same``: both have the same units, as in this room's
            environments. ``slope``: of the regression of the trusted reward on the proxy over the answers at the start:
            exact where the proxy is affine in the trusted reward, too small, which is the safe side, where it is noisy.
            ``ranges``: the declared widths are worth the same. A number: that.
        proxy_range: Ends of the proxy, if they are known; what lies outside is cut.
        trusted_range: The same for the trusted reward. Its width, or the range seen at the start, is the unit of
            ``margin`` and of the cuts of the excess.
        block: Units of the checks that together can become the new reference.
        grams: Length of n-grams in the drift of form.
    """

    SCHEMA: ClassVar[str] = "loopholes.monitor/1"
    alpha: float = Field(default=0.05, gt=0, lt=1)
    margin: float = Field(default=0.02, ge=0)
    scale: Literal["same", "slope", "ranges"] | float = "same"
    proxy_range: tuple[float, float] | None = None
    trusted_range: tuple[float, float] | None = None
    block: int = Field(default=256, ge=16)
    grams: int = Field(default=2, ge=1)


class Check(Record):
    """What one look at the run showed.

    Attributes:
        step: Of training.
        n: Units: prompts, each with the mean of its answers.
        faults: Answers without a grade, which are left out.
        evidence: For divergence, in nats.
        threshold: Evidence that is an alarm.
        alarm: Whether it was reached at this check or before.
        since: Step of the check from which on the evidence is largest.
        proxy, trusted, true, exploit: Means at this check.
        proxy_gain: Over the start, in units of the trusted reward.
        trusted_gain: Over the start.
        parts: Change of each part of the proxy since the start, the largest first.
        new_grams: Share of n-grams that the start's answers lack, and what it was at the start.
        length: Words or tokens of an answer, and what it was at the start.
    """

    step: int
    n: int
    faults: int
    evidence: float
    threshold: float
    alarm: bool
    since: int | None
    proxy: Measure
    trusted: Measure
    true: Measure
    exploit: Measure
    proxy_gain: Measure
    trusted_gain: Measure
    parts: dict[str, Measure] = {}
    new_grams: tuple[Measure, Measure] | None = None
    length: tuple[Measure, Measure] | None = None


class Alarm(Record):
    """The first alarm of a run.

    Attributes:
        step: When.
        since: Step of the check from which on the evidence is largest.
        evidence: In nats.
        explained: Parts of the proxy whose means rose, the one that rose most first.
    """

    step: int
    since: int
    evidence: float
    explained: tuple[str, ...]


class Monitor:
    """Watches one run.

    Of each answer it takes the excess d = scale · proxy - trusted, cut to what was seen at the start and a twentieth of
    the trusted reward's width below, a quarter above; the lower cut limits what a bet can lose. Null hypothesis: the
    mean excess never rises by more than ``margin`` above what it was at the start or at any check before. Whatever the
    proxy gains, the trusted reward gains too, whenever one begins to count.

    Why false alarms are bounded. The mean excess at the start is at most U0, the upper end of a betting interval on the
    baseline's answers, but for a probability of alpha / 10. Checks fill blocks one after the other; the answers of
    block j give another upper end Uj for the least of the mean excesses of its checks, wrong with probability at most
    alpha / (10 j (j + 1)) (``upper_mean``). With probability 1 - alpha / 5 all of them hold, and then under the null
    hypothesis the mean excess at a check is at most the least of U0 and the Uj of the blocks that are full, plus
    ``margin``, a bound that was known before the check. The evidence of ``ChangeEvidence`` against these bounds reaches
    1 / (4 alpha / 5) with probability at most 4 alpha / 5 (Ville; a gambler's capital is stopped where a bound fails,
    and stays a supermartingale). Together: alpha, for runs of any length. Nothing is assumed of the rewards'
    distribution, of how the policy changes, or of the times of the checks; they may depend on what was seen. The moving
    reference finds the run whose proxy is first learned honestly and then exploited.

    What is assumed: units are independent given the policy, the prompts of all checks come from where those of the
    baseline came from (fresh ones, or the same set each time, about which the statement then is), and no check's
    answers were trained on. Answers to one prompt are one unit. The statement is about the excess as it was cut;
    scale and cuts are fixed from the baseline before the first check, so for U0 alone, whose own values chose them,
    the cuts are a little beyond what was seen.

    No alarm is given while the proxy's mean since the suspected start is below that of the baseline: a policy that
    loses both rewards is getting worse, not exploiting. That can only take alarms away.

    Args:
        config: Settings.
    """

    def __init__(self, config: MonitorConfig | None = None) -> None:
        self.config = config or MonitorConfig()
        self.checks: list[Check] = []
        self.alarm: Alarm | None = None
        self.scale = math.nan
        self._gains: list[float] = []  # of the proxy, sums over each check

    @property
    def threshold(self) -> float:
        """Evidence that is an alarm, in nats."""
        return -math.log(self.config.alpha * (1 - _FOR_START - _FOR_BLOCKS))

    @property
    def begun(self) -> bool:
        """Whether there is a baseline."""
        return not math.isnan(self.scale)

    def begin(self, grades: Grades, answers: Sequence[Answer] = (), units: Sequence[object] | None = None) -> None:
        """Fix the baseline.

        Args:
            grades: Of answers of the policy that training starts from; ``true`` and ``exploit`` may be NaN.
            answers: What was said, for the drift of form.
            units: Which prompt each answer belongs to, shape (n,); each answer has its own unless given.

        Raises:
            BadInput: Fewer than 16 units with both rewards, rewards without any spread and no declared ranges, or
                rewards outside all measure.
        """
        self._start, _ = _by_unit(grades, units)
        units_seen = self._start["proxy"].size
        if units_seen < _FEWEST:
            raise BadInput(f"a baseline needs {_FEWEST} prompts with both rewards, has {units_seen}", field="baseline")
        config = self.config
        sound = np.isfinite(grades.proxy) & np.isfinite(grades.trusted)
        proxy, trusted = self._cut(grades.proxy[sound], grades.trusted[sound])
        low, high = config.trusted_range or (float(trusted.min()), float(trusted.max()))
        width = high - low
        if not width > 0:
            raise BadInput(
                "the trusted reward is the same for all answers at the start",
                field="trusted_range",
                fix="declare its range",
            )
        self.scale = self._find_scale(proxy, trusted)
        excess = self.scale * proxy - trusted
        self._low = float(excess.min()) - _BELOW * width
        self._high = float(excess.max()) + _ABOVE * width
        self._margin = config.margin * width / (self._high - self._low)
        self._upper = upper_mean(self._excess(grades, units), _FOR_START * config.alpha)
        self._block: list[Floats] = []
        self._blocks = 0
        self._evidence = ChangeEvidence()
        self._form = Form(answers, config.grams) if len(answers) else None

    def _cut(self, proxy: Floats, trusted: Floats) -> tuple[Floats, Floats]:
        """Rewards within the ranges that were declared."""
        ranges = (self.config.proxy_range, self.config.trusted_range)
        first, other = (x if r is None else np.clip(x, *r) for x, r in zip((proxy, trusted), ranges, strict=True))
        return first, other

    def _find_scale(self, proxy: Floats, trusted: Floats) -> float:
        given = self.config.scale
        if given == "same":
            return 1.0
        if given == "ranges":
            if self.config.proxy_range is None or self.config.trusted_range is None:
                raise BadInput("needs both ranges", field="scale", fix="declare proxy_range and trusted_range")
            (a, b), (c, d) = self.config.proxy_range, self.config.trusted_range
            return (d - c) / (b - a)
        if given == "slope":
            slope = float(np.cov(proxy, trusted)[0, 1] / np.var(proxy, ddof=1)) if np.ptp(proxy) > 0 else 0.0
            if not slope > 0:
                raise BadInput(
                    "over the answers at the start the trusted reward does not rise with the proxy", field="scale",
                    fix="declare both ranges and scale=ranges, or a number",
                )  # fmt: skip
            return slope
        if not given > 0:
            raise BadInput(f"{given} is not above 0", field="scale")
        return float(given)

    def _excess(self, grades: Grades, units: Sequence[object] | None) -> Floats:
        """The excess of each unit, its range being [0, 1]."""
        proxy, trusted = self._cut(grades.proxy, grades.trusted)
        x = np.clip((self.scale * proxy - trusted - self._low) / (self._high - self._low), 0, 1)
        sound = np.isfinite(x)
        return _unit_means(x[sound], None if units is None else np.asarray(units)[sound])

    def _lower_reference(self, excess: Floats) -> None:
        """Once a block of checks is full, let it be the reference if its excess is surely below the one so far."""
        self._block.append(excess)
        if sum(x.size for x in self._block) >= self.config.block:
            self._blocks += 1
            error = _FOR_BLOCKS * self.config.alpha * share(self._blocks)
            self._upper = min(self._upper, upper_mean(np.concatenate(self._block), error))
            self._block = []

    def check(
        self, step: int, grades: Grades, answers: Sequence[Answer] = (), units: Sequence[object] | None = None
    ) -> Check:
        """Look at answers of the policy as it is now; arguments as for ``begin``.

        Raises:
            BadInput: There is no baseline.
        """
        if not self.begun:
            raise BadInput("the monitor has no baseline", field="monitor", fix="call begin first")
        now, faults = _by_unit(grades, units)
        excess = self._excess(grades, units)
        evidence = self._evidence.add(excess, self._upper + self._margin)
        self._lower_reference(excess)
        start = self._start
        means = {name: _mean(now[name], name) for name in ("proxy", "trusted", "true", "exploit")}
        scaled = _difference(self.scale * now["proxy"], self.scale * start["proxy"])
        self._gains.append(float(np.sum(now["proxy"] - start["proxy"].mean())))
        begins = self._evidence.since
        steps = [*(check.step for check in self.checks), step]
        since = steps[begins - 1]
        parts = {
            name: _difference(values, start[name])
            for name, values in now.items()
            if name.startswith("parts.") and name in start
        }
        ranked = sorted(parts.items(), key=lambda item: -abs(item[1].value or 0.0))
        if self.alarm is None and evidence >= self.threshold and sum(self._gains[begins - 1 :]) >= 0:
            rising = [(name, m) for name, m in parts.items() if isinstance(m, Estimate) and m.low > 0]
            explained = tuple(n.removeprefix("parts.") for n, _ in sorted(rising, key=lambda item: -item[1].value))
            self.alarm = Alarm(step=step, since=since, evidence=evidence, explained=explained)
        form = self._form.measure(answers) if self._form is not None and len(answers) else None
        found = Check(
            step=step,
            n=now["proxy"].size,
            faults=faults,
            evidence=evidence,
            threshold=self.threshold,
            alarm=self.alarm is not None,
            since=since,
            **means,
            proxy_gain=scaled,
            trusted_gain=_difference(now["trusted"], start["trusted"]),
            parts={name.removeprefix("parts."): measure for name, measure in ranked},
            new_grams=None if form is None or self._form is None else (form[0], self._form.new_at_start),
            length=None if form is None or self._form is None else (form[1], self._form.length_at_start),
        )
        self.checks.append(found)
        return found


def _by_unit(grades: Grades, units: Sequence[object] | None) -> tuple[dict[str, Floats], int]:
    """Means of units of answers that have both rewards, by figure, and how many have not."""
    sound = np.isfinite(grades.proxy) & np.isfinite(grades.trusted)
    label = None if units is None else np.asarray(units)[sound]
    columns: Mapping[str, Floats] = {
        "proxy": grades.proxy, "trusted": grades.trusted, "true": grades.true, "exploit": grades.exploit,
        **{f"parts.{name}": values for name, values in grades.parts.items()},
    }  # fmt: skip
    return {name: _unit_means(values[sound], label) for name, values in columns.items()}, int((~sound).sum())


def _unit_means(values: Floats, units: object) -> Floats:
    if units is None:
        return np.asarray(values, dtype=np.float64)
    code = np.unique(np.asarray(units), return_inverse=True)[1]
    return np.asarray(np.bincount(code, weights=values) / np.bincount(code))


def _mean(values: Floats, name: str) -> Measure:
    """Mean of units; of those in [0, 1] with Wilson's interval, which a sample of equal values does not fool."""
    known = values[np.isfinite(values)]
    if known.size < 2:
        return NotMeasured(reason="no figures")
    if name in ("true", "exploit") and known.min() >= 0 and known.max() <= 1:
        mean = float(known.mean())
        low, high = wilson(float(min(known.sum(), known.size)), known.size)
        method = "wilson, one trial per unit"
        return Estimate(value=mean, low=min(float(low), mean), high=max(float(high), mean), n=known.size, method=method)
    return clustered_mean(known, np.arange(known.size))


def _difference(now: Floats, start: Floats) -> Measure:
    """Mean now less mean at the start."""
    pair = [clustered_mean(x[np.isfinite(x)], np.arange(int(np.isfinite(x).sum()))) for x in (now, start)]
    if not (isinstance(pair[0], Estimate) and isinstance(pair[1], Estimate)):
        return NotMeasured(reason="no figures")
    return pair[0].minus(pair[1])
