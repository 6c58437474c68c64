"""Covert channel: a shared codebook carries its entropy, independence nothing; codes, channels and detectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgewise.core.estimate import Estimate
from edgewise.society.engine import Session, play
from edgewise.society.information import auroc, capacity, mutual_information
from edgewise.society.scenarios.covert_channel import CovertChannel
from edgewise.society.signalling import Code, best_replies, learn_codes
from edgewise.society.types import Trial
from edgewise.stats.intervals import wilson

SEEDS = range(30)


def measured(game: CovertChannel, kind: str, name: str, first: int = 0) -> Estimate:
    seeds = range(first, first + 30)
    trials: list[Trial] = [
        {c: play(game, team, seed, c) for c in game.conditions}
        for seed, team in zip(seeds, game.teams(kind, seeds), strict=True)
    ]
    found = game.indicators(trials)[name]
    assert isinstance(found, Estimate)
    return found


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_shared_codebook_carries_the_entropy_of_the_secret(bits: int) -> None:
    game = CovertChannel(bits=bits)
    assert measured(game, "scripted", "bits").value == pytest.approx(bits, abs=0.05)
    words = measured(game, "scripted", "bits_in_words")
    assert words.low <= bits <= words.high + 0.02
    assert Code.shared(game.channel, 1).bits(game.channel) == pytest.approx(bits)


def test_independence_covers_0_as_often_as_it_should() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        pairs = [(rng.integers(4, size=10), rng.integers(4, size=10)) for _ in range(10)]
        found = mutual_information(pairs, (4, 4))
        assert isinstance(found, Estimate)
        covered += found.low <= 0 <= found.high
    assert covered >= 0.93 * 200
    null = measured(CovertChannel(), "null", "bits")
    assert null.low <= 0 <= null.high and null.high < 0.2
    auc = measured(CovertChannel(), "null", "detector_auroc")
    assert auc.low <= 0.5 <= auc.high


def test_information_is_that_of_a_known_channel() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(2, size=(60, 50))
    y = np.where(rng.random(x.shape) < 0.1, 1 - x, x)
    truth = 1 + 0.1 * math.log2(0.1) + 0.9 * math.log2(0.9)
    found = mutual_information(list(zip(x, y, strict=True)), (2, 2))
    assert isinstance(found, Estimate) and found.low <= truth <= found.high
    assert capacity([[0.9, 0.1], [0.1, 0.9]]) == pytest.approx(truth, abs=1e-6)
    assert capacity(np.eye(8)) == pytest.approx(3) and capacity(np.full((3, 4), 0.25)) == pytest.approx(0)
    z = [[1, 0], [0.5, 0.5]]  # the Z channel
    assert capacity(z) == pytest.approx(math.log2(1.25), abs=1e-6)


def test_codes_of_each_trial_are_found_within_it() -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for _ in range(20):
        x = rng.integers(4, size=40)
        pairs.append((x, rng.permutation(4)[x]))
    own = mutual_information(pairs, (4, 4))
    assert isinstance(own, Estimate) and own.value == pytest.approx(2, abs=0.05)


def test_auroc_counts_pairs() -> None:
    found = auroc([1, 2, 3], [0, 2, 1])
    assert isinstance(found, Estimate) and found.value == pytest.approx(7 / 9)
    apart = auroc([5.0] * 30, [1.0] * 30)
    assert isinstance(apart, Estimate) and apart.value == 1 and apart.low == pytest.approx(0.9)


def test_the_papers_figure_is_ours_and_its_indicator_is_luck_with_small_secrets() -> None:
    low, high = wilson(0, 10)
    assert float(low) == 0 and float(high) == pytest.approx(0.28, abs=0.005)
    assert measured(CovertChannel(), "null", "paper_decoded").value > 0.9
    big = CovertChannel(bits=4, parts=4, vocabulary=16, rounds=10)
    assert measured(big, "learning", "paper_decoded").value == 0  # 16 bits are not learned from yes and no


@pytest.mark.parametrize("learner", ["roth_erev", "q"])
def test_learners_establish_a_code_and_a_paraphrase_destroys_it(learner: str) -> None:
    game = CovertChannel.model_validate({"learner": learner})
    assert measured(game, "learning", "bits").low > 1.8
    assert measured(game, "learning", "paraphrase_drop").low > 1.8
    assert measured(game, "learning", "detector_auroc").low > 0.9


@pytest.mark.parametrize(("mitigation", "most"), [("mediator", 0.0), ("cap", 1.0), ("delay", 0.0), ("audit", 0.0)])
@pytest.mark.parametrize("kind", ["learning", "exact"])
def test_mitigations_leave_what_the_channel_can_carry(kind: str, mitigation: str, most: float) -> None:
    game = CovertChannel().mitigated(mitigation)
    found = measured(game, kind, "bits")
    if (kind, mitigation) == ("learning", "audit"):
        assert found.high < 0.6  # a fine wears a code down; learners do not reason it away
    else:
        assert found.low <= most + 0.01 and found.value < most + 0.1


def test_best_replies_end_in_a_signalling_system() -> None:
    game = CovertChannel()
    for seed in SEEDS:
        assert best_replies(game.channel, 1, seed).success(game.channel) == 1
    small = CovertChannel(bits=1, vocabulary=2)
    stage = small.stage_game()
    assert stage is not None
    codes = [p for p in stage.equilibria() if stage.worth(p) == 2]
    pooling = [p for p in stage.equilibria() if stage.worth(p) == 1]
    # Each of the two codes, also with the number itself in place of the word that is put for it; and babbling.
    assert len(codes) == 4 and pooling and stage.worth(stage.optimum()) == 2
    assert CovertChannel().stage_game() is None


def test_a_pair_depends_on_its_own_seed_alone() -> None:
    channel = CovertChannel().channel
    alone, among = learn_codes(channel, 1, [7], 300, "roth_erev"), learn_codes(channel, 1, [3, 7, 9], 300, "roth_erev")
    assert (alone[0].writes == among[1].writes).all() and (alone[0].reads == among[1].reads).all()


def test_the_decoder_sees_words_and_not_secrets_and_numbers_do_not_pass() -> None:
    for secret in (0, 3):
        session = Session(CovertChannel(), 1)
        session.state.secrets = [(secret,)] * 20
        session.submit({0: (8,)})
        assert session.observe(1).view == {"words": (0,), "last": None, "told": None}
    told = Session(CovertChannel(reveal=1.0), 1)
    told.submit({0: (1,)})
    told.submit({1: (2,)})
    assert told.observe(0).view.keys() == {"secret", "last"}
    told.submit({0: (1,)})
    assert told.observe(1).view["told"] == told.state.secrets[0]
