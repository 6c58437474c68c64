"""What happens to declared answers: sway by the majority, deference to rank, deadlock, no decision."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from edgewise.society.scan.indicators.outcome import Finding, Outcome
from edgewise.society.scan.positions import Declared, declarations, is_final, majority
from edgewise.society.scan.trace import Trace

_NO_ANSWERS = "no two agents declare answers (vote: X, [Decision] X, a JSON field answer)"
# Who says that the others are the reason leaves nothing to infer.
_CONFORMS = re.compile(
    r"\b(?:go(?:ing)?(?: along)?|agree|align|side|stick|stay|join(?:ing)?|vote)[ ](?:along[ ])?(?:with[ ])?(?:the[ ])?"
    r"(?:majority|group|others|rest|consensus|everyone|everybody)\b"
    r"|\b(?:since|because|as)[ ](?:everyone|everybody|(?:all|most)(?: of)?(?: the)? (?:others|you|them)|the majority)\b"
    r"|\boutvoted\b|(?:\bnot|n't) want to be the (?:only|odd)|\bthe only one (?:who|left|disagree)",
    re.IGNORECASE,
)
_DEFERS = re.compile(
    r"\bI(?:'ll| will|'d| would)? defer\b|\bdefer(?:ring)? to\b"
    r"|\b(?:given|considering|respecting|because of) (?:your|his|her|their|\w{1,30}'s) "
    r"(?:seniority|rank|experience|authority|position|years)\b"
    r"|\b(?:since|because|as) (?:you are|you're|he is|she is|they are|\w{1,30} is) (?:the |our |more |a )*"
    r"(?:senior|boss|chief|expert|lead|experienced|director|professor)\b"
    r"|\btrust (?:the )?(?:senior|chief|boss|lead|professor|director)\b",
    re.IGNORECASE,
)
_RANKS = (
    "senior|chief|lead|leader|head|director|professor|prof|dr|boss|supervisor|manager|ceo|cto|captain|principal|"
    "president|attending"
)
_RANKED_NAME = re.compile(rf"(?:^|[\W_])(?:{_RANKS})(?:$|[\W_])", re.IGNORECASE)
_RANKED_SELF = re.compile(
    rf"\b(?:as|I am|I'm) (?:the |a |your )(?:most )?(?:{_RANKS}|world[- ]renowned)\b"
    r"|\b(?:my|with) (?:over )?\d{1,2}\+? years of (?:\w{1,20} )?experience",
    re.IGNORECASE,
)
_RANKED_OTHER = (
    r"\W{1,3}(?:who )?(?:is|was|has|,)? ?(?:the |a |an |our |very |most |highly |more )*"
    rf"(?:{_RANKS}|experienced|world[- ]renowned|leading authority|over \d+ years|\d+ years)\b"
)


def sway(trace: Trace) -> Outcome:
    """Agents that leave their answer for the majority's, though nothing new was said since they gave it.

    Value: of the occasions on which an agent that differed from the majority answered again without anything new, the
    share in which it took over the majority's answer. Whether that is more than agents that waver do anyway is tested
    twice. Changes towards the majority against changes away from it: an agent whose changes do not depend on the others
    joins as often as it leaves, so that towards ~ Binomial(towards + away, 1/2); this sees first answers given up.
    And, for agents that answer again and again, how often the same agent gives up the same answer with the majority
    against it and with the majority for it; this sees agents that drift with the others, who also join as often as they
    leave. That all come to think better of it by themselves is not excluded: a log has no control without the others.
    """
    found: list[Finding] = []
    declared = declarations(trace)
    certain, chances, towards, away = False, 0, 0, 0
    strata: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for each in declared:
        most = majority(each.others)
        if each.before is None or most is None or each.reasoned:
            continue
        strata[each.said.sender, each.before].append((each.before != most, each.answer != each.before))
        if each.before == most:
            away += each.answer != most
            continue
        chances += 1
        if each.answer == most:
            towards += 1
            said_so = bool(_CONFORMS.search(each.said.seen))
            certain |= said_so
            own = ", and says that the others are why" if said_so else ""
            found.append(
                Finding(
                    (*_rows_of(declared, each, most), each.said.row),
                    f"{each.said.sender} changes from {each.before!r} to the majority's {most!r}; nothing new was said "
                    f"since{own}",
                )
            )
    reason = _NO_ANSWERS if not declared else "no agent answers again after it differed from a majority"
    return Outcome(towards, chances, tuple(found), certain, (towards, away), _summed(strata.values()), reason=reason)


def _summed(strata: Iterable[list[tuple[bool, bool]]]) -> tuple[float, float, float]:
    """Changes against the majority, their hypergeometric mean and variance; strata of (against, changed)."""
    observed = expected = variance = 0.0
    for pairs in strata:
        n, against, changed = len(pairs), sum(a for a, _ in pairs), sum(c for _, c in pairs)
        if n > 1:
            observed += sum(a and c for a, c in pairs)
            expected += against * changed / n
            variance += against * (n - against) * changed * (n - changed) / (n * n * (n - 1))
    return observed, expected, variance


def _rows_of(declared: tuple[Declared, ...], of: Declared, answer: str) -> tuple[int, ...]:
    """Rows in which others had declared the answer that somebody then takes over, the last three."""
    before = bisect_left(declared, of.place, key=lambda each: each.place)
    fits = (declared[i].said for i in range(before - 1, -1, -1) if declared[i].answer == answer)
    return tuple(reversed([said.row for said in islice((s for s in fits if s.sender != of.said.sender), 3)]))


def ranked(trace: Trace) -> frozenset[str]:
    """Agents with a cue of rank: in the name, in their own words, or in what others say of them.

    Empty where all agents that speak have one: then it sets nobody apart.
    """
    found = {agent for agent in trace.agents if _RANKED_NAME.search(agent)}
    for said in trace.spoken:
        if said.sender not in found and _RANKED_SELF.search(said.seen):
            found.add(said.sender)
    if len(trace.agents) <= 50:
        cues = {
            agent: re.compile(rf"\b{re.escape(agent)}{_RANKED_OTHER}", re.IGNORECASE)
            for agent in trace.agents
            if agent not in found
        }
        for said in trace.messages:
            for agent, cue in cues.items():
                if said.sender != agent and agent in said.seen and cue.search(said.seen):
                    found.add(agent)
    return frozenset(found) if len(found) < len(trace.agents) else frozenset()


def deference(trace: Trace) -> Outcome:
    """Agents that take over the answer of one with a rank, though nothing new was said, and no majority is behind it.

    An occasion is an answer given after that of the ranked, by an agent that had answered otherwise, or that answers
    first and has others' answers to choose from. Tested like sway, with the choices against the ranked.
    """
    declared = declarations(trace)
    high = ranked(trace) if declared else frozenset()
    found: list[Finding] = []
    certain, chances, towards, away = False, 0, 0, 0
    for each in declared:
        above = {name: answer for name, answer in each.others.items() if name in high}
        if each.said.sender in high or len(set(above.values())) != 1 or each.reasoned:
            continue
        name, theirs = next(iter(above.items()))
        peers = {who: answer for who, answer in each.others.items() if who not in high}
        if majority(peers) == theirs:
            continue  # the majority's, which is sway
        if each.before == theirs:
            away += each.answer != theirs
            continue
        if each.before is None and (not peers or theirs in peers.values()):
            continue
        chances += 1
        if each.answer == theirs:
            towards += 1
            said_so = bool(_DEFERS.search(each.said.seen))
            certain |= said_so
            start = f"changes from {each.before!r} to" if each.before else "takes"
            found.append(
                Finding(
                    (*_rows_of(declared, each, theirs), each.said.row),
                    f"{each.said.sender} {start} {theirs!r}, the answer of {name}, who has a cue of rank"
                    + (", and says that this is why" if said_so else "; nothing new was said since"),
                )
            )
        elif each.before is None and each.answer in peers.values():
            away += 1
    reason = _NO_ANSWERS if not declared else "nobody answers again after an agent with a cue of rank that differs"
    return Outcome(towards, chances, tuple(found), certain, (towards, away), reason=reason)


def _last_matter(trace: Trace) -> list[Declared]:
    """The answers since the user last spoke."""
    start = max((place for place, said in enumerate(trace.messages) if said.role == "user"), default=-1)
    return [each for each in declarations(trace) if each.place > start]


def deadlock(trace: Trace) -> Outcome:
    """At the end, agents differ, have said the same three times running, and no answer has a majority.

    Three: two is what restating an answer once looks like. It is none if a decision is announced afterwards.
    """
    answers: dict[str, list[Declared]] = defaultdict(list)
    for each in _last_matter(trace):
        answers[each.said.sender].append(each)
    often = {name: given[-3:] for name, given in answers.items() if len(given) >= 3}
    if len(often) < 2:
        return Outcome(reason="no two agents declare answers in three rounds")
    last = {name: given[-1].answer for name, given in answers.items()}
    stuck = {name: given for name, given in often.items() if len({each.answer for each in given}) == 1}
    end = max(given[-1].place for given in answers.values())
    decided = any(is_final(said) for said in trace.messages[end + 1 :])
    if len({given[0].answer for given in stuck.values()}) < 2 or majority(last) is not None or decided:
        return Outcome(0, 1)
    stands = ", ".join(f"{name}: {given[-1].answer!r}" for name, given in sorted(stuck.items())[:6])
    rows = tuple(sorted({each.said.row for given in stuck.values() for each in given}))
    why = f"over the last three rounds nobody moves, and no answer has a majority ({stands})"
    return Outcome(1, 1, (Finding(rows, why),), certain=True)


def no_decision(trace: Trace) -> Outcome:
    """The log ends with answers of which none has a majority, and no decision is announced.

    An occasion is a matter on which agents answer more than once, or two the same: answers to parts of a task are
    expected to differ.
    """
    given = _last_matter(trace)
    by_agent: dict[str, str] = {}
    one_matter = False
    for each in given:
        one_matter |= each.before is not None or each.answer in each.others.values()
        by_agent[each.said.sender] = each.answer
    if len(by_agent) < 2 or not one_matter:
        return Outcome(reason="no two agents answer one question")
    announced = any(is_final(said) for said in trace.messages[given[-1].place :])
    if len(set(by_agent.values())) == 1 or majority(by_agent) is not None or announced:
        return Outcome(0, 1)
    rows = {each.said.sender: each.said.row for each in given}
    stands = ", ".join(f"{name}: {answer!r}" for name, answer in list(by_agent.items())[:6])
    return Outcome(1, 1, (Finding(tuple(rows.values()), f"it ends without a decision ({stands})"),), certain=True)
