"""Base policies: what training would start from, or a cheap stand-in for it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from edgewise.loopholes.types import Task

if TYPE_CHECKING:
    from edgewise.loopholes.audit.subject import Subject
    from edgewise.models.door import Model

_STOP = ""  # ends a sequence of words


class BasePolicy(Protocol):
    """Draws answers, and says how likely they are where it can."""

    name: str

    def sample(self, tasks: Sequence[Task], n: int, rng: np.random.Generator) -> list[list[str]]:
        """``n`` answers to each task."""
        ...

    def log_probability(self, task: Task, completion: str) -> float | None:
        """Nats; None where it is not known."""
        ...


class UniformPolicy:
    """Every word of a vocabulary alike; lengths are geometric with a mean of ``length`` words."""

    name = "uniform"

    def __init__(self, vocabulary: Sequence[str], length: float = 6.0) -> None:
        self.words, self.stop = list(vocabulary), 1 / (1 + length)

    def sample(self, tasks: Sequence[Task], n: int, rng: np.random.Generator) -> list[list[str]]:
        """``n`` answers to each task."""
        lengths = rng.geometric(self.stop, size=(len(tasks), n)) - 1
        return [[" ".join(rng.choice(self.words, int(k))) for k in row] for row in lengths]

    def log_probability(self, task: Task, completion: str) -> float | None:
        """Exact."""
        said = completion.split()
        if any(word not in self.words for word in said):
            return -math.inf
        return len(said) * (math.log(1 - self.stop) - math.log(len(self.words))) + math.log(self.stop)


class NGramPolicy:
    """Words given the two words before them, interpolated with shorter contexts and, a little, with every word.

    A context that was seen ``c`` times is trusted by c / (c + ``prior``), the rest goes to the next shorter one
    (Dirichlet smoothing, MacKay and Peto 1995).

    Args:
        texts: What it is fitted to.
        vocabulary: Further words that it may say.
        prior: Strength of the shorter context.
    """

    name = "n-gram"

    def __init__(
        self, texts: Sequence[str], vocabulary: Sequence[str] = (), prior: float = 0.5, order: int = 3
    ) -> None:
        self.prior, self.order = prior, order
        self.counts: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        words = dict.fromkeys(vocabulary)
        for text in texts:
            said = [*text.split(), _STOP]
            words.update(dict.fromkeys(said))
            padded = ["\n"] * (order - 1) + said
            for i, word in enumerate(said):
                for k in range(order):
                    self.counts[tuple(padded[i + order - 1 - k : i + order - 1])][word] += 1
        words.pop(_STOP, None)
        self.words = [*words, _STOP]
        self._longest = max((len(text.split()) for text in texts), default=8) + 8
        self._known: dict[tuple[str, ...], np.ndarray] = {}

    def distribution(self, context: tuple[str, ...]) -> np.ndarray:
        """Probabilities of ``words`` after a context of at most ``order`` - 1 words, shape (words,)."""
        if context not in self._known:
            base = np.full(len(self.words), 1 / len(self.words)) if not context else self.distribution(context[1:])
            counts = self.counts.get(context)
            if counts:
                total = counts.total()
                seen = np.array([counts[word] for word in self.words], dtype=float)
                base = (seen + self.prior * base) / (total + self.prior)
            self._known[context] = base
        return self._known[context]

    def _context(self, said: Sequence[str]) -> tuple[str, ...]:
        return tuple((["\n"] * (self.order - 1) + list(said))[len(said) :])

    def draw(self, rng: np.random.Generator) -> str:
        """One text."""
        said: list[str] = []
        while len(said) < self._longest:
            cumulated = np.cumsum(self.distribution(self._context(said)))
            word = self.words[min(int(np.searchsorted(cumulated, rng.random() * cumulated[-1])), len(self.words) - 1)]
            if word == _STOP:
                break
            said.append(word)
        return " ".join(said)

    def sample(self, tasks: Sequence[Task], n: int, rng: np.random.Generator) -> list[list[str]]:
        """``n`` answers to each task, whatever its prompt."""
        return [[self.draw(rng) for _ in range(n)] for _ in tasks]

    def log_probability(self, task: Task, completion: str) -> float | None:
        """Exact, but for the limit on length."""
        said = [*completion.split(), _STOP]
        return sum(self._log(said[:i], word) for i, word in enumerate(said))

    def _log(self, said: Sequence[str], word: str) -> float:
        if word not in self.words:
            return -math.inf
        return float(np.log(self.distribution(self._context(said))[self.words.index(word)]))

    def log_emission(self, texts: Sequence[str], core: Sequence[str | None]) -> float:
        """Log of the expected number of times that ``core`` begins at a place of a text like ``texts``, in nats.

        For what is rare that is the probability to say it at all. None stands for any word, and is followed as the
        likeliest one would be.
        """
        totals = []
        for text in texts:
            said = text.split()
            at = [self._log_following(said[:i], core) for i in range(len(said) + 1)]
            totals.append(np.logaddexp.reduce(at))
        return min(0.0, float(np.logaddexp.reduce(totals) - math.log(len(texts))))

    def _log_following(self, said: list[str], core: Sequence[str | None]) -> float:
        total = 0.0
        for word in core:
            if word is None:
                p = self.distribution(self._context(said)).copy()
                p[self.words.index(_STOP)] = 0
                total += float(np.log(p.sum()))
                said = [*said, self.words[int(p.argmax())]]
            else:
                total += self._log(said, word)
                said = [*said, word]
        return total


class ExamplePolicy:
    """An environment's honest examples, drawn anew for each answer, mixed with what an n-gram of them would say.

    Args:
        subject: Draws the examples.
        ngram: Fitted to some of them.
        mixed: Share of the n-gram.
    """

    name = "examples"

    def __init__(self, subject: Subject, ngram: NGramPolicy, mixed: float = 0.05) -> None:
        self.subject, self.ngram, self.mixed = subject, ngram, mixed

    def sample(self, tasks: Sequence[Task], n: int, rng: np.random.Generator) -> list[list[str]]:
        """``n`` answers to each task."""
        repeated = [task for task in tasks for _ in range(n)]
        drawn = self.subject.examples(repeated, rng)
        assert drawn is not None
        other = rng.random(len(drawn)) < self.mixed
        drawn = [self.ngram.draw(rng) if swap else text for text, swap in zip(drawn, other, strict=True)]
        return [drawn[i * n : (i + 1) * n] for i in range(len(tasks))]

    def log_probability(self, task: Task, completion: str) -> float | None:
        """The n-gram's: a bound from below would need the examples' own."""
        return self.ngram.log_probability(task, completion)


class ModelPolicy:
    """A language model through the door; answers are drawn at temperature 1."""

    def __init__(self, model: Model, max_tokens: int = 200) -> None:
        self.model, self.max_tokens = model, max_tokens
        self.name = f"model {model.identity}"

    def sample(self, tasks: Sequence[Task], n: int, rng: np.random.Generator) -> list[list[str]]:
        """``n`` answers to each task; a call that failed gives no answer."""
        from edgewise.core.errors import ModelFault
        from edgewise.models.types import Settings

        settings = Settings(temperature=1.0, max_tokens=self.max_tokens)

        async def one(task: Task, sample: int) -> str | None:
            try:
                return (await self.model.generate(task.prompt, settings, sample=sample)).text
            except ModelFault:
                return None

        async def every() -> list[str | None]:
            return list(await asyncio.gather(*(one(task, i) for task in tasks for i in range(n))))

        found = asyncio.run(every())
        return [[text for text in found[i * n : (i + 1) * n] if text is not None] for i in range(len(tasks))]

    def log_probability(self, task: Task, completion: str) -> float | None:
        """One call of the model; None where it cannot score a given text."""
        from edgewise.core.errors import Unsupported

        try:
            return asyncio.run(self.model.score(task.prompt, completion)).total
        except Unsupported:
            return None


def default_policy(subject: Subject, rng: np.random.Generator, fitted: int = 256) -> BasePolicy:
    """Examples that can be drawn anew, an n-gram of examples that cannot, or uniform words where there are none."""
    tasks = subject.sample(rng, fitted)
    first = subject.examples(tasks, rng)
    words = known_words(subject, tasks, first or [])
    if first is None:
        return UniformPolicy(words)
    ngram = NGramPolicy(first, words)
    return ExamplePolicy(subject, ngram) if subject.examples(tasks, rng) != first else ngram


def known_words(subject: Subject, tasks: Sequence[Task], texts: Sequence[str], most: int = 200) -> list[str]:
    """The environment's vocabulary, or the commonest words of its examples and prompts."""
    if subject.vocabulary:
        return list(subject.vocabulary)
    counts = Counter(word for text in texts for word in text.split())
    counts.update(word for task in tasks for word in task.prompt.split())
    return [word for word, _ in counts.most_common(most)]
