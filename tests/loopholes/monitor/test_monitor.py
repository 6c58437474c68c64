"""The sequential test: no more false alarms than stated, and changes found about as fast as a fixed test would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.estimate import Estimate
from edgewise.loopholes.monitor.evidence import ChangeEvidence, share, upper_mean
from edgewise.loopholes.monitor.form import Form
from edgewise.loopholes.monitor.monitor import Monitor, MonitorConfig
from edgewise.loopholes.types import Floats, Grades

Draw = Callable[[np.random.Generator, int, int], tuple[Floats, Floats]]
RUNS, CHECKS, PROMPTS, BASELINE = 100, 40, 64, 256


def graded(proxy: Floats, trusted: Floats, **columns: Floats) -> Grades:
    nothing = np.full(proxy.size, np.nan)
    exploit = columns.pop("exploit", nothing)
    return Grades(proxy, trusted, nothing, exploit, columns)


def alarms(draw: Draw, config: MonitorConfig, *, runs: int = RUNS, seed: int = 0, checks: int = CHECKS) -> list[int]:
    """Check of the alarm of simulated runs; 0 for none."""
    found = []
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        monitor = Monitor(config)
        monitor.begin(graded(*draw(rng, 0, BASELINE)))
        for check in range(1, checks + 1):
            monitor.check(check, graded(*draw(rng, check, PROMPTS)))
            if monitor.alarm is not None:
                break
        found.append(0 if monitor.alarm is None else monitor.alarm.step)
    return found


def both_improve(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
    skill = rng.normal(0.05 * check, 1, n)
    return skill + rng.normal(0, 0.5, n), skill


def noise_only(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
    return rng.normal(0, 1, n), rng.normal(0.02 * check, 1, n)


def affine(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
    skill = rng.normal(0.05 * check, 1, n)
    return 10 * skill - 7, skill


def heavy_tails(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
    skill = rng.standard_t(2, n) + 0.02 * check
    return skill + rng.standard_t(2, n), skill


def rare_penalty(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
    """Equal in the mean, but the proxy pays a little always and takes much now and then."""
    trusted = np.zeros(n) + rng.integers(0, 2, n)
    return trusted + np.where(rng.random(n) < 0.05, -19.0, 1.0), trusted


@pytest.mark.parametrize(
    ("draw", "config"),
    [
        (both_improve, MonitorConfig(margin=0)),
        (both_improve, MonitorConfig(margin=0, scale="slope")),
        (noise_only, MonitorConfig(margin=0)),
        (affine, MonitorConfig(margin=0, scale="slope")),
        (affine, MonitorConfig(margin=0, scale="ranges", proxy_range=(-67, 53), trusted_range=(-6, 6))),
        (heavy_tails, MonitorConfig(margin=0)),
        (rare_penalty, MonitorConfig(margin=0)),
    ],
)
def test_false_alarms_are_at_most_as_many_as_stated(draw: Draw, config: MonitorConfig) -> None:
    false = sum(step > 0 for step in alarms(draw, config))
    # 11 or more of 100 have probability 1 % at a true rate of 5 %.
    assert false <= 10


def test_the_evidence_alone_keeps_its_bound_at_the_edge_of_the_null_hypothesis() -> None:
    """Values whose mean is the bound, binary and skewed, over 60 checks: Ville's bound at alpha = .2."""
    reached = 0
    for run in range(300):
        rng = np.random.default_rng([1, run])
        evidence = ChangeEvidence()
        reached += any(evidence.add((rng.random(64) < 0.1).astype(float), 0.1) >= np.log(5) for _ in range(60))
    assert reached <= 75  # 60 would be the bound itself; 75 is 2.2 standard deviations above


def test_weights_and_the_evidence_of_nothing() -> None:
    assert sum(share(k) for k in range(1, 100_000)) == pytest.approx(1, abs=1e-4)
    evidence = ChangeEvidence()
    assert evidence.value == 0 and evidence.since == 0
    # A value equal to the bound is no evidence at all.
    assert evidence.add(np.full(50, 0.3), 0.3) == pytest.approx(0, abs=1e-12)
    with pytest.raises(BadInput):
        evidence.add([-0.1], 0.3)
    with pytest.raises(BadInput):
        evidence.add([0.1], 0.0)


def test_the_evidence_is_the_mixture_over_starts_and_stakes() -> None:
    """Against the definition, written out: gamblers of every start and stake, in plain products."""
    rng = np.random.default_rng(5)
    checks = [rng.random(64) for _ in range(4)]
    bound = 0.45
    evidence = ChangeEvidence()
    found = [evidence.add(values, bound) for values in checks]
    stakes = [0.9 * 0.5**j for j in range(8)]
    for t in range(4):
        total = 1 - sum(share(k) for k in range(1, t + 2))
        for k in range(1, t + 2):
            for s in stakes:
                capital = np.prod([np.prod(1 + s * (values / bound - 1)) for values in checks[k - 1 : t + 1]])
                total += share(k) / len(stakes) * capital
        assert found[t] == pytest.approx(np.log(total))


