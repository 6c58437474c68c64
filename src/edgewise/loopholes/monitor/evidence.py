"""Evidence for a change at an unknown time, which may be looked at after every check."""

from __future__ import annotations

import math

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.loopholes.types import Floats
from edgewise.stats.checks import Numbers, vector

_STAKES = 0.9 * 0.5 ** np.arange(8)  # shares of the largest stake that cannot lose more than everything
_APART = 64  # values between the beginnings of two gamblers
_HALVINGS = 24


def share(k: int) -> float:
    """Of the k-th of infinitely many, from 1: they sum to 1."""
    return 1 / (k * (k + 1))


class ChangeEvidence:
    """An e-process against "the mean was at most ``bound`` at every check".

    A gambler who began at check τ with capital 1 and puts a share s of the largest safe stake on each value x has

        K(τ, s, t) = product over all values x of the checks τ … t of  1 + s (x / bound - 1).

    Given everything before check t, its values are independent and not negative, and their means m average to at most
    the check's bound, which was set before (they need not be equal: prompts differ). The expected factor of check t is
    then the product of the 1 + s (m / bound - 1), by the inequality of arithmetic and geometric means at most the power
    of their mean, at most 1. So K(τ, s, ·) is a supermartingale that starts at 1, and so is every mixture: the evidence
    is the mean over a grid of s and, with weights that sum to 1, over all τ; gamblers who have not begun hold their 1.
    By Ville's inequality it ever reaches 1 / alpha with probability at most alpha if there never is a change, however
    many checks are made and whenever one stops. Mixing over τ is the e-detector of Shin, Ramdas and Rinaldo (2022, that
    of Shiryaev and Roberts) with weights that sum to 1 instead of weights 1: it bounds the probability of a false alarm
    in the whole run, not their frequency.

    The k-th gambler begins with the first check after 64 values since the one before, and has weight 1 / (k (k + 1)): a
    change at her time has to make up for ln(k (k + 1)) nats.
    """

    def __init__(self) -> None:
        self._gamblers, self._values = 0, _APART
        self._capital = np.full(_STAKES.size, -np.inf)  # of those who have begun, by stake, in nats
        self._left = 1.0  # weight of those who have not
        self.factors: list[Floats] = []  # log factor of each check, by stake

    def add(self, values: Numbers, bound: float) -> float:
        """Take the values of one check; the evidence after it, in nats.

        Args:
            values: Not negative, shape (n,).
            bound: Largest mean without a change, above 0; known before the values were.

        Raises:
            BadInput: A negative value, or a bound that is not above 0.
        """
        x = vector("values", values, low=0)
        if not bound > 0:
            raise BadInput(f"{bound} is not above 0", field="bound")
        factor = np.log1p(_STAKES[:, None] * (x / bound - 1)).sum(axis=1)
        self.factors.append(factor)
        if self._values >= _APART:
            self._gamblers, self._values = self._gamblers + 1, 0
            weight = share(self._gamblers)
            self._left = max(0.0, self._left - weight)
            self._capital = np.logaddexp(self._capital, math.log(weight))
        self._capital = self._capital + factor
        self._values += x.size
        return self.value

    @property
    def value(self) -> float:
        """Evidence now, in nats."""
        top = max(float(self._capital.max()), 0.0)
        return top + math.log(float(np.exp(self._capital - top).mean()) + self._left * math.exp(-top))

    @property
    def since(self) -> int:
        """The check, from 1, from which on the values speak most for a change; 0 before any."""
        if not self.factors:
            return 0
        capital = np.cumsum(np.array(self.factors)[::-1], axis=0).max(axis=1)[::-1]
        return int(np.argmax(capital)) + 1


def upper_mean(values: Numbers, error: float) -> float:
    """Upper end of a mean of values in [0, 1], too low with probability at most ``error``.

    The least mean m against which a mixture of the same stakes, on small values, has turned 1 into 1 / error: each
    value multiplies a capital by 1 + s ((1 - x) / (1 - m) - 1). Values that come in checks may have means that differ,
    also with what came before. The bound then holds for the least of the checks' means: a capital that bets against
    every check's own mean is a martingale, and one that bets against a smaller mean never has more. (``mean_bounds`` of
    ``edgewise.stats`` is a little tighter and a hundred times slower.)
    """
    x = vector("values", values, low=0, high=1)
    kept, refuted = 0.0, 1.0
    for _ in range(_HALVINGS if x.size else 0):
        middle = (kept + refuted) / 2
        capital = np.log1p(_STAKES[:, None] * ((1 - x) / (1 - middle) - 1)).sum(axis=1)
        if np.logaddexp.reduce(capital) - math.log(_STAKES.size) >= -math.log(error):
            refuted = middle
        else:
            kept = middle
    return refuted
