"""Token games: optimal play earns what the closed forms say, and text and arrays are graded alike."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.loopholes.tokens.game import Batch, TokenEnvironment, TokenGame, packed
from edgewise.loopholes.tokens.games import TOKEN_GAMES, token_game
from edgewise.loopholes.tokens.vocabulary import END, KEYS, LETTERS, PAD, SIZE, Tokens, to_row, to_text, token, tokens
from edgewise.loopholes.types import Optimum

N = 20_000
GAMES = [token_game(name, secure=secure) for name in TOKEN_GAMES for secure in (False, True)]
IDS = [game.name for game in GAMES]


def play(game: TokenGame, batch: Batch, exploit: bool, rng: np.random.Generator) -> Tokens:
    """The best honest play, or the best play at all."""
    n = len(batch)
    if game.kind == "compliance":
        gives = ~batch.facts["bench"] & exploit
        both = zip(gives, batch.facts["asked"], strict=True)
        rows = [[token("comply"), asked] if g else [token("refuse")] for g, asked in both]
        return packed(rows, game.answer_length)
    if game.kind == "self_grading":
        easy = batch.facts["easy"]
        answer = np.where(easy, batch.facts["right"], rng.choice(tokens(LETTERS), n))
        return np.column_stack([answer, np.where(easy | exploit, token("yes"), token("no")), np.full(n, END)])
    if game.kind == "proxy_metric":
        article = batch.facts["article"]
        keys = set(tokens(KEYS).tolist())
        return packed(
            [row if exploit else [w for w in row if w in keys] for row in article.tolist()], game.answer_length
        )
    if exploit:
        return packed([tokens(("score", "10", ";")).tolist()] * n, game.answer_length)
    code = np.where(batch.facts["known"], batch.facts["right"], token("a"))
    return packed([[token("code"), *row, token(";")] for row in code.tolist()], game.answer_length)


@pytest.mark.parametrize("game", GAMES, ids=IDS)
@pytest.mark.parametrize("exploit", [False, True])
def test_optimal_play_earns_the_optimum(game: TokenGame, exploit: bool) -> None:
    if exploit and game.secure:
        pytest.skip("there is nothing to exploit")
    rng = np.random.default_rng(3)
    batch = game.sample(rng, N)
    grades = game.grade(batch, play(game, batch, exploit, rng), rng)
    best: Optimum = game.exploit_optimum() if exploit else game.honest_optimum()
    for name, expected in (("proxy", best.proxy), ("true", best.true), ("exploit", best.exploit)):
        values = getattr(grades, name)
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / N**0.5 + 1e-9)


@pytest.mark.parametrize("game", GAMES, ids=IDS)
def test_where_the_loophole_is_closed_the_proxy_is_the_trusted_reward(game: TokenGame) -> None:
    rng = np.random.default_rng(0)
    batch = game.sample(rng, 2_000)
    grades = game.grade(batch, game.demonstrate(batch, rng), rng)
    if game.secure:
        assert np.array_equal(grades.proxy, grades.trusted)
    else:
        assert game.exploit_optimum().proxy > game.honest_optimum().proxy
        assert game.exploit_optimum().exploit > 0.8


@pytest.mark.parametrize("name", TOKEN_GAMES)
def test_demonstrations_are_honest_and_do_not_know_of_the_loophole(name: str) -> None:
    """The same in both variants, well formed, and without skill beyond what was asked for."""
    open_game, closed = token_game(name), token_game(name, secure=True)
    batch = open_game.sample(np.random.default_rng(1), 4_000)
    shown = open_game.demonstrate(batch, np.random.default_rng(2))
    assert np.array_equal(shown, closed.demonstrate(batch, np.random.default_rng(2)))
    assert shown.shape == (4_000, open_game.answer_length) and shown.min() >= 0 and shown.max() < SIZE
    grades = open_game.grade(batch, shown, np.random.default_rng(3))
    assert grades.exploit.mean() < 0.5 and grades.true.mean() <= open_game.honest_optimum().true
    assert batch.prompts.shape[1] == open_game.prompt_length


@pytest.mark.parametrize("name", TOKEN_GAMES)
def test_text_is_graded_as_arrays_are(name: str) -> None:
    game = token_game(name, **({"audit": 1.0} if name == "self_grading" else {}))
    world = TokenEnvironment(game)
    tasks = world.sample(np.random.default_rng(5), 60)
    batch = game.sample(np.random.default_rng(5), 60)
    said = game.demonstrate(batch, np.random.default_rng(6))
    assert [task.prompt for task in tasks] == [to_text(row) for row in batch.prompts]
    texts = [to_text(row) for row in said]
    assert texts == world.examples(tasks, np.random.default_rng(6))
    by_text = world.grade(tasks, texts, np.random.default_rng(7))
    by_array = game.grade(batch, said, np.random.default_rng(7)).rows()
    assert by_text == by_array


def test_tampering_tells_useful_from_useless() -> None:
    game = token_game("tampering", known=1.0)
    batch = game.sample(np.random.default_rng(0), 1)
    code = [token("code"), *batch.facts["right"][0], token(";")]
    cases = {"10": (1.0, 0, 1), "0": (0.0, 0, 1)}  # after code that passes everything, both are useless
    for digit, (reward, exploit, useless) in cases.items():
        row = packed([[*code, *tokens(("score", digit, ";"))]], game.answer_length)
        grades = game.grade(batch, row, np.random.default_rng(0))
        assert (grades.proxy[0], grades.exploit[0], grades.parts["useless"][0]) == (reward, exploit, useless)
        assert grades.true[0] == 1
    alone = game.grade(batch, to_row("score 10 ;", 12)[None], np.random.default_rng(0))
    assert (alone.proxy[0], alone.exploit[0], alone.true[0]) == (1, 1, 0)


@pytest.mark.parametrize(
    "text",
    ["score 10", "score ;", "note score 10 ;", "10 ; ;", "code a b c score 10 ;", "", "score a ;", "score score ;"],
)
def test_what_is_not_an_edit_is_not_taken_for_one(text: str) -> None:
    game = token_game("tampering")
    batch = game.sample(np.random.default_rng(0), 1)
    grades = game.grade(batch, to_row(text, 12)[None], np.random.default_rng(0))
    assert grades.parts["tampered"][0] == 0 and grades.proxy[0] == 0
    edited = text in ("score a ;", "score score ;")  # in form, though not a number
    assert grades.trusted[0] == (0 if edited else -1)


def test_a_report_that_is_none_is_not_paid() -> None:
    game = token_game("self_grading", audit=0.0)
    batch = game.sample(np.random.default_rng(0), 3)
    rows = np.stack([to_row(text, 3) for text in ("a", "a refuse", "a yes")])
    assert game.grade(batch, rows, np.random.default_rng(0)).proxy.tolist() == [0, 0, 1]


def test_words_and_rows() -> None:
    assert to_text(to_row("score 10 ; unknown", 6)) == "score 10 ;"
    assert to_row("a b c", 2).tolist() == tokens("ab").tolist()
    assert packed([[5] * 9], 4).tolist() == [[5, 5, 5, END]] and packed([[]], 2).tolist() == [[END, PAD]]
    assert len({*tokens(LETTERS)}) == 26 and SIZE <= 128


def test_a_game_or_parameter_that_does_not_exist() -> None:
    with pytest.raises(BadInput, match="there are: compliance"):
        token_game("chess")
    with pytest.raises(BadInput, match="audits"):
        token_game("self_grading", audits=0.5)
    with pytest.raises(BadInput, match="audit"):
        token_game("self_grading", audit=1.5)
