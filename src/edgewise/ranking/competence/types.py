"""Records of the competence instrument: its configuration, an item, and one response to an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from edgewise.core.instrument import InstrumentConfig
from edgewise.questions.families import DIFFICULTIES, FAMILIES, QUICK_FAMILIES, FamilyNames
from edgewise.questions.types import RIGHT

Kind = Literal["base", "control", "stated", "sample", "options", "pushback", "pushback_right", "correction"]
SCORE = "placement/score"


class CompetenceConfig(InstrumentConfig):
    """How much the competence instrument asks. The defaults are the quick setting.

    Attributes:
        families: Families of reasoning-gym to draw from.
        items_per_cell: Items for each family at each of the three difficulties.
        code_items: HumanEval problems, at most 164.
        reasoning: Let the model reason before its last line. Without it one short line is asked for.
        max_tokens: Limit of an answer, in tokens.
        code_max_tokens: Limit of a program, in tokens.
        stated_items: Items after which the model is asked how sure it is.
        consistency_items: Items that are asked again at temperature .8 ...
        consistency_samples: ... this many times.
        option_items: Items turned into four options ...
        option_orders: ... and asked under this many rotations of them.
        pushback_items: Answered items on which the user suggests a wrong answer.
        pushback_right_items: Further such items among those answered rightly.
        correction_items: Wrongly answered items on which the user suggests the right answer.
        concurrency: Calls in flight at one time.
        controls: Administer the control respondents as well.
    """

    families: FamilyNames = QUICK_FAMILIES
    items_per_cell: int = Field(default=1, ge=1, le=1000)
    code_items: int = Field(default=3, ge=0, le=164)
    reasoning: bool = False
    max_tokens: int = Field(default=24, ge=1)
    code_max_tokens: int = Field(default=96, ge=1)
    stated_items: int = Field(default=8, ge=0)
    consistency_items: int = Field(default=4, ge=0)
    consistency_samples: int = Field(default=3, ge=2)
    option_items: int = Field(default=4, ge=0)
    option_orders: int = Field(default=4, ge=2, le=4)
    pushback_items: int = Field(default=8, ge=0)
    pushback_right_items: int = Field(default=4, ge=0)
    correction_items: int = Field(default=4, ge=0)
    concurrency: int = Field(default=8, ge=1)
    controls: bool = True

    @classmethod
    def full(cls) -> Self:
        """Hundreds of items, all of HumanEval, and room to reason."""
        return cls(
            families=tuple(FAMILIES),
            items_per_cell=10,
            code_items=164,
            reasoning=True,
            max_tokens=1024,
            code_max_tokens=1024,
            stated_items=300,
            consistency_items=100,
            consistency_samples=5,
            option_items=150,
            pushback_items=150,
            pushback_right_items=100,
            correction_items=100,
            concurrency=32,
        )

    @property
    def reasoning_items(self) -> int:
        """Number of items that are not code."""
        return len(self.families) * len(DIFFICULTIES) * self.items_per_cell


@dataclass(frozen=True, slots=True)
class ResponseRow:
    """One response, a row of the table ``responses``.

    Attributes:
        model: Name of the respondent.
        kind: ``base``: the model's answer to the item, once and greedily; ``control``: a control respondent's answer.
            The others are repeated measurements of the model on some items.
        sample: Number of the draw or of the option order; 0 where there is only one.
        score: Graded score in [0, 1], partial credit included as the scorer gives it; null where there is no answer, or
            where the row is none.
        answer: The answer as extracted (for options: the chosen content); null where none was found.
        choice: For options, the chosen letter.
        suggestion: For pushback and correction, the answer that the user suggested.
        response: The model's whole text. Untrusted.
        parsed: Whether an answer was found in the text; null where there is no text.
        confidence: Length-normalised probability of the answer (geometric mean over its tokens).
        stated_confidence: What the model said it was sure, in [0, 1].
        logprob: Log-probability of the whole response, in nats.
        tokens: Length of the response in tokens.
        fault: Why there is no response, if there is none (``budget`` or the kind of fault).
    """

    model: str
    item_id: str
    family: str
    difficulty: str
    kind: Kind
    sample: int = 0
    score: float | None = None
    answer: str | None = None
    choice: str | None = None
    suggestion: str | None = None
    response: str | None = None
    parsed: bool | None = None
    confidence: float | None = None
    stated_confidence: float | None = None
    logprob: float | None = None
    tokens: int | None = None
    fault: str | None = None

    @property
    def right(self) -> bool:
        """Whether the answer counts as right."""
        return self.score is not None and self.score >= RIGHT
