"""A fixed scale: scores from different pools, made comparable by items whose difficulties are frozen. Ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewise.core.errors import BadInput
from edgewise.ranking.matrix import Floats, ResponseMatrix
from edgewise.ranking.methods import Scores
from edgewise.ranking.rankllm import BlockSums

_LEAST = 5  # shared items; fewer say next to nothing


@dataclass(frozen=True)
class Anchor:
    """Items of known difficulty.

    Attributes:
        weight: By item id, in [0, 1]: what solving it counted for in an earlier ``edgewise`` ranking.
    """

    weight: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Anchor:
        """From the run folder of an earlier ranking, or its ``items.parquet``.

        Raises:
            BadInput: There is no such table, it lacks a column, or its difficulties are no rates.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = path / "tables" / "items.parquet" if path.is_dir() else path
        try:
            table = pq.read_table(file, columns=["item_id", "weight"])
        except FileNotFoundError:
            fix = "give the folder of an `edgewise rank` run"
            raise BadInput("there is no such ranking", file=file, fix=fix) from None
        except (pa.ArrowException, OSError) as error:
            raise BadInput(f"cannot be read as a table of items: {error}", file=file) from None
        known = {
            str(item): float(d)
            for item, d in zip(table["item_id"].to_pylist(), table["weight"].to_pylist(), strict=True)
            if d is not None
        }
        if not known or min(known.values()) < 0 or max(known.values()) > 1:
            fix = "anchor on a ranking by --method edgewise"
            raise BadInput("its items have no weights between 0 and 1", file=file, field="weight", fix=fix)
        return cls(known)


def anchored_scores(
    matrix: ResponseMatrix, anchor: Anchor, draws: Floats | None = None
) -> tuple[Scores, Floats | None]:
    """Difficulty-weighted success rates on the anchor's scale, from the items that both have.

    A model's score is what it would get on all items of the anchor: the anchor's mean, times its successes over those
    that the anchor's difficulties lead to expect on the shared items. Difficulties of the anchor's items stay; those of
    the others are failure rates weighted by the anchored scores.

    Args:
        matrix: Responses, among them some to the anchor's items.
        anchor: Items of known difficulty.
        draws: How often each item is drawn in bootstrap replicates, shape (replicates, items).

    Returns:
        The scores, and those of the replicates, shape (replicates, models), if there are draws.

    Raises:
        BadInput: Fewer than five items are shared.
    """
    shared = np.array([item in anchor.weight for item in matrix.items])
    if shared.sum() < _LEAST:
        raise BadInput(f"only {int(shared.sum())} items are also in the anchor; need {_LEAST} or more", field="item_id")
    d = np.array([anchor.weight.get(item, 0.0) for item in matrix.items])
    everything = np.array(list(anchor.weight.values()))
    base = float((everything * (1 - everything)).sum() / everything.sum()) if everything.sum() > 0 else 1.0
    sums = BlockSums(matrix)

    def rate(weights: Floats) -> Floats:
        expected = sums.successes(weights * (1 - d)) + sums.failures(weights * (1 - d))
        seen = sums.successes(weights)
        share = np.divide(seen, expected, out=np.full(len(seen), np.nan), where=expected > 0)
        return np.asarray(np.clip(base * share, 0, 1))

    score = rate(d)
    weight = np.nan_to_num(score)
    answered = sums.solvers(weight) + sums.failers(weight)
    fresh = np.divide(sums.failers(weight), answered, out=np.full(len(d), np.nan), where=answered > 0)
    replicates = None if draws is None else np.array([rate(d * draw) for draw in draws])
    difficulty = np.where(shared, d, fresh)
    return Scores(score, difficulty, item_weight=difficulty), replicates
