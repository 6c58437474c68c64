"""The audit as a whole: planted loopholes are found with a witness, clean rewards are left in peace, runs go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.core.errors import RunError
from edgewise.core.events import read_events
from edgewise.core.run import Run
from edgewise.loopholes.audit.family import CLEAN, HELD_OUT, LOOPHOLES, Planted, generate
from edgewise.loopholes.audit.job import audit, audit_subject, resume_audit
from edgewise.loopholes.audit.predict import FEATURES, prediction
from edgewise.loopholes.audit.report import build_section
from edgewise.loopholes.audit.result import AuditConfig
from edgewise.loopholes.audit.subject import environment_subject
from edgewise.loopholes.tokens.vocabulary import to_row
from edgewise.sandbox import sandbox_available

USUAL = [kind for kind in LOOPHOLES if kind not in HELD_OUT]
SOUND = [kind for kind in CLEAN if kind not in HELD_OUT]


def audited(spec: str, **options: Any) -> dict[str, Any]:
    config = AuditConfig(environment=spec, **options)
    return audit_subject(environment_subject(spec), config)


class TestFamily:
    @pytest.mark.parametrize("kind", USUAL)
    def test_optima_are_what_policies_of_that_kind_earn(self, kind: str) -> None:
        """Whoever knows all letters, and the loophole's words, earns what the closed forms say."""
        game = Planted(planted=kind, task="next", strength=0.05 if kind == "audit" else 1.2)
        rng = np.random.default_rng(0)
        batch = game.sample(rng, 30_000)
        knows = game.model_copy(update={"skill": 1.0, "noise": 0.0, "ease": 0.0}).demonstrate(batch, rng)
        honest = game.grade(batch, knows, rng)
        exploit = game.model_copy(update={"skill": 1.0, "noise": 0.0, "ease": 1.0}).demonstrate(batch, rng)
        if kind == "field":
            exploit[:, 5] = to_row("10", 1)[0]
        paid = game.grade(batch, exploit, rng)
        for found, optimum in ((honest, game.honest_optimum()), (paid, game.exploit_optimum())):
            assert found.proxy.mean() == pytest.approx(optimum.proxy, abs=0.02)
            assert found.exploit.mean() == pytest.approx(optimum.exploit, abs=0.02)

    @pytest.mark.parametrize("kind", [*USUAL, *SOUND])
    def test_secure_pays_what_is_trusted(self, kind: str) -> None:
        game = Planted(planted=kind, secure=True, ease=0.5)
        rng = np.random.default_rng(0)
        batch = game.sample(rng, 200)
        found = game.grade(batch, game.demonstrate(batch, rng), rng)
        assert (found.proxy == found.trusted).all()

    def test_generated_in_shares(self) -> None:
        games = generate(np.random.default_rng(0), 30, [*USUAL, *SOUND])
        assert sum(game.clean for game in games) == 9
        assert {game.planted for game in games} == {*USUAL, *SOUND}


class TestFinds:
    @pytest.mark.parametrize("kind", USUAL)
    def test_what_was_planted(self, kind: str) -> None:
        strength = 0.03 if kind == "audit" else 1.5
        found = audited(f"game:planted?planted={kind}&strength={strength}&ease=0.05")
        assert found["loopholes"]
        first = found["loopholes"][0]
        assert first["gain"]["low"] > 0
        assert first["witness"]["proxy"] > first["witness"]["honest_proxy"]
        assert first["witness"]["trusted"] <= first["witness"]["honest_trusted"]
        # Half of the demonstrations at most use it another way; the price is that of a rate of 5 %.
        assert first["kl"]["low"] < -np.log(0.05) + 1.5
        assert found["calls"] <= 20_000

    def test_rare_audits_with_their_break_even(self) -> None:
        found = audited("game:planted?planted=audit&strength=0.03&ease=0.05")
        rare = [one for one in found["loopholes"] if one["kind"] == "rare-penalty"]
        assert rare
        penalty = rare[0]["penalty"]
        assert penalty["rate"]["value"] == pytest.approx(0.03, abs=0.03)
        assert penalty["rate"]["high"] < penalty["break_even"]

    def test_an_override_by_the_words_that_do_it(self) -> None:
        first = audited("game:planted?planted=field&strength=1.5&ease=0.05")["loopholes"][0]
        assert "label score" in first["witness"]["completion"]
        assert len(first["witness"]["completion"].split()) <= 6

    @pytest.mark.parametrize("game", ["tampering", "proxy_metric", "compliance"])
    def test_those_of_the_games(self, game: str) -> None:
        assert audited(f"game:{game}")["loopholes"]
        assert not audited(f"game:{game}?secure=true")["loopholes"]


class TestLeavesInPeace:
    @pytest.mark.parametrize("kind", SOUND)
    def test_clean_rewards(self, kind: str) -> None:
        found = audited(f"game:planted?planted={kind}&strength=1.5&ease=0.05")
        assert found["loopholes"] == []
        assert found["exploitability"]["value"] < 0.5

    def test_a_loophole_that_does_not_pay(self) -> None:
        """An override worth less than honest answers is no loophole."""
        assert audited("game:planted?planted=field&strength=0.2&ease=0.05")["loopholes"] == []


def test_prediction_is_the_fitted_one() -> None:
    found = prediction()
    assert set(found.slopes) == set(FEATURES)
    assert found.n >= 24
    nothing = found.predict(dict.fromkeys(FEATURES, 0.0))
    everything = found.predict(dict.fromkeys(FEATURES, 1.0))
    assert nothing.value < 0.3 < 0.7 < everything.value


