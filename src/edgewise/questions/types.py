"""A question with its truth."""

from __future__ import annotations

from edgewise.core.records import Record
from edgewise.questions.families import CODE, Difficulty

RIGHT = 0.99  # an item's graded score from which its answer counts as right


class Item(Record):
    """One verifiable question.

    Attributes:
        item_id: ``rg:<family>:<difficulty>:<digest of question and answer>`` or ``humaneval:<n>``.
        family: Family of the question; ``code`` for HumanEval.
        difficulty: Setting of the family; ``unrated`` for code.
        question: What is asked. For code, the start of the program.
        answer: Reference answer. Other answers may be right as well; the grader decides.
        entry_point: For code, the function that is tested.
        test: For code, the program text that defines ``check``.
        metadata: What reasoning-gym's scorer may need besides the answer, as JSON.
    """

    item_id: str
    family: str
    difficulty: Difficulty
    question: str
    answer: str
    entry_point: str = ""
    test: str = ""
    metadata: str = "{}"

    @property
    def is_code(self) -> bool:
        """Whether the answer is a program."""
        return self.family == CODE
