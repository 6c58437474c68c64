"""RankLLM on a Parquet file larger than memory, read some rows at a time.

Two engines. ``sweeps``, for scores of 0 and 1, packs them in one pass over the file into bit planes in a scratch file,
an eighth of a byte each, and sweeps over these; the operating system keeps of them in memory what there is room for.
``direct`` takes the sums over items that determine the competencies in one pass, and the difficulties in a second:
slower, but memory is O(models^2 + block) whatever the number of items, and scores may be graded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from edgewise.core.errors import BadInput
from edgewise.core.files import explain_os_errors
from edgewise.core.tables import in_parts
from edgewise.ranking.bits import BitPlanes
from edgewise.ranking.matrix import Block, Floats, split
from edgewise.ranking.rankllm import (
    ALPHA,
    MAX_SWEEPS,
    TOLERANCE,
    System,
    check_options,
    sum_statistics,
)
from edgewise.ranking.readers.columns import ids, scores
from edgewise.ranking.readers.tables import open_wide

if TYPE_CHECKING:
    import pyarrow as pa

_OUT_ROWS = 1 << 17


@dataclass(frozen=True, eq=False)
class Streamed:
    """What RankLLM found, without what there is per item: that is in the file that was asked for.

    Attributes:
        models: Their ids, as the file has them.
        competency: Shape (models), as ``Propagation`` has it.
        accuracy: Mean score of each model on what it answered; NaN if it answered nothing.
        answered: How many items each model answered.
        n_items: Items in the file.
        sweeps: How many were made; 0 for the direct solution.
        change: L1 change of the last.
        converged: Whether that is below the tolerance.
    """

    models: tuple[str, ...]
    competency: Floats
    accuracy: Floats
    answered: NDArray[np.int64]
    n_items: int
    sweeps: int
    change: float
    converged: bool


def rankllm_parquet(
    path: Path,
    items: Path | None = None,
    *,
    item: str | None = None,
    alpha: float = ALPHA,
    tol: float = TOLERANCE,
    max_sweeps: int = MAX_SWEEPS,
    engine: Literal["auto", "direct", "sweeps"] = "auto",
    scratch: Path | None = None,
) -> Streamed:
    """Rank a wide Parquet file (an item per row, a model per column) without loading it.

    Args:
        path: The file. Items are taken to be there once each: checking that would need them all in memory.
        items: Parquet file to write the difficulties to (``item_id``, ``difficulty``, ``error_rate``), in the file's
            order.
        item: Column of the items' ids, where it is not found out.
        alpha: Damping.
        tol: Sweeps end when both sides change by less, in L1.
        max_sweeps: Sweeps at most.
        engine: ``direct`` or ``sweeps``; ``auto`` sweeps unless scores are graded.
        scratch: Folder for the bit planes; the system's own unless given.

    Raises:
        BadInput: The file cannot be read, is no wide table, or has graded scores and ``sweeps`` was asked for.
        RunError: The disk is full.
    """
    check_options(alpha, tol)
    if path.suffix.lower() != ".parquet":
        raise BadInput("only Parquet files can be ranked piece by piece", file=path)
    if engine != "direct":
        try:
            return _by_sweeps(path, items, item, alpha, tol, max_sweeps, scratch)
        except _Graded as graded:
            if engine == "sweeps":
                raise BadInput("sweeps need scores of 0 and 1", file=path, field=str(graded)) from None
    return _directly(path, items, item, alpha)


class _Graded(Exception):
    """A score is neither 0 nor 1."""


class _Counts:
    """Right and answered, per model."""

    def __init__(self, n_models: int) -> None:
        self.right, self.answered = np.zeros(n_models), np.zeros(n_models, dtype=np.int64)

    def accuracy(self) -> Floats:
        """NaN for a model that answered nothing."""
        return np.asarray(np.where(self.answered > 0, self.right / np.maximum(self.answered, 1), np.nan))


def _directly(path: Path, items: Path | None, item: str | None, alpha: float) -> Streamed:
    _, _, models = open_wide(path, item)
    u, counts, n_items = np.ones(len(models)), _Counts(len(models)), 0

    def counted() -> Iterator[Block]:
        nonlocal n_items
        for _, block in _blocks(path, item):
            counts.right += block.right.sum(0)
            counts.answered += (block.right + block.wrong).sum(0).round().astype(np.int64)
            n_items += len(block.right)
            yield Block(slice(0, len(block.right)), block.right, block.wrong)

    # Every block's items weigh 1, so that no vector over all items is needed.
    statistics = sum_statistics(counted(), u, np.ones(_most_rows(path)))
    competency = statistics.competency(alpha, u)
    if items is not None:
        failures = statistics.failures
        sent = alpha * np.divide(competency, failures, out=np.zeros(len(u)), where=failures > 0)
        # As in ``System.result``: an item outside the fit also counts the failures of models with none inside it.
        sent += np.where(failures > 0, 0, alpha * competency)
        floor = (1 - alpha + alpha * competency[failures <= 0].sum()) / (statistics.items or n_items)
        with _ItemWriter(items) as writer:
            for names, block in _blocks(path, item):
                right, answered = block.right.sum(1), (block.right + block.wrong).sum(1)
                writer.write(names, floor + block.wrong @ sent, right, answered)
    return Streamed(tuple(models), competency, counts.accuracy(), counts.answered, n_items, 0, 0.0, True)


def _by_sweeps(
    path: Path,
    items: Path | None,
    item: str | None,
    alpha: float,
    tol: float,
    max_sweeps: int,
    scratch: Path | None,
) -> Streamed:
    _, key, models = open_wide(path, item)
    with ExitStack() as stack:
        planes, counts = _pack(path, item, stack, scratch)
        system = System.of(planes, np.ones(len(models)), np.ones(planes.n_items))
        found = system.result(system.sweep(alpha, tol, max_sweeps), alpha, tol)
        if items is not None:
            with _ItemWriter(items) as writer:
                start = 0
                for names in _names(path, key):
                    part = slice(start, start + len(names))
                    right, answered = system.solved[part], system.solved[part] + system.failed[part]
                    writer.write(names, found.difficulty[part], right, answered)
                    start += len(names)
    return Streamed(
        tuple(models),
        found.competency,
        counts.accuracy(),
        counts.answered,
        planes.n_items,
        found.sweeps,
        found.change,
        found.converged,
    )


def _blocks(path: Path, item: str | None) -> Iterator[tuple[list[str], Block]]:
    """Ids and responses of some items at a time."""
    source, key, models = open_wide(path, item)
    start = 0
    for batch in in_parts(source.batches):
        values = np.empty((batch.num_rows, len(models)))
        for j, name in enumerate(models):
            values[:, j] = scores(batch.column(name), file=source.file, name=name, first_row=start + 1)
        names = ids(batch.column(key), file=source.file, name=key, first_row=start + 1)
        yield names, Block(slice(start, start + len(values)), *split(values))
        start += len(values)


def _names(path: Path, key: str) -> Iterator[list[str]]:
    import pyarrow.parquet as pq

    start = 0
    for batch in pq.ParquetFile(path).iter_batches(batch_size=_OUT_ROWS, columns=[key]):
        yield ids(batch.column(0), file=str(path), name=key, first_row=start + 1)
        start += batch.num_rows


def _most_rows(path: Path) -> int:
    """No batch has more rows than the file."""
    import pyarrow.parquet as pq

    return max(1, min(int(pq.read_metadata(path).num_rows), 1 << 24))


def _pack(path: Path, item: str | None, stack: ExitStack, scratch: Path | None) -> tuple[BitPlanes, _Counts]:
    """Bit planes in scratch files that vanish with ``stack``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    source, _, models = open_wide(path, item)
    file, n_items = source.file, pq.read_metadata(path).num_rows
    shape = (-(-len(models) // 8), n_items)
    right = _scratch(shape, stack, scratch)
    missing: NDArray[np.uint8] | None = None
    counts, start = _Counts(len(models)), 0
    for batch in source.batches:
        rows = slice(start, start + batch.num_rows)
        columns = dict(zip(source.names, batch.columns, strict=True))
        for place in range(shape[0]):
            solved, gaps = np.zeros(batch.num_rows, np.uint8), np.zeros(0, np.uint8)
            for k in range(8 * place, min(8 * place + 8, len(models))):
                bits, gap = _bits(columns[models[k]], file, models[k], rows.start + 1)
                shift = np.uint8(7 - k % 8)
                solved |= bits << shift
                counts.right[k] += np.count_nonzero(bits)
                counts.answered[k] += batch.num_rows
                if gap is not None:
                    gaps = gaps if gaps.size else np.zeros_like(solved)
                    gaps |= gap << shift
                    counts.answered[k] -= np.count_nonzero(gap)
            right[place, rows] = solved
            if gaps.size:
                missing = _scratch(shape, stack, scratch) if missing is None else missing
                missing[place, rows] = gaps
        start += batch.num_rows
    pa.default_memory_pool().release_unused()
    if missing is None:
        return BitPlanes(len(models), right, None), counts
    for place in range(shape[0]):  # wrong is what is neither right nor missing
        missing[place] = ~(missing[place] | right[place])
    return BitPlanes(len(models), right, missing), counts


def _bits(column: pa.Array, file: str, name: str, first_row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """1 where the model was right, and 1 where it has no answer (``None`` if it has them all), each of shape (rows)."""
    if not column.null_count and str(column.type) in ("bool", "int8", "uint8"):
        values = column.to_numpy(zero_copy_only=False).view(np.uint8)
        if values.max(initial=0) <= 1:
            return values, None
    found = scores(column, file=file, name=name, first_row=first_row)
    gap = np.isnan(found)
    right = found == 1
    if not np.all(right | gap | (found == 0)):
        raise _Graded(name)
    return right.view(np.uint8), gap.view(np.uint8) if gap.any() else None


def _scratch(shape: tuple[int, int], stack: ExitStack, folder: Path | None) -> NDArray[np.uint8]:
    """Zeros in a file without a name, mapped into memory."""
    file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
    size = max(1, shape[0] * shape[1])
    # Asked for now, a full disk is an error; met while the map is written, it would kill the process.
    with explain_os_errors(Path(folder or tempfile.gettempdir()), "cannot write the scratch file"):
        os.posix_fallocate(file.fileno(), 0, size)
    return np.memmap(file, dtype=np.uint8, mode="r+", shape=shape)


class _ItemWriter:
    """The table of items, a row group per block."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([("item_id", pa.string()), ("difficulty", pa.float64()), ("error_rate", pa.float64())])
        self._path = path
        with explain_os_errors(path, "cannot write"):
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, names: list[str], difficulty: Floats, right: Floats, answered: Floats) -> None:
        """Some rows; what nobody answered has neither difficulty nor error rate."""
        import pyarrow as pa

        empty = answered <= 0
        error = 1 - right / np.where(empty, 1, answered)
        columns = [
            pa.array(names, pa.string()),
            pa.array(difficulty, mask=empty),
            pa.array(error, mask=empty),
        ]
        with explain_os_errors(self._path, "cannot write"):
            self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
