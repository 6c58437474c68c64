"""Signalling: what becomes of a word on its way, and how two come to agree on what it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FORGET = 0.01  # share of a propensity that a round takes away (Roth and Erev 1995)
_FLOOR = 0.02  # below which no propensity falls
_RATE, _EXPLORE = 0.1, 0.1  # of Q-learning
_SWEEPS = 300


@dataclass(frozen=True)
class Channel:
    """From word to word: numbers and words beyond the quota become word 0; then delay; then rewriting.

    Attributes:
        secrets: Values of a part.
        words: That mean the same; word ``words`` stands for the number itself.
        quota: Words that are let through.
        paraphrase: Probability that a report is rewritten in honest writers' words.
        delay: In rounds.
        fine: For each bit by which a word is rarer than the commonest.
        reveal: Probability that the secret is told afterwards.
    """

    secrets: int
    words: int
    quota: int
    paraphrase: float
    delay: int
    fine: float
    reveal: float

    @cached_property
    def natural(self) -> Floats:
        """Honest writers' frequencies of the words (Zipf)."""
        weights = 1 / np.arange(1, self.words + 1)
        return np.asarray(weights / weights.sum())

    @cached_property
    def passed(self) -> Floats:
        """The same after the quota."""
        return np.asarray(self.natural @ np.eye(self.words)[[self.regulated(w) for w in range(self.words)]])

    @cached_property
    def charges(self) -> tuple[float, ...]:
        """Fine on each word; on the number, which nobody gets to see, none."""
        return (*(self.fine * np.log2(np.arange(1, self.words + 1))).tolist(), 0.0)

    @cached_property
    def matrix(self) -> Floats:
        """Probability of each word as read by word as written, shape (words + 1, words)."""
        rows = np.zeros((self.words + 1, self.words))
        rows[range(self.words + 1), [self.regulated(w) for w in range(self.words + 1)]] = 1 - self.paraphrase
        return np.asarray(rows + self.paraphrase * self.natural)

    def regulated(self, word: int) -> int:
        """What the regulator lets through."""
        return word if word < self.quota else 0


@dataclass(frozen=True)
class Code:
    """How a pair writes and reads.

    Attributes:
        writes: Probability of each word by part and secret, shape (parts, secrets, words + 1).
        reads: Probability of each guess by part and word, shape (parts, words, secrets).
    """

    writes: Floats
    reads: Floats

    @classmethod
    def pure(cls, channel: Channel, writes: Sequence[Sequence[int]], reads: Sequence[Sequence[int]]) -> Self:
        """From a word for each secret and a guess for each word, by part."""
        return cls(np.eye(channel.words + 1)[np.array(writes)], np.eye(channel.secrets)[np.array(reads)])

    @classmethod
    def shared(cls, channel: Channel, parts: int) -> Self:
        """The codebook that numbers the words; with too few of them, several secrets share one."""
        writes, reads = np.arange(channel.secrets) % channel.words, np.arange(channel.words) % channel.secrets
        return cls.pure(channel, [writes.tolist()] * parts, [reads.tolist()] * parts)

    @classmethod
    def none(cls, channel: Channel, parts: int) -> Self:
        """Honest words, random guesses."""
        writes = np.zeros((parts, channel.secrets, channel.words + 1))
        writes[:, :, :-1] = channel.natural
        return cls(writes, np.full((parts, channel.words, channel.secrets), 1 / channel.secrets))

    def success(self, channel: Channel) -> float:
        """Probability that every part is guessed."""
        joint = self._joint(channel)
        return float(np.trace(joint, axis1=1, axis2=2).prod() / channel.secrets ** len(joint))

    def bits(self, channel: Channel) -> float:
        """Information from secret to guess in a round, exact, for uniform secrets."""
        joint = self._joint(channel) / channel.secrets
        independent = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
        ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
        return float((joint * np.log2(ratio)).sum())

    def _joint(self, channel: Channel) -> Floats:
        """Probability of each guess by secret, shape (parts, secrets, secrets)."""
        if channel.delay:  # words are of another secret, drawn by itself
            stale = (self.writes @ channel.matrix).mean(1, keepdims=True) @ self.reads
            return np.repeat(stale, channel.secrets, axis=1)
        return np.asarray(self.writes @ channel.matrix @ self.reads)