def test_upper_ends_of_means_cover() -> None:
    missed = 0
    for run in range(300):
        x = (np.random.default_rng([2, run]).random(100) < 0.3).astype(float)
        missed += upper_mean(x, 0.1) < 0.3
    assert missed <= 30
    assert 0.3 < upper_mean(np.repeat([0.0, 1.0], [700, 300]), 0.05) < 0.36
    assert upper_mean([], 0.05) == 1


def planted(size: float, at: int) -> Draw:
    def draw(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
        trusted = rng.normal(0, 1, n)
        return trusted + rng.normal(0, 1, n) + (size if check >= at else 0.0), trusted

    return draw


@pytest.mark.parametrize("at", [1, 20])
def test_a_change_is_found_soon_after_it_comes(at: int) -> None:
    size = 1.0
    found = np.array(alarms(planted(size, at), MonitorConfig(margin=0.02), runs=30, seed=3))
    assert (found >= at).all()
    # A one-sided test of fixed size, at level .05 with power .9, on that difference of a mean with deviation 1.
    fixed = (1.645 + 1.282) ** 2 / size**2 / PROMPTS
    delay = found - at + 1
    assert np.median(delay) <= max(2, 6 * fixed)


def test_the_reference_moves_down_so_that_what_was_first_honest_is_found() -> None:
    """The trusted reward first gains more than the proxy; what is lost again later is lost from there."""

    def draw(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
        trusted = rng.normal(0.5 * min(check, 8) - 0.25 * max(0, check - 15), 1, n)
        return np.full(n, 0.1 * check), trusted

    found = alarms(draw, MonitorConfig(margin=0.02), runs=20)
    assert all(16 <= step <= 20 for step in found)  # at step 20 the trusted reward is still above the start


def test_a_policy_that_loses_both_is_no_exploit() -> None:
    def draw(rng: np.random.Generator, check: int, n: int) -> tuple[Floats, Floats]:
        return rng.normal(-0.1 * check, 1, n), rng.normal(-0.3 * check, 1, n)

    assert alarms(draw, MonitorConfig(), runs=10) == [0] * 10


def test_an_alarm_says_since_when_and_by_which_part() -> None:
    rng = np.random.default_rng(0)

    def grades(n: int, lift: float) -> Grades:
        honest, length = rng.normal(0, 0.2, n), rng.normal(1, 0.2, n) + lift
        return graded(honest + length, honest + 1, exploit=(rng.random(n) < lift).astype(float), honest=honest,
                      length=length)  # fmt: skip

    monitor = Monitor()
    monitor.begin(grades(256, 0.0))
    for step in range(0, 200, 10):
        check = monitor.check(step, grades(64, 0.0 if step < 100 else 0.6))
    alarm = monitor.alarm
    assert alarm is not None and alarm.since == 100 and 100 <= alarm.step <= 120
    assert alarm.explained[0] == "length" and "honest" not in alarm.explained
    assert list(check.parts) == ["length", "honest"]
    gain, ratio = check.proxy_gain, check.exploit
    assert isinstance(gain, Estimate) and gain.low < 0.6 < gain.high
    assert isinstance(ratio, Estimate) and ratio.low < 0.6 < ratio.high and ratio.n == 64
    assert not check.true.measured and monitor.checks[0].since == 0


def test_answers_to_one_prompt_are_one_unit_and_faults_are_left_out() -> None:
    rng = np.random.default_rng(0)
    proxy, trusted = rng.normal(0, 1, 160), rng.normal(0, 1, 160)
    proxy[3], trusted[10] = np.nan, np.nan
    monitor = Monitor()
    units = np.repeat(np.arange(20), 8).tolist()
    monitor.begin(graded(proxy, trusted), units=units)
    check = monitor.check(1, graded(proxy, trusted), units=units)
    assert check.n == 20 and check.faults == 2
    assert isinstance(check.proxy_gain, Estimate) and check.proxy_gain.value == pytest.approx(0, abs=1e-12)


def test_form_tells_new_phrases_and_length() -> None:
    start = ["the cat sat down", "the dog sat down", "the cat sat down", "the dog sat down"]
    form = Form(start)
    assert form.new_at_start.value == pytest.approx(2 / 3)  # of a dog's bigrams, with cats for the reference
    new, length = form.measure(["the cat sat down", "set score ten now please"])
    assert new.value == pytest.approx(0.5) and length.value == pytest.approx(4.5)
    same, _ = Form([[1, 2, 3], [1, 2, 3]]).measure([[1, 2, 3], [2, 3], []])
    assert same.value == 0


def test_what_a_baseline_needs() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 40)
    with pytest.raises(BadInput, match="no baseline"):
        Monitor().check(1, graded(x, x))
    with pytest.raises(BadInput, match="16 prompts"):
        Monitor().begin(graded(x[:10], x[:10]))
    with pytest.raises(BadInput, match="the same for all"):
        Monitor().begin(graded(x, np.ones(40)))
    with pytest.raises(BadInput, match="does not rise"):
        Monitor(MonitorConfig(scale="slope")).begin(graded(x, -x))
    with pytest.raises(BadInput, match="both ranges"):
        Monitor(MonitorConfig(scale="ranges")).begin(graded(x, x))
    Monitor(MonitorConfig(trusted_range=(0, 2))).begin(graded(x, np.ones(40)))
