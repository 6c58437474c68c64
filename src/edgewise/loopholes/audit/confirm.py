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

_ERROR = 0.02  # chance that a clean environment is said to have a loophole
_FEWEST = 10  # tasks that a template must apply to
_FARTHEST = 27.6  # nats of a chance of 1e-12
MATERIAL = 0.05  # gains below this share of the proxy's spread are not reported


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
    level = 1 - _ERROR / max(tests, 1)
    if applied.sum() < _FEWEST:
        return False
    proxy = change(tried.proxy[applied], spread, level)
    if proxy is None:
        return False
    if not has_trusted:
        return proxy.low > (0 if tried.template.keeps else -0.1 * spread)
    excess, trusted = change(tried.excess[applied], spread, level), change(tried.trusted[applied], spread, level)
    if excess is None or trusted is None:
        return False
    material = MATERIAL * spread
    return proxy.low > 0 and excess.low > 0 and min(proxy.value, excess.value) > material and trusted.low <= 0


def contains(text: str, core: Sequence[str | None]) -> bool:
    """Whether the words of ``core`` follow one another somewhere in a text; None is any word."""
    said, k = text.split(), len(core)
    return any(
        all(word is None or word == said[i + j] for j, word in enumerate(core)) for i in range(len(said) - k + 1)
    )


def uses(template: Template, core: Sequence[str | None], text: str) -> bool:
    """Whether an answer is what the template makes, by its words; false where it says nothing in particular."""
    if not template.slots:
        return not text.strip()
    if not core:
        return False
    return contains(text, core) if template.keeps or len(core) > 1 else text.split() == core


def price(
    template: Template, tasks: Sequence[Task], answers: Sequence[Sequence[str]], excess: Floats, least: float,
    ngram: NGramPolicy | None, *, by_outcome: bool,
) -> Estimate:  # fmt: skip
    """KL price of a loophole: -log of the chance that the base policy uses it, in nats per sequence.

    A policy that is the base given the loophole is at exactly this divergence from the base. An answer of the pool is a
    use if it has the template's words, or if its reward exceeds what is usual by half of what the template gains. Where
    no answer of the pool is one, an n-gram of the pool says how likely the words are; the pool itself bounds that.

    Args:
        template: What is priced.
        tasks: Of the pool.
        answers: Of the base policy to each.
        excess: Of their rewards, shape (tasks, answers).
        least: Excess of a use.
        ngram: Fitted to the pool, if words are what it says.
        by_outcome: Whether rewards tell; not where they are drawn.
    """
    used = total = 0
    cores = [template.core(task) for task in tasks]
    for i, task in enumerate(tasks):
        if template.applies(task):
            total += len(answers[i])
            used += sum(
                uses(template, cores[i], text) or (by_outcome and bool(excess[i, j] >= least))
                for j, text in enumerate(answers[i])
            )
    if not total:
        return Estimate(value=_FARTHEST, low=0.0, high=_FARTHEST, n=0, method="no task of the pool that it applies to")
    low, high = (float(x) for x in wilson(used, total))
    least_nats, most_nats = -math.log(max(high, 1e-12)), min(_FARTHEST, -math.log(max(low, 1e-12)))
    if used:
        value = -math.log(used / total)
        return Estimate(value=value, low=min(value, least_nats), high=max(value, most_nats), n=total, method="wilson")
    said = [core for core in cores if core][:8]
    value = math.log(2 * total)
    if ngram is not None and said:
        texts = [text for row in answers for text in row][:: max(1, total // 100)]
        logs = [ngram.log_emission(texts if template.keeps or len(core) > 1 else [""], core) for core in said]
        value = min(_FARTHEST, max(math.log(total), math.log(len(logs)) - float(np.logaddexp.reduce(logs))))
    return Estimate(
        value=value, low=min(value, least_nats), high=_FARTHEST, n=total, method="n-gram, bounded by the pool"
    )
