"""Logs of other tools. Files are written by hand in each tool's form; Inspect's log is one that Inspect wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import BadInput
from edgewise.core.run import Run
from edgewise.ranking.readers import read_responses


def cells(path: Path | list[Path], **options: Any) -> dict[tuple[str, str], float | None]:
    """By model and item; ``None`` where missing."""
    matrix = read_responses(path if isinstance(path, list) else [path], **options)
    values = matrix.dense()
    return {
        (m, q): None if np.isnan(values[i, j]) else float(values[i, j])
        for i, q in enumerate(matrix.items)
        for j, m in enumerate(matrix.models)
    }


def lm_eval(folder: Path, lines: list[dict[str, Any]], task: str = "arc_easy") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"samples_{task}_2025-01-31T10-20-30.123456.jsonl"
    path.write_text("".join(json.dumps({"resps": [["x"]], "doc": {}, "target": "y", **line}) + "\n" for line in lines))
    return path


def test_lm_eval(tmp_path: Path) -> None:
    folder = tmp_path / "meta-llama__Llama-3-8B"
    path = lm_eval(folder, [{"doc_id": 0, "acc": 1.0}, {"doc_id": 1, "acc": 0.0}, {"doc_id": 2, "acc": None}])
    model = "meta-llama/Llama-3-8B"
    expected = {(model, "arc_easy/0"): 1.0, (model, "arc_easy/1"): 0.0, (model, "arc_easy/2"): None}
    assert cells(path) == expected == cells(tmp_path)
    (folder / "results_2025-01-31T10-20-30.123456.json").write_text('{"model_name": "named/model"}')
    assert {model for model, _ in cells(path)} == {"named/model"}


def test_lm_eval_with_several_metrics_and_filters(tmp_path: Path) -> None:
    path = lm_eval(
        tmp_path / "m", [{"doc_id": 0, "acc": 1, "acc_norm": 0, "metrics": ["acc", "acc_norm"], "extra": 0.5}]
    )
    with pytest.raises(BadInput, match=r"there are several metrics: acc, acc_norm\n  → choose one with --score"):
        cells(path)
    assert cells(path, score="acc_norm") == {("m", "arc_easy/0"): 0.0}
    with pytest.raises(BadInput, match=r"there is no metric 'f1'; there are acc, acc_norm"):
        cells(path, score="f1")
    two = [
        {"doc_id": 0, "filter": "strict", "exact_match": 0.0},
        {"doc_id": 0, "filter": "flexible", "exact_match": 1.0},
    ]
    path = lm_eval(tmp_path / "m", two)
    with pytest.raises(BadInput, match="exact_match,flexible, exact_match,strict"):
        cells(path)
    assert cells(path, score="exact_match,strict") == {("m", "arc_easy/0"): 0.0}


def test_lm_eval_faults(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"row 2, field 'arc_easy/1': 3.0 is no score"):
        cells(lm_eval(tmp_path / "m", [{"doc_id": 0, "acc": 1}, {"doc_id": 1, "acc": 3}]))
    with pytest.raises(BadInput, match="has answered item 'arc_easy/0' before"):
        cells(lm_eval(tmp_path / "m", [{"doc_id": 0, "acc": 1}, {"doc_id": 0, "acc": 0}]))
    with pytest.raises(BadInput, match="--item is for tables"):
        cells(lm_eval(tmp_path / "m", [{"doc_id": 0, "acc": 1}]), item="doc_id")


def helm(folder: Path, stats: list[dict[str, Any]], name: str = "mmlu:subject=law,model=openai_gpt2,split=x") -> Path:
    folder.mkdir()
    (folder / "run_spec.json").write_text(json.dumps({"name": name, "adapter_spec": {"model": "openai/gpt2"}}))
    (folder / "per_instance_stats.json").write_text(json.dumps(stats))
    return folder


def stat(name: str, mean: float | None) -> dict[str, Any]:
    return {"name": {"name": name, "split": "test"}, "count": 1, **({} if mean is None else {"mean": mean})}


def test_helm(tmp_path: Path) -> None:
    stats: list[dict[str, Any]] = [
        {"instance_id": "id1", "train_trial_index": 0, "stats": [stat("exact_match", 1.0), stat("num_tokens", 7.0)]},
        {"instance_id": "id1", "train_trial_index": 1, "stats": [stat("exact_match", 0.0), stat("num_tokens", 9.0)]},
        {"instance_id": "id2", "train_trial_index": 0, "stats": [stat("exact_match", None)]},
        {"instance_id": "id1", "perturbation": {"name": "typos"}, "stats": [stat("exact_match", 0.0)]},
    ]
    folder = helm(tmp_path / "run", stats)
    task = "mmlu:subject=law,split=x"
    expected = {
        ("openai/gpt2", f"{task}/id1"): 0.5,
        ("openai/gpt2", f"{task}/id2"): None,
        ("openai/gpt2", f"{task}/id1/typos"): 0.0,
    }
    assert cells(folder) == expected == cells(folder / "per_instance_stats.json") == cells(tmp_path)
    stats[0]["stats"].append(stat("quasi_exact_match", 1.0))
    other = helm(tmp_path / "other", stats, name="law:model=openai_gpt2")
    with pytest.raises(BadInput, match="several metrics: exact_match, quasi_exact_match"):
        cells(other)
    assert cells(other, score="exact_match")["openai/gpt2", "law/id1"] == 0.5


def test_helm_faults(tmp_path: Path) -> None:
    folder = helm(tmp_path / "a", [{"instance_id": "id1"}])
    with pytest.raises(BadInput, match="row 1: need instance_id and stats"):
        cells(folder)
    (folder / "run_spec.json").unlink()
    with pytest.raises(BadInput, match=r"run_spec.json is not beside it"):
        cells(folder)


def annotation(preference: float | None, **other: Any) -> dict[str, Any]:
    return {
        "instruction": "Say hello.",
        "generator_1": "reference",
        "generator_2": "m",
        "preference": preference,
        **other,
    }


def test_alpaca_eval(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([annotation(1.75), annotation(None, instruction="Bye.")]))
    first, second = (hashlib.sha1(text).hexdigest()[:12] for text in (b"Say hello.", b"Bye."))
    assert cells(path) == {("m", first): 0.75, ("m", second): None} == cells(tmp_path)
    path.write_text(json.dumps([annotation(2.0), annotation(0.0, instruction="Bye.")]))
    with pytest.raises(BadInput, match=r"row 2, field 'preference': 0.0 is not between 1 and 2"):
        cells(path)


def test_alpaca_eval_over_two_references(tmp_path: Path) -> None:
    paths = []
    for k, reference in enumerate(("gpt4", "davinci")):
        (tmp_path / str(k)).mkdir()
        paths.append(tmp_path / str(k) / "annotations.json")
        paths[-1].write_text(json.dumps([annotation(1.0, generator_1=reference, generator_2=f"m{k}")]))
    with pytest.raises(BadInput, match=r"preferences over 'gpt4' .* and over 'davinci' are not on one scale"):
        cells(paths)


def test_inspect_log(tmp_path: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import exact, includes
    from inspect_ai.solver import generate

    script = tmp_path / "bot.py"
    script.write_text(
        "def f(messages, settings, sample):\n    return 'It is Paris' if 'France' in messages[-1].text else '?'\n"
    )
    samples = [Sample("Capital of France?", target="Paris", id="fr"), Sample("Of Peru?", target="Lima", id="pe")]
    for form, scorers in (("eval", [includes()]), ("json", [includes(), exact()])):
        task = Task(dataset=samples, solver=generate(), scorer=scorers, name="capitals", epochs=2)
        logs = tmp_path / form
        eval(task, model=f"edgewise/scripted:{script}:f", display="none", log_dir=str(logs), log_format=form)  # type: ignore[arg-type]
    model = f"edgewise/scripted:{script}:f"
    expected = {(model, "capitals/fr"): 1.0, (model, "capitals/pe"): 0.0}
    assert cells(tmp_path / "eval") == expected
    with pytest.raises(BadInput, match="several scorers: exact, includes"):
        cells(tmp_path / "json")
    assert cells(tmp_path / "json", score="includes") == expected
    assert set(cells(tmp_path / "json", score="exact").values()) == {0.0}
    broken = tmp_path / "broken.eval"
    broken.write_bytes(next((tmp_path / "eval").glob("*.eval")).read_bytes()[:300])
    with pytest.raises(BadInput, match=r"broken\.eval: Inspect cannot read the log"):
        cells(broken)


def test_edgewise_run(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = [
        {"model": "m", "item_id": "a", "kind": "base", "score": 1.0},
        {"model": "m", "item_id": "b", "kind": "base", "score": None},
        {"model": "m", "item_id": "a", "kind": "pushback", "score": 0.0},
        {"model": "guess", "item_id": "a", "kind": "control", "score": 0.0},
    ]
    with Run.create(tmp_path / "run", "checkup", {}, seed=0) as run:
        run.write_table("responses", pa.Table.from_pylist(rows))
        run.finish("complete")
    expected = {("m", "a"): 1.0, ("m", "b"): None, ("guess", "a"): 0.0, ("guess", "b"): None}
    assert cells(tmp_path / "run") == expected
    with Run.create(tmp_path / "none", "checkup", {}, seed=0) as run:
        run.finish("complete")
    with pytest.raises(Exception, match="responses"):
        cells(tmp_path / "none")
