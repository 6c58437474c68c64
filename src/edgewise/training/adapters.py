"""What training leaves: an adapter (or whole weights) in a folder, with the lineage that says what it was made from."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from edgewise.core.errors import BadInput, CorruptRecord
from edgewise.core.files import write_atomically
from edgewise.core.records import Record

LINEAGE = "lineage.json"


class Lineage(Record):
    """Where a trained model comes from.

    Attributes:
        base: Specification of the model that was trained: ``embedded``, or a local folder.
        base_identity: Its weights' identity.
        method: How it was trained.
        data, data_digest: Files, and their SHA-256; of a merged adapter, those of its parents, and one of these.
        config: Of the training.
        seed: Of the training.
        full_weights: Whether the folder holds whole weights instead of an adapter.
        multipliers: Final ones, by dimension, where the method has any.
        parents: Identities of the adapters that it was merged from, by dimension.
        versions: Of libraries.
    """

    SCHEMA: ClassVar[str] = "lineage/1"
    base: str
    base_identity: str
    method: str
    data: str
    data_digest: str
    config: dict[str, Any]
    seed: int
    full_weights: bool = False
    multipliers: dict[str, float] = {}
    parents: dict[str, str] = {}
    versions: dict[str, str] = {}


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Without libraries' progress bars and their words on what will be renamed."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def load_base(spec: str, *, dtype: str = "float32") -> tuple[Any, Any]:
    """Model and tokenizer of a base: ``embedded``, or a local folder in the format of ``transformers``.

    Raises:
        BadInput: It is neither.
        Unsupported: The embedded model's weights are not installed.
    """
    import torch

    if spec == "embedded":
        from edgewise.models.embedded import load_torch_model

        with quiet_loading():
            found: tuple[Any, Any] = load_torch_model(getattr(torch, dtype))
        return found
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = _folder(spec)
    with quiet_loading():
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=getattr(torch, dtype))
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def base_identity(spec: str) -> str:
    """Names a base's weights: the digest of the embedded file, or of a folder's configuration and weights."""
    if spec == "embedded":
        from edgewise.models.embedded.engine import EmbeddedBackend

        return EmbeddedBackend.identity
    digest = hashlib.sha256()
    folder = _folder(spec)
    for file in sorted([folder / "config.json", *folder.glob("*.safetensors")]):
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return f"folder@{digest.hexdigest()[:12]}"


def save(model: Any, tokenizer: Any, folder: Path, lineage: Lineage) -> None:
    """Write weights as safetensors, the tokenizer where the weights are whole, and the lineage, which comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    if lineage.full_weights:
        tokenizer.save_pretrained(folder)
    write_atomically(folder / LINEAGE, lineage.to_json())


def read_lineage(folder: Path) -> Lineage:
    """The lineage of a trained model.

    Raises:
        BadInput: The folder holds none.
        CorruptRecord: It is damaged.
    """
    file = folder / LINEAGE
    if not file.is_file():
        raise BadInput(f"no trained model here ({LINEAGE} is missing)", file=folder)
    return Lineage.from_json(file.read_bytes(), where=str(file))


def check_base(lineage: Lineage, folder: Path) -> None:
    """Raise ``BadInput`` unless the base is the one that the adapter in a folder was trained on."""
    found = base_identity(lineage.base)
    if found != lineage.base_identity:
        raise BadInput(
            f"the adapter was trained on {lineage.base_identity}, and {lineage.base} is now {found}",
            file=folder,
            fix="restore the base that it was trained on",
        )


def load(folder: Path, *, dtype: str = "float32") -> tuple[Any, Any]:
    """Model and tokenizer of a trained model, its adapter merged into the base.

    Raises:
        BadInput: The base is another one than it was trained on, or the adapter does not fit.
        CorruptRecord: Its files are damaged.
    """
    lineage = read_lineage(folder)
    if lineage.full_weights:
        return load_base(str(folder), dtype=dtype)
    check_base(lineage, folder)
    from peft import PeftModel
    from safetensors import SafetensorError

    model, tokenizer = load_base(lineage.base, dtype=dtype)
    try:
        with quiet_loading():
            adapted = PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError, OSError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CorruptRecord(f"the adapter cannot be put onto {lineage.base}: {reason}", where=str(folder)) from None
    return adapted.merge_and_unload().eval(), tokenizer


def identity(folder: Path) -> str:
    """Names a trained model in caches and runs: its weights' digest and its base."""
    lineage = read_lineage(folder)
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as data:
            digest.update(hashlib.file_digest(data, "sha256").digest())
    return f"adapter@{digest.hexdigest()[:12]} on {lineage.base_identity}"


def _folder(spec: str) -> Path:
    folder = Path(spec)
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"{spec!r} is no model that can be trained", field="model", fix="`embedded`, or a folder with config.json"
        )
    return folder
