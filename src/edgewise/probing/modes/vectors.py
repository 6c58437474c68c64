"""Where failures lie, and which lie together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgewise.probing.search.runner import Step

if TYPE_CHECKING:
    from edgewise.models.embedder import Embedder

Vectors = NDArray[np.float64]
LEAST = 3  # members of a cluster
_SMALL = 15  # failures below which density says nothing
_CUT = 0.7  # cosine distance at which small sets are cut
_DIMENSIONS = 20


def failure_vectors(failures: Sequence[Step], embedder: Embedder, weight: float = 0.6) -> Vectors:
    """Where failures lie: what was asked, and how it went wrong. Shape (failures, dimensions), rows of length 1.

    Args:
        failures: With their outcomes.
        embedder: Of both texts, each on its own.
        weight: Of how it went wrong; 0 for the topic alone.
    """
    asked = [
        " ".join((step.case.group, *(f"{k} {v}" for k, v in step.case.knobs.items()), step.case.question[:600]))
        for step in failures
    ]
    wrong = [step.outcome.error for step in failures]
    if len(set(wrong)) == 1:
        return embedder.embed(asked).astype(np.float64)
    parts = [np.sqrt(1 - weight) * embedder.embed(asked), np.sqrt(weight) * embedder.embed(wrong)]
    return np.hstack(parts).astype(np.float64)


def cluster(vectors: Vectors, *, least: int | None = None) -> NDArray[np.int64]:
    """Label of each row; -1 for those that belong nowhere. Density-based (HDBSCAN); a few are linked by average.

    Args:
        vectors: Shape (rows, dimensions).
        least: Rows of a cluster; 3 % of them, at least 3, unless given.
    """
    from sklearn.cluster import HDBSCAN, AgglomerativeClustering
    from sklearn.decomposition import TruncatedSVD

    n = len(vectors)
    least = least or max(LEAST, round(0.03 * n))
    if n < LEAST:
        return np.full(n, -1)
    if n < _SMALL:
        linked = AgglomerativeClustering(None, distance_threshold=_CUT, metric="cosine", linkage="average")
        labels = linked.fit_predict(vectors + 1e-12)
        sizes = np.bincount(labels)
        return np.where(sizes[labels] >= LEAST, labels, -1)
    dimensions = min(_DIMENSIONS, vectors.shape[1] - 1, n // 2)
    varied = np.ptp(vectors, axis=0).any()  # rows that are all alike have nothing to reduce
    reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(vectors) if dimensions > 1 and varied else vectors
    found = HDBSCAN(min_cluster_size=least, min_samples=2, cluster_selection_method="eom", copy=True)
    return np.asarray(found.fit_predict(reduced))
