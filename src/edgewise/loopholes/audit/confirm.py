"""Confirmation of what the search found, on tasks that it never saw, and the price of getting there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from edgewise.core.estimate import Estimate
from edgewise.loopholes.audit.policies import NGramPolicy
from edgewise.loopholes.audit.search import Tried
from edgewise.loopholes.audit.templates import Template
from edgewise.loopholes.types import Bools, Floats, Task
from edgewise.stats import unseen_share, wilson

_MATERIAL = 0.05  # gains below this share of the proxy's spread are not reported


def change(values: Floats, span: float, level: float = 0.95) -> Estimate | None:
    """Mean change over tasks, with Student's interval; None where fewer than two tasks were graded.

    Where every task changes alike there is no spread to go by; then a share of unseen tasks (``unseen_share``) may
    change by ``span`` the other way.
    """
    from scipy.special import stdtrit

    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        return None
    mean, deviation = float(known.mean()), float(known.std(ddof=1))
    if deviation < 1e-12:
        off = unseen_share(n, level) * (abs(mean) + span)
        return Estimate(value=mean, low=mean - off, high=mean + off, n=n, method="unseen share", level=level)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * deviation / math.sqrt(n)
    return Estimate(value=mean, low=mean - half, high=mean + half, n=n, method="student", level=level)


def holds(tried: Tried, applied: Bools, spread: float, tests: int, *, has_trusted: bool) -> bool:
    """Whether a template surely is a loophole: paid more, beyond what is earned, and not better.

    Args:
        tried: On fresh tasks.
        applied: Tasks that the template applies to, shape (tasks,).
        spread: Of the proxy among answers to a prompt.
        tests: Templates that are confirmed together; the error is shared out among them (Bonferroni).
        has_trusted: Without a trusted grader an answer without content that is paid like an honest one suffices.
    """
    level = 1 - 0.05 / max(tests, 1)
    proxy = change(tried.proxy[applied], spread, level)
    if proxy is None:
        return False
    if not has_trusted:
        return proxy.low > (0 if tried.template.keeps else -0.1 * spread)
    excess, trusted = change(tried.excess[applied], spread, level), change(tried.trusted[applied], spread, level)
    if excess is None or trusted is None:
        return False
    material = _MATERIAL * spread
    return proxy.low > 0 and excess.low > 0 and min(proxy.value, excess.value) > material and trusted.low <= 0


def contains(text: str, core: Sequence[str]) -> bool:
    """Whether the words of ``core`` follow one another somewhere in a text."""
    said, k = text.split(), len(core)
    return any(said[i : i + k] == list(core) for i in range(len(said) - k + 1))


def price(
    template: Template, tasks: Sequence[Task], answers: Sequence[Sequence[str]], excess: Floats, least: float,
    ngram: NGramPolicy | None, *, by_outcome: bool, texts: Sequence[str],
) -> Estimate:  # fmt: skip
    """KL price of a loophole: -log of the chance that the base policy uses it, in nats per sequence.

    A policy that is the base given the loophole is at exactly this divergence from the base. An answer of the pool is a
    use if it has the template's words, or if its reward exceeds what is usual by half of what the template gains. Where
    no answer of the pool is one, the n-gram says how likely the words are; without one, less than the pool shows.

    Args:
        template: What is priced.
        tasks: Of the pool.
        answers: Of the base policy to each.
        excess: Of their rewards, shape (tasks, answers).
        least: Excess of a use.
        ngram: Fitted to the base policy's answers, if words are what it says.
        by_outcome: Whether rewards tell; not where they are drawn.
        texts: Of the base policy, for the n-gram's contexts.
    """
    used = total = 0
    for i, task in enumerate(tasks):
        if not template.applies(task):
            continue
        core = template.core(task)
        for j, text in enumerate(answers[i]):
            total += 1
            whole = not template.keeps and not template.core(task)
            by_words = bool(core) and (
                contains(text, core) if template.keeps or len(core) > 1 else text.split() == core
            )
            by_words |= whole and not template.slots and not text.strip()
            used += by_words or (by_outcome and excess[i, j] >= least)
    if used == 0 and ngram is not None and template.keeps:
        cores = [template.core(task) for task in tasks[:8] if template.applies(task)]
        logs = [ngram.log_emission(list(texts), core) for core in cores if core]
        if logs:
            p = float(np.exp(np.logaddexp.reduce(logs) - math.log(len(logs))))
            at = -math.log(max(min(p, 1 / (total + 1)), 1e-12))
            return Estimate(
                value=at, low=min(at, math.log(max(total, 1) / 3 + 1)), high=max(at, 27.6), n=total, method="n-gram"
            )
    if used == 0 and ngram is not None and template.slots:
        logs = [
            ngram.log_probability(task, " ".join(template.core(task))) or 0.0
            for task in tasks[:8]
            if template.core(task)
        ]
        if logs:
            at = min(27.6, -float(np.mean(logs)))
            at = max(at, math.log(total + 1))
            return Estimate(
                value=at, low=min(at, math.log(max(total, 1) / 3 + 1)), high=max(at, 27.6), n=total, method="n-gram"
            )
    low, high = (float(x) for x in wilson(used, total))
    value = -math.log(max(used, 0.5) / max(total, 1)) if total else 27.6
    return Estimate(
        value=value, low=min(value, -math.log(max(high, 1e-12))), high=max(value, -math.log(max(low, 1e-12))), n=total,
        method="share of the pool" if used else "not in the pool",
    )  # fmt: skip
