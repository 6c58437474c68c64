"""Failures with known causes, and how well edgewise, faultmap and domino find them again."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

_WHERE = Path(os.environ.get("EDGEWISE_PEERS", "peers"))  # a folder of each, filled by `pip install --target`
PEERS = {"faultmap": _WHERE / "faultmap", "domino": _WHERE / "domino"}
RULES = (
    ("group=chain_sum", "difficulty=hard"),
    ("group=spell_backward", "word_len>=5"),
    ("group=products", "num_digits>=3"),
    ("group=word_sorting",),
    ("group=aiw",),
    ("group=maze",),
)
NOISE = 0.1


def planted_failures(seed: int, wanted: int) -> tuple[Any, list[Any], np.ndarray]:
    """A trail of random questions with so many failures, the failures, and which rule made each (-1: noise)."""
    from edgewise.probing import Families, PlantedModel, Rule, Step, Trail
    from edgewise.probing.features import meets
    from edgewise.questions.families import QUICK_FAMILIES

    world = Families(QUICK_FAMILIES, seed)
    target = PlantedModel([Rule(when=when) for when in RULES], noise=NOISE, seed=seed)
    trail, failed = Trail(), 0
    while failed < wanted:
        case = world.propose("macro", None)
        if case is None:
            break
        outcome = asyncio.run(target.ask(case))
        trail.steps.append(Step(len(trail.steps), "macro", None, case, outcome))
        failed += outcome.stable
    failures = trail.failures
    truth = [next((i for i, when in enumerate(RULES) if meets(step.case, when)), -1) for step in failures]
    return trail, failures, np.array(truth)


def edgewise_labels(trail: Any, failures: list[Any]) -> np.ndarray:
    """The first mode that has each failure."""
    from edgewise.models.embedder import TfIdf
    from edgewise.probing import find_modes

    labels = np.full(len(failures), -1)
    for i, mode in reversed(list(enumerate(find_modes(trail, TfIdf())))):
        members = set(mode.members)
        labels[[step.case.case_id in members for step in failures]] = i
    return labels


def cluster_labels(vectors: np.ndarray) -> np.ndarray:
    """edgewise's clustering step alone, on the same vectors as its rivals."""
    from edgewise.probing.modes.vectors import cluster

    return cluster(vectors)


def conditions_of(trail: Any, failures: list[Any]) -> np.ndarray:
    """The conditions that edgewise knows of, one column each, scaled so that all of them weigh what a topic does."""
    from edgewise.probing.features import Conditions

    conditions = Conditions([step.case for step in trail.steps], terms=False)
    met = conditions.matrix(step.case for step in failures)
    return met / np.sqrt(max(1, met.shape[1]))


def faultmap_labels(vectors: np.ndarray, method: str) -> np.ndarray | None:
    """Clusters by faultmap's own function with its default sizes; ``None`` if it is not installed."""
    path = PEERS["faultmap"] / "faultmap/slicing/clustering.py"
    if not path.is_file():
        return None
    package = types.ModuleType("faultmap")
    package.__path__ = [str(path.parents[1])]  # without its __init__, which wants a client for models
    sys.modules.setdefault("faultmap", package)
    from faultmap.exceptions import ClusteringError
    from faultmap.slicing.clustering import cluster_embeddings

    try:
        return np.asarray(cluster_embeddings(vectors, method))
    except ClusteringError:
        return np.full(len(vectors), -1)


def domino_labels(vectors: np.ndarray, init: str, seed: int) -> np.ndarray | None:
    """Components of domino's mixture with its default sizes; ``None`` if it is not installed."""
    mixture = _domino_mixture()
    if mixture is None:
        return None
    from sklearn.decomposition import PCA

    rank = min(128, *vectors.shape)
    reduced = PCA(rank, random_state=seed).fit_transform(vectors.astype(float))
    found = mixture(n_components=25, covariance_type="diag", init_params=init, max_iter=100, random_state=seed)
    right, said = np.ones(len(reduced), dtype=int), np.zeros(len(reduced))
    return np.asarray(found.fit_predict(reduced, right, said))


def _domino_mixture() -> Any:
    """``DominoMixture`` of the wheel. What it imports but does not need is left empty, what scikit-learn lost given."""
    path = PEERS["domino"] / "domino/_slice/domino.py"
    if not path.is_file():
        return None
    import sklearn.mixture._base as base
    import sklearn.mixture._gaussian_mixture as gaussian
    import tqdm.auto

    given: dict[str, dict[str, Any]] = {
        "meerkat": {"DataPanel": object},
        "domino": {"__path__": [str(path.parents[1])]},
        "domino.utils": {"unpack_args": None},
        "domino._slice": {"__path__": [str(path.parent)]},
        "domino._slice.abstract": {"Slicer": object},
    }
    for name, content in given.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    base._check_X = lambda X, *args, **kwargs: X
    if not hasattr(base, "check_random_state"):
        from sklearn.utils import check_random_state

        base.check_random_state = check_random_state
    if not hasattr(np, "infty"):
        np.infty = np.inf
    shown, tqdm.auto.tqdm = tqdm.auto.tqdm, lambda rounds, **kwargs: rounds
    spec = importlib.util.spec_from_file_location("domino._slice.domino", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tqdm.auto.tqdm = shown

    class Mixture(module.DominoMixture):  # type: ignore[misc, name-defined]
        def __init__(self, **settings: Any) -> None:
            gaussian.GaussianMixture.__init__(self, **settings)
            self.y_log_likelihood_weight = self.y_hat_log_likelihood_weight = 1
            self.confusion_noise = 1e-3

        def _check_n_features(self, *args: Any, **kwargs: Any) -> None: ...

        def _check_initial_parameters(self, *args: Any, **kwargs: Any) -> None: ...

        def _print_verbose_msg_init_beg(self, *args: Any) -> None: ...

        def _print_verbose_msg_iter_end(self, *args: Any) -> None: ...

        def _print_verbose_msg_init_end(self, *args: Any) -> None: ...

        def _preprocess_ys(self, y: Any = None, y_hat: Any = None) -> tuple[Any, Any]:
            return np.array([1 - y, y]).T, np.array([1 - y_hat, y_hat]).T

    return Mixture


def scores(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Adjusted mutual information, purity of what is in a mode, and share of rule failures in a mode of their rule.

    Noise is a class of its own, and so is belonging to no mode.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    pure = covered = 0
    for label in range(labels.max() + 1):
        inside = truth[labels == label]
        if not len(inside):
            continue
        values, counts = np.unique(inside, return_counts=True)
        pure += int(counts.max())
        if values[counts.argmax()] >= 0:
            covered += int(counts.max())
    inside_any = max(1, int((labels >= 0).sum()))
    return float(adjusted_mutual_info_score(truth, labels)), pure / inside_any, covered / int((truth >= 0).sum())
