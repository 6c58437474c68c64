from __future__ import annotations

import time

import pytest

from edgewise.questions.extraction import clean, extract_answer, extract_choice, extract_confidence, normalise


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: 42", "42"),
        ("Let me see: 40 + 2.\n**Answer:** 42.", "42"),
        ("answer: $42$", "42"),
        ("Answer:\n42", "42"),
        ("Answer: 41\nNo, wait.\nAnswer: 42", "42"),
        ("First A.\n\nThe answer is 42.", "42"),
        ("So we get \\boxed{42}.\nThat was easy.", "42"),
        ("42", "42"),
        ("12 + 30 = 42", "42"),
        ("The sum is 42.", "42"),
        ("Answer: `yes`", "Yes"),
        ("TRUE", "True"),
        ("Answer: Oliver is a knight, and Zoey is a knave.", "Oliver is a knight, and Zoey is a knave"),
        ("Oliver is a knight, and Zoey is a knave.", "Oliver is a knight, and Zoey is a knave"),
        ("<think>Answer: 1</think>Answer: 2", "2"),
        ("Answer: <42>", "42"),
        ("Answer: -7", "-7"),
        ("Answer: 0.5", "0.5"),
        ("One line.\nAnd another.", None),
        ("", None),
        ("   \n ", None),
        ("Answer:", None),
        ('"Answer:"', None),
        ('"', None),
        ("Answer: ...\n", None),
        ("The measure of the last angle is 75.0°", "75"),
        ("Answer: 75.0", "75"),
        ("Answer: 75.50", "75.50"),
        ("No, it does not follow that some ants are bees.", "No"),
        ("Yes. All of them are.", "Yes"),
        ("Nobody can say", "Nobody can say"),
        ("The answer is 2, which is the GCD of 18 and 16.", "2"),
        ("A: 14\nThe answer to the riddle is 14.", "14"),
        ("The color of the left side is yellow.", "yellow"),
        ("There are 40 legs in total.", "40"),
        ("There are 40 legs on 10 dogs", "There are 40 legs on 10 dogs"),
        ("answer is 3\nAnswer: 4", "4"),
        ("x" * 400, None),
        ("Answer: " + "x" * 2000, None),
    ],
)
def test_final_answer_is_found(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("B)", "B"),
        ("(B) 20", "B"),
        ("**B**", "B"),
        ("Answer: B", "B"),
        ("B. 20", "B"),
        ("20", "B"),
        ("Answer: 20", "B"),
        ("B 20", "B"),
        ("B\n\nBecause it is.", "B"),
        ("A is the correct answer.", "A"),
        ("A is correct.", "A"),
        ("The correct option is C.", "C"),
        ("A) 20\nB)", "A"),
        ("A) 30", "A"),
        ("A thought: maybe.\nAnswer: D", "D"),
        ("A, B, C, or D", None),
        ("A or B", None),
        ("A cube has six sides", None),
        ("E", None),
        ("50", None),
        ("", None),
        ("I think all of them\nare fine", None),
    ],
)
def test_choice_is_found(text: str, letter: str | None) -> None:
    assert extract_choice(text, ["10", "20", "30", "40"]) == letter


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("90", 0.9),
        ("I am 75% sure.", 0.75),
        ("100", 1.0),
        ("0", 0.0),
        ("87.5", 0.875),
        ("0.9", None),
        ("0.9%", 0.009),
        ("100 is surely right", 1.0),
        ("**95**", 0.95),
        ("Confidence: 85", 0.85),
        ("I would say 70 out of 100", 0.7),
        ("The answer is 18.", None),
        ("-5", None),
        ("101", None),
        ("1000", None),
        ("very sure", None),
        ("", None),
    ],
)
def test_stated_confidence_is_read_or_null(text: str, sure: float | None) -> None:
    assert extract_confidence(text) == (None if sure is None else pytest.approx(sure))


def test_comparison_ignores_case_spacing_and_separators() -> None:
    assert normalise("A,  b") == normalise("a , B")
    assert normalise("1,234") == normalise("1234")
    assert normalise("1") != normalise("2")
    assert clean("**$\\boxed{7}$.**") == "7"


@pytest.mark.parametrize(
    "text",
    [
        "Answer:" * 1_500_000,
        "\\boxed{" * 1_500_000,
        "answer is " * 1_000_000,
        "*" * 10_000_000,
        "Answer: " + "*" * 10_000_000,
        "\x00<script>alert(1)</script>\x1b[31m" * 300_000,
        "```python\n" * 1_000_000,
        " " * 10_000_000 + "42",
        "9" * 10_000_000,
    ],
    ids=range(9),
)
def test_ten_megabytes_are_read_in_a_moment(text: str) -> None:
    start = time.perf_counter()
    extract_answer(text)
    extract_choice(text, ["1", "2", "3", "4"])
    extract_confidence(text)
    assert time.perf_counter() - start < 2
