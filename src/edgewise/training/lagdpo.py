"""Direct preference optimisation with a loss for every dimension: TRL's trainer, and how the losses are put together.

The loss of a pair is that of the stock path (Rafailov et al. 2023, eq. 7); what is added is the mean by dimension, its
weight from a ``Weighting``, batches that hold all dimensions, and the rule's state in every checkpoint.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from edgewise.core.errors import BadInput, EdgewiseError
from edgewise.core.files import write_atomically
from edgewise.training.sampling import StratifiedSampler
from edgewise.training.weighting import Weighting

Floats = npt.NDArray[np.float64]
STATE = "weighting.json"
_CHUNK = 64  # batches of reference log-probabilities between two writes


@dataclass
class StratumCollator(DataCollatorForPreference):  # type: ignore[misc]
    """TRL's collator, with the dimension's number of each pair.

    Attributes:
        numbers: Number by name of dimension.
    """

    numbers: dict[str, int] = field(default_factory=dict)

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Pad, and add ``dimension`` (pairs,)."""
        batch: dict[str, Any] = super().torch_call(examples)
        batch["dimension"] = torch.tensor([self.numbers[example["dimension"]] for example in examples])
        return batch


class LagDPOTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's ``DPOTrainer`` for pairs with a column ``dimension``.

    Args:
        model: A causal language model, with or without an adapter.
        args: TRL's configuration; the loss is ``sigmoid``.
        train_dataset: Pairs with ``prompt``, ``chosen``, ``rejected`` and ``dimension``.
        weighting: How dimensions are put together.
        reference_cache: Folder for reference log-probabilities, if they are computed beforehand
            (``precompute_ref_log_probs``): found again by their content, and gone on with after a kill.
        supervised: Whether the loss is that of the chosen answer's tokens alone, without a reference.
        kwargs: As for ``DPOTrainer``.

    Raises:
        BadInput: The data has no dimensions, or another loss is asked for.
    """

    _tag_names = ("trl", "dpo", "edgewise")

    def __init__(
        self,
        model: Any,
        *,
        args: DPOConfig,
        train_dataset: Any,
        weighting: Weighting,
        reference_cache: Path | None = None,
        supervised: bool = False,
        **kwargs: Any,
    ) -> None:
        if list(args.loss_type) != ["sigmoid"]:
            raise BadInput(f"only the loss sigmoid has a version by dimension, not {args.loss_type}", field="loss_type")
        if "dimension" not in train_dataset.column_names:
            raise BadInput("the pairs have no column 'dimension'", field="dimension")
        self.weighting, self.supervised, self._reference_cache = weighting, supervised, reference_cache
        self.dimensions: Sequence[str] = sorted(set(train_dataset["dimension"]))
        super().__init__(model, args=args, train_dataset=train_dataset, **kwargs)
        stock = self.data_collator  # type: ignore[has-type]
        self.data_collator = StratumCollator(
            pad_token_id=stock.pad_token_id,
            max_length=stock.max_length,
            truncation_mode=stock.truncation_mode,
            pad_to_multiple_of=stock.pad_to_multiple_of,
            numbers={name: k for k, name in enumerate(self.dimensions)},
        )

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        if "dimension" not in self._signature_columns:  # type: ignore[has-type]
            self._signature_columns = [*self._signature_columns, "dimension"]  # type: ignore[has-type]

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if not self.weighting.stratified:
            return super()._get_train_sampler(train_dataset)
        pairs = self.train_dataset if train_dataset is None else train_dataset
        size = self.args.per_device_train_batch_size * self.accelerator.num_processes
        return StratifiedSampler(pairs["dimension"], size, self.args.seed)

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        mode = "train" if self.model.training else "eval"
        dimension = inputs["dimension"]
        losses, margins = self.pair_losses(model, inputs)
        everyone = self.accelerator.gather(dimension)
        seen = self.accelerator.gather(losses.detach()).float(), self.accelerator.gather(margins.detach()).float()
        means = {}
        for k, name in enumerate(self.dimensions):
            own = everyone == k
            if own.any():
                means[name] = float(seen[0][own].mean()), int(own.sum())
                self._metrics[mode][f"loss/{name}"].append(means[name][0])
                self._metrics[mode][f"margin/{name}"].append(float(seen[1][own].mean()))
        if not all(np.isfinite(mean) for mean, _ in means.values()):
            bad = ", ".join(name for name, (mean, _) in means.items() if not np.isfinite(mean))
            raise EdgewiseError(
                f"the loss of {bad} is not a number at step {self.state.global_step + 1}",
                fix="start again with a smaller --lr; the last good checkpoint is in the run's folder",
            )
        weights = self.weighting.weigh(means) if mode == "train" else {name: 1 / len(means) for name in means}
        each = torch.zeros_like(losses)
        for k, name in enumerate(self.dimensions):
            if name in means:
                # The mean over all processes' pairs; gradients are averaged over processes later.
                share = weights[name] / means[name][1] * self.accelerator.num_processes
                each = torch.where(dimension == k, share, each)
        for name, value in self.weighting.logged().items():
            self._metrics[mode][name].append(value)
        loss = (each * losses).sum()
        return (loss, {}) if return_outputs else loss

    def pair_losses(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, Any]:
        """Loss of each pair in nats, and its margin beta (log-ratio chosen - log-ratio rejected), both (pairs,)."""
        logps, tokens = self._logps(model, inputs)
        chosen, rejected = logps.chunk(2)
        if self.supervised:
            return -chosen / tokens.chunk(2)[0].clamp(min=1), chosen - rejected
        if self.precompute_ref_logps:
            ref_chosen, ref_rejected = inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]
        else:
            with torch.no_grad():
                plain = {key: value for key, value in inputs.items() if key != "dimension"}
                ref_chosen, ref_rejected = self.compute_ref_log_probs(self.ref_model or self.model, plain)
        margins = self.beta * ((chosen - ref_chosen) - (rejected - ref_rejected))
        return -functional.logsigmoid(margins), margins

    def _logps(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, Any]:
        """Log-probability of each answer (2 pairs,), chosen first, and how many tokens it has."""
        mask = inputs["completion_mask"]
        labels = inputs["input_ids"].masked_fill(mask == 0, -100)
        outputs = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            labels=labels,
            fused_lm_head=True,
        )
        return outputs.log_probs[:, -(mask.shape[1] - 1) :].sum(dim=1), mask[:, 1:].sum(dim=1)

    def score(self, dataset: Any, batch_size: int, *, start: int = 0, reference: bool = False) -> Iterator[Floats]:
        """Log-probabilities of answers in nats, a batch (pairs, 2) at a time, chosen first.

        Args:
            dataset: Pairs as the trainer has prepared them.
            batch_size: Pairs at a time.
            start: The first pair.
            reference: By the reference instead of the model as it stands.
        """
        training = self.model.training
        self.model.eval()
        try:
            for first in range(start, len(dataset), batch_size):
                examples = [dataset[i] for i in range(first, min(first + batch_size, len(dataset)))]
                batch = self._prepare_inputs(DataCollatorForPreference.torch_call(self.data_collator, examples))
                with torch.no_grad():
                    if reference:
                        both = torch.stack(self.compute_ref_log_probs(self.ref_model or self.model, batch), dim=1)
                    else:
                        both = torch.stack(self._logps(self.model, batch)[0].chunk(2), dim=1)
                yield both.double().cpu().numpy()
        finally:
            self.model.train(training)

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        """Reference log-probabilities as columns, from the cache as far as they are there."""
        if self.supervised and name == "train":
            return dataset
        if self._reference_cache is None:
            return super()._precompute_ref_logps(dataset, name, batch_size)
        ids = [list(map(list, dataset[column])) for column in ("prompt_ids", "chosen_ids", "rejected_ids")]
        words = json.dumps([self._precompute_model_hash, self.args.max_length, ids])
        path = self._reference_cache / f"reference-{hashlib.sha256(words.encode()).hexdigest()[:24]}.npy"
        found = np.load(path) if path.is_file() else np.zeros((0, 2))
        fresh: list[Floats] = []
        for batch in self.score(dataset, batch_size, start=len(found), reference=True):
            fresh.append(batch)
            if len(fresh) == _CHUNK:
                found, fresh = self._keep(path, [found, *fresh]), []
        found = self._keep(path, [found, *fresh]) if fresh else found
        for column, values in zip(("ref_chosen_logps", "ref_rejected_logps"), found.T, strict=True):
            dataset = dataset.add_column(column, values.tolist())
        return dataset

    def _keep(self, path: Path, parts: list[Floats]) -> Floats:
        whole = np.concatenate(parts)
        if self.accelerator.is_main_process:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = io.BytesIO()
            np.save(data, whole)
            write_atomically(path, data.getvalue())
        return whole

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}"
            # Last, and whole or not at all: a checkpoint without it was cut off.
            write_atomically(folder / STATE, json.dumps(self.weighting.state()).encode())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self.weighting.restore(json.loads((Path(resume_from_checkpoint) / STATE).read_text()))