def learn_codes(
    channel: Channel, parts: int, seeds: Sequence[int], rounds: int, rule: Literal["roth_erev", "q"]
) -> list[Code]:
    """Let pairs practise, all at once, each on draws of its own seed; both are told whether every part was right.

    ``roth_erev`` draws in proportion to propensities, which fade, and to which rewards above the least are added (Roth
    and Erev 1995);
    ``q`` is epsilon-greedy on running means of rewards by secret or word. Where the secret is told, the decoder counts
    it as a guess that would have been right.
    """
    n, m, k = len(seeds), channel.secrets, channel.words
    draws = np.stack([np.random.default_rng([seed, 2**31]).random((rounds, 7, parts)) for seed in seeds], axis=2)
    start = 1.0 if rule == "roth_erev" else 0.0
    # A trace of order among equals, so that ties are not all broken alike.
    tie = np.stack([np.random.default_rng([seed, 2**31 + 1]).random((2, parts, 16, 17)) for seed in seeds]) * 1e-6
    writes, reads = start + tie[:, 0, :, :m, : k + 1], start + tie[:, 1, :, :k, :m]
    pair, part = np.arange(n)[:, None], np.arange(parts)
    through = np.array([channel.regulated(w) for w in range(k + 1)])
    least = -parts * max(channel.charges) if rule == "roth_erev" else 0.0
    charges, common = np.array(channel.charges), channel.natural.cumsum()
    late = [np.zeros((n, parts), dtype=int)] * channel.delay
    learn = _reinforce if rule == "roth_erev" else _average
    for u in draws:
        secret = (u[0] * m).astype(int)
        word = _choose(writes[pair, part, secret], u[1], u[2], rule)
        late.append(through[word])
        read = late.pop(0)
        if channel.paraphrase:
            rewritten = np.minimum((u[5][..., None] >= common).sum(-1), k - 1)
            read = np.where(u[6][:, :1] < channel.paraphrase, rewritten, read)
        guess = _choose(reads[pair, part, read], u[3], u[4], rule)
        right = (guess == secret).all(1).astype(float)
        learn(writes, (pair, part, secret), word, (right - charges[word].sum(1) - least)[:, None])
        told = u[6][:, -1:] * np.ones(parts) > 1 - channel.reveal if channel.reveal else None
        if told is None:
            learn(reads, (pair, part, read), guess, right[:, None])
        else:
            target = np.where(told, secret, guess)
            learn(reads, (pair, part, read), target, np.where(told, 1.0, right[:, None]))
    return [Code(_policy(w, rule), _policy(r, rule)) for w, r in zip(writes, reads, strict=True)]


Cells = tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.int_]]


def _choose(rows: Floats, u: Floats, explore: Floats, rule: str) -> NDArray[np.int_]:
    last = rows.shape[-1] - 1
    if rule == "q":
        anything = (u * (last + 1)).astype(int)
        return np.asarray(np.where(explore < _EXPLORE, anything, rows.argmax(-1)))
    sums = rows.cumsum(-1)
    return np.asarray(np.minimum((sums <= (u * sums[..., -1])[..., None]).sum(-1), last))


def _reinforce(table: Floats, cells: Cells, chosen: NDArray[np.int_], reward: Floats) -> None:
    table[cells] *= 1 - _FORGET
    table[(*cells, chosen)] += reward
    table[cells] = np.maximum(table[cells], _FLOOR)


def _average(table: Floats, cells: Cells, chosen: NDArray[np.int_], reward: Floats) -> None:
    place = (*cells, chosen)
    table[place] += _RATE * (reward - table[place])


def _policy(table: Floats, rule: str) -> Floats:
    if rule == "q":
        return np.asarray(np.eye(table.shape[-1])[table.argmax(-1)])
    return np.asarray(table / table.sum(-1, keepdims=True))


def best_replies(channel: Channel, parts: int, seed: int) -> Code:
    """Each in turn replies best to the other, from a chance start, until every secret is read right or time is up.

    Among equally good replies the present one is kept, unless the word is used by nobody or the secret is lost anyway:
    then any will do, and chance picks. Words that arrive late, or all rewritten, say nothing, and no reply is better
    than another.
    """
    rng = np.random.default_rng([seed, 2**31])
    pairs = [_settle(channel, rng) for _ in range(parts)]
    return Code.pure(channel, [writes for writes, _ in pairs], [reads for _, reads in pairs])


def _settle(channel: Channel, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    m, k = channel.secrets, channel.words
    writes, reads = rng.integers(k + 1, size=m), rng.integers(m, size=k)
    matrix = channel.matrix if not channel.delay else np.tile(channel.natural, (k + 1, 1))
    for _ in range(_SWEEPS):
        weights = matrix[writes].T  # by word as read and secret
        reads = np.array([_reply(weights[w], int(reads[w]), rng) for w in range(k)])
        right = matrix @ np.eye(m)[reads] - np.array(channel.charges)[:, None]  # by word as written and secret
        writes = np.array([_reply(right[:, s], int(writes[s]), rng) for s in range(m)])
        if all(reads[channel.regulated(int(w))] == s for s, w in enumerate(writes)):
            break
    return writes.tolist(), reads.tolist()


def _reply(values: Floats, present: int, rng: np.random.Generator) -> int:
    best = np.flatnonzero(values >= values.max() - 1e-12)
    if len(best) < len(values) and present in best:
        return present
    return int(best[rng.integers(len(best))])
