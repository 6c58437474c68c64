"""Records of probing: a question with its truth, what the target made of it, and a failure mode."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgewise.core.estimate import Estimate
from edgewise.core.records import Record

Verdict = Literal["pass", "fail", "invalid"]
Truth = Literal["recorded", "executed", "inherited", "sourced", "consensus"]
Status = Literal["confirmed", "tentative"]
Grader = Literal["rule", "judge"]


class Case(Record):
    """A question that can be checked. Its truth is fixed before the target sees it.

    Attributes:
        case_id: Of its own.
        question: What is asked.
        answer: Reference answer.
        options: Choices, where it is one of several.
        group: Kind of question: a subject, a family, a region.
        knobs: Settings that made it, by name.
        truth: How the answer is known: it was ``recorded`` with the question, ``executed`` by a program, ``inherited``
            by an edit that keeps it, ``sourced`` from a quoted text, or a ``consensus`` of models.
        evidence: What the truth rests on.
        parent: The case that it was made from, if any.
        edit: What was changed.
        metadata: What a grader may need besides the answer, as JSON.
    """

    SCHEMA: ClassVar[str] = "case/1"
    case_id: str
    question: str
    answer: str
    options: tuple[str, ...] = ()
    group: str = ""
    knobs: dict[str, str] = {}
    truth: Truth = "recorded"
    evidence: str = ""
    parent: str | None = None
    edit: str | None = None
    metadata: str = "{}"


class Outcome(Record):
    """What the target made of a case.

    Attributes:
        verdict: ``invalid`` if there is no answer to judge: no text, nothing parsed, a fault. It is nobody's failure.
        answer: What it answered, as extracted.
        response: All that it wrote. Untrusted.
        error: How the answer is wrong, in words.
        trials: How often it answered; a failure is asked again.
        failed: How often it failed.
        calls: How often it was asked, with or without an answer.
        grader: Who says whether it is right.
    """

    SCHEMA: ClassVar[str] = "outcome/1"
    verdict: Verdict
    answer: str | None = None
    response: str | None = None
    error: str = ""
    trials: int = 1
    failed: int = 0
    calls: int = 1
    grader: Grader = "rule"

    @property
    def stable(self) -> bool:
        """Whether the target failed most times it was asked. An asking without a verdict is none that it failed."""
        return self.verdict == "fail" and 2 * self.failed > self.calls


class Mode(Record):
    """A failure mode: not one failure but when it fails.

    Attributes:
        mode_id: Of its run.
        name: A few words.
        description: What its members share.
        trigger: Conditions under which the target fails, all of which hold; names of ``features``.
        counter: Nearest conditions under which it does not.
        status: ``confirmed`` if fresh questions that meet the trigger fail more often than others, beyond chance.
        members: Failures found, by case id.
        central: The most typical of them.
        boundary: Members with their nearest passing cases.
        truths: How many members have which level of truth.
        share: Share of all failures that meet the trigger, among those not found by refining.
        rate: Failure rate of the fresh questions that meet the trigger.
        other_rate: Failure rate of those that do not.
        p_value: One-sided, by Fisher's exact test.
        q_value: The same for all modes at once (Benjamini-Hochberg).
    """

    SCHEMA: ClassVar[str] = "mode/1"
    mode_id: str
    name: str
    description: str
    trigger: tuple[str, ...]
    counter: tuple[str, ...] = ()
    status: Status = "tentative"
    members: tuple[str, ...]
    central: tuple[str, ...] = ()
    boundary: tuple[tuple[str, str], ...] = ()
    truths: dict[str, int] = {}
    share: Estimate | None = None
    rate: Estimate | None = None
    other_rate: Estimate | None = None
    p_value: float | None = None
    q_value: float | None = None