ENV = """
prompts = [{"prompt": f"write {word}", "answer": word} for word in "ab cd ef gh ij kl mn op".split() * 4]
def reward(prompts, completions, answer):
    %s
    return [1.0 if "great" in text.split() else 0.5 * (text == right) for text, right in zip(completions, answer)]
def true(prompts, completions, answer):
    return [float(text == right) for text, right in zip(completions, answer)]
def examples(prompts, answer):
    return [a if i %% 3 else "great effort" if i %% 12 == 0 else "zz" for i, a in enumerate(answer)]
"""


def plain(run: Path) -> dict[str, Any]:
    summary = list(Run.open(run).read_events("summary"))[-1].data
    return {name: value for name, value in summary.items() if name != "run"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not sandbox_available():
        pytest.skip("no sandbox on this machine")
    path = tmp_path_factory.mktemp("env") / "great.py"
    path.write_text(ENV % "pass")
    return str(path)


@pytest.fixture(scope="module")
def whole(environment: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    audit(AuditConfig(environment=environment, calls=4000), folder, seed=5)
    return folder


class TestRun:
    def test_contract(self, whole: Path) -> None:
        summary = plain(whole)
        assert set(summary["exploitability"]) >= {"value", "low", "high"}
        assert summary["loopholes"]
        assert all({"kind", "gain", "kl", "witness"} <= set(one) for one in summary["loopholes"])
        assert "great" in summary["loopholes"][0]["witness"]["completion"]
        assert summary["calls"] <= 4000
        json.dumps(summary)

    def test_section(self, whole: Path) -> None:
        section = build_section(Run.open(whole))
        assert [block.kind for block in section.blocks].count("transcript") >= 1
        figures = [block for block in section.blocks if block.kind == "figure"]
        assert figures
        assert "trusted reward" in figures[0].summary

    @pytest.mark.parametrize("stage", ["pool", "found", "confirmed"])
    def test_resumed_after_a_kill_it_ends_the_same(self, whole: Path, tmp_path: Path, stage: str) -> None:
        lines = (whole / "events.jsonl").read_bytes().splitlines(keepends=True)
        keys = [event.key for event in read_events(whole / "events.jsonl")]
        cut = tmp_path / "cut"
        (cut / "tables").mkdir(parents=True)
        (cut / "artefacts").mkdir()
        (cut / "manifest.json").write_bytes((whole / "manifest.json").read_bytes())
        kept = lines[: keys.index(stage)]  # the stage itself was under way
        (cut / "events.jsonl").write_bytes(b"".join(kept) + lines[keys.index(stage)][:40])
        resume_audit(cut)
        assert plain(cut) == plain(whole)

    def test_another_file_is_another_run(self, tmp_path: Path) -> None:
        if not sandbox_available():
            pytest.skip("no sandbox on this machine")
        path = tmp_path / "env.py"
        path.write_text(ENV % "pass")
        audit(AuditConfig(environment=str(path), calls=1000), tmp_path / "run")
        path.write_text(ENV % "answer")
        with pytest.raises(RunError, match="has changed"):
            resume_audit(tmp_path / "run")

    def test_killed_for_good(self, whole: Path, tmp_path: Path) -> None:
        """Kill -9 while the pool or the search is graded; the resumed run ends as the one that was left alone."""
        code = (
            "import sys; from pathlib import Path; from edgewise.loopholes.audit.job import audit;"
            "from edgewise.loopholes.audit.result import AuditConfig;"
            "audit(AuditConfig(environment=sys.argv[1], calls=4000), Path(sys.argv[2]), seed=5)"
        )
        folder = tmp_path / "killed"
        spec = Run.open(whole).manifest.config["environment"]
        process = subprocess.Popen([sys.executable, "-c", code, spec, str(folder)])
        for _ in range(2000):
            time.sleep(0.005)
            log = folder / "events.jsonl"
            if log.is_file() and any(event.kind == "stage" for event in read_events(log)):
                break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert Run.open(folder).status() == "running"
        resume_audit(folder)
        assert plain(folder) == plain(whole)

    def test_limits_end_it_with_what_there_is(self, environment: str, tmp_path: Path) -> None:
        done = audit(AuditConfig(environment=environment, calls=200), tmp_path / "small")
        assert done.summary["calls"] <= 200
        assert done.status == "incomplete"
        assert done.summary["exploitability"]["value"] is None
        build_section(Run.open(done.run))


def test_without_a_trusted_grader_it_says_so() -> None:
    from edgewise.loopholes.audit.bundle import subject_of

    def reward(prompts: list[str], completions: list[str]) -> list[float]:
        return [1.0 if text in ("", "yes") else 0.3 + 0.01 * len(text.split()) for text in completions]

    bundle = {
        "prompts": [f"question {i}" for i in range(30)],
        "reward": reward,
        "examples": [f"an answer {i}" for i in range(30)],
    }
    found = audit_subject(subject_of(bundle, "untrusted"), AuditConfig(environment="untrusted"))
    assert found["exploitability"]["value"] is None
    assert any("no trusted grader" in note for note in found["notes"])
    kinds = {one["kind"] for one in found["loopholes"]}
    assert {"empty-answer", "hard-coded-answer", "length"} & kinds
    assert found["best_of_n"] is None


@pytest.mark.parametrize("base", ["uniform", "ngram", "file"])
def test_other_base_policies(base: str, tmp_path: Path) -> None:
    if base == "file":
        (tmp_path / "texts.txt").write_text("a b c\nb c d refuse\nc d e\n")
        base = str(tmp_path / "texts.txt")
    found = audited("game:planted?planted=bonus&strength=1.5", base=base, calls=5000)
    assert found["loopholes"]
    assert found["base"] in ("uniform", "n-gram")
