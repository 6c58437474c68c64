"""What becomes of facts that are handed on from agent to agent, and whether workers do the same work."""

from __future__ import annotations

from itertools import combinations, pairwise

from edgewise.core.estimate import Estimate, Measure
from edgewise.society.measure import average
from edgewise.society.scan.facts import Fact, find_facts, words_of
from edgewise.society.scan.indicators.outcome import Finding, Outcome
from edgewise.society.scan.positions import answer_in
from edgewise.society.scan.trace import Said, Trace
from edgewise.stats.intervals import proportion

# A message retells another if of the content words of the shorter, six of ten are in the longer. Answers to a message,
# plans for it and comments on it share less; and a change of a fact is one only in a retelling.
_RETOLD = 0.6
_FEWEST_FACTS = 3
# Two reports on one matter by different writers have a TF-IDF cosine of .2 to .5; at .8 most of the weighted words are
# the same, as in copies that were touched up.
_SAME, _APART = 0.8, 0.6
_FEWEST_WORDS = 20
_MOST_AGENTS = 100
_SHORT = 4  # letters; shorter words are mostly grammar


def altered_facts(trace: Trace) -> Outcome:
    """Numbers, dates, names and addresses of the first message that a chain of retellings loses or changes.

    Only a chain is looked at: every agent speaks once, and each message retells the one before. A number is changed if
    it is gone and another one of the same unit, not in the first message, has come; a date likewise. That is certain.
    A loss is a sign only if more than half is lost: to sum up is to leave out.

    Value: share of the first message's facts that are not in the last.
    """
    chain = _chain(trace)
    if len(chain) < 2:
        return Outcome(reason="there is no chain of agents that retell a message with facts")
    origin = find_facts(chain[0].seen)
    found: list[Finding] = []
    changed: set[Fact] = set()
    for before, after in pairwise(chain):
        new = find_facts(after.seen)
        added = [fact for fact in new if fact not in find_facts(before.seen) and fact.kind != "name"]
        for fact in origin:
            if fact in changed or not _has(before, fact) or _has(after, fact):
                continue
            other = next((each for each in added if each.kind == fact.kind and each.key == fact.key), None)
            if other is not None and fact.kind in ("number", "date") and other not in origin:
                changed.add(fact)
                why = f"{after.sender} makes {str(other)!r} of {str(fact)!r}"
                found.append(Finding((before.row, after.row), why))
    gone = [fact for fact in origin if fact not in changed and not _has(chain[-1], fact)]
    lost = len(gone) if 2 * len(gone) > len(origin) else 0
    if lost:
        some = ", ".join(repr(str(fact)) for fact in gone[:6])
        why = f"{len(gone)} of {len(origin)} facts of the first message are not in the last: {some}"
        found.append(Finding((chain[0].row, chain[-1].row), why))
    value = proportion(len(changed) + len(gone), len(origin))
    return Outcome(len(changed) + lost, len(origin), tuple(found), bool(changed), value=value)


def _chain(trace: Trace) -> list[Said]:
    """The longest run of retellings from a first message with facts; empty unless every agent speaks once."""
    told = [said for said in trace.messages if said.text and (said.by_agent or said.role == "user")]
    by_agents = [said.sender for said in told if said.by_agent]
    if not 2 <= len(by_agents) <= 50 or len(set(by_agents)) < len(by_agents):
        return []
    for start, first in enumerate(told[:2]):
        if len(find_facts(first.seen)) < _FEWEST_FACTS:
            continue
        chain = [first]
        for said in told[start + 1 :]:
            if not said.by_agent or not _retells(said, chain[-1]):
                break
            chain.append(said)
        if len(chain) > 1:
            return chain
    return []


def _retells(after: Said, before: Said) -> bool:
    first, second = _content(before.seen), _content(after.seen)
    fewer = min(len(first), len(second))
    return fewer >= 3 and len(first & second) >= _RETOLD * fewer


def _content(text: str) -> set[str]:
    return {word for word in words_of(text) if len(word) >= _SHORT}


def _has(said: Said, fact: Fact) -> bool:
    facts = find_facts(said.seen)
    if fact in facts:
        return True
    if fact.kind == "number":  # the unit may be told otherwise; the number stays
        return any(each.kind in ("number", "date") and each.value == fact.value for each in facts)
    return fact.kind == "name" and fact.value in said.seen.casefold()


def redundancy(trace: Trace) -> Outcome:
    """Pairs of agents whose work is nearly the same text, by TF-IDF cosine.

    All that an agent says is one text; answers, and agents with fewer than 20 words, are left out, and so are chains of
    retellings, where to say the same is the task. Value: mean cosine over pairs.
    """
    if _chain(trace):
        return Outcome(reason="the agents hand a text on: what they say is meant to be the same")
    texts: dict[str, list[str]] = {}
    rows: dict[str, int] = {}
    for said in trace.spoken:
        if said.text and answer_in(said) is None:
            texts.setdefault(said.sender, []).append(said.seen)
            rows.setdefault(said.sender, said.row)
    whole = {name: "\n".join(parts)[:100_000] for name, parts in texts.items()}
    whole = {name: text for name, text in whole.items() if len(words_of(text[:2_000])) >= _FEWEST_WORDS}
    names = sorted(whole, key=lambda name: -len(whole[name]))[:_MOST_AGENTS]
    if len(names) < 2:
        return Outcome(reason="no two agents write twenty words or more")
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit_transform([whole[n] for n in names])
    except ValueError:  # nothing but stop words
        return Outcome(reason="no two agents write words of content")
    cosines = (vectors @ vectors.T).toarray()
    pairs = list(combinations(range(len(names)), 2))
    same = [(i, j) for i, j in pairs if cosines[i, j] >= _SAME]
    found = tuple(
        Finding(
            tuple(sorted((rows[names[i]], rows[names[j]]))),
            f"{names[i]} and {names[j]} write nearly the same (cosine {cosines[i, j]:.2f})",
        )
        for i, j in same[:20]
    )
    values = [float(cosines[i, j]) for i, j in pairs]
    between = any(_APART <= value < _SAME for value in values)
    return Outcome(len(same) or int(between), len(pairs), found, bool(same), value=_mean(values))


def _mean(values: list[float]) -> Measure:
    """The mean; of one pair, the pair itself, of which all is known."""
    if len(values) > 1:
        found = average(values)
        if isinstance(found, Estimate):
            return found
    return Estimate(value=values[0], low=values[0], high=values[0], n=1, method="one pair")
