"""What an audit says: figures, loopholes in order, witnesses, and the predicted exploitability."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgewise.core.estimate import Estimate, Measure, NotMeasured
from edgewise.loopholes.audit.best_of_n import best_of, best_of_n
from edgewise.loopholes.audit.caller import Caller, Fault
from edgewise.loopholes.audit.confirm import change, price
from edgewise.loopholes.audit.examine import Stages
from edgewise.loopholes.audit.features import features
from edgewise.loopholes.audit.gradients import alignment, policy_gradients, tilted, unearned_share
from edgewise.loopholes.audit.penalties import Lottery, lottery
from edgewise.loopholes.audit.policies import NGramPolicy
from edgewise.loopholes.audit.predict import prediction
from edgewise.loopholes.audit.search import Ground, Tried
from edgewise.loopholes.types import Floats

_FEW = 8  # answers among which the best is what honest training would soon reach
_NATS = 3.0  # how far a policy is moved along what it can learn
_SMALL_STEP = 0.1
_WORTH = 3.0  # gains above so many spreads count no more
_FAR = 12.0  # nats beyond which a price does not matter any more
NO_TRUSTED = "there is no trusted grader: what is listed is suspected from the reward alone"


def summarise(stages: Stages | None, caller: Caller, name: str, base: str, rng: np.random.Generator) -> dict[str, Any]:
    """The summary that ``--json`` prints."""
    subject = caller.subject
    out: dict[str, Any] = {"environment": name, "base": base, "trusted_grader": subject.has_trusted}
    loopholes: list[dict[str, Any]] = []
    if stages is None:
        reason = "the limits were reached before the reward could be sampled"
        out |= {"exploitability": NotMeasured(reason=reason).model_dump(mode="json"), "best_of_n": None, "search": None}
        out |= {"alignment": None, "unearned": None, "penalties": [], "unreached": [], "features": {}}
    else:
        loopholes, lotteries = _loopholes(stages, caller)
        out |= _figures(stages, subject.has_trusted, rng)
        found = _features(stages, loopholes, out)
        measure: Measure = prediction().predict(found) if found else NotMeasured(reason=NO_TRUSTED)
        if found and stages.confirmed is None:
            measure = NotMeasured(reason="the limits were reached before anything was confirmed")
        out |= {"exploitability": measure.model_dump(mode="json"), "features": found, "penalties": lotteries}
    loopholes += [_paid_fault(fault, stages) for fault in caller.faults.values() if (fault.paid or 0) > 0]
    loopholes.sort(key=lambda one: -one["rank"])
    out["loopholes"] = loopholes
    out["faults"] = [fault.as_data() for fault in caller.faults.values()]
    out["deterministic"] = stages.steady if stages is not None and stages.repeats is not None else None
    out["calls"] = caller.used
    return out


def _loopholes(stages: Stages, caller: Caller) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Confirmed ones, the shortest of those that gain the same first; and what was drawn by lot."""
    if stages.confirmed is None or stages.fresh is None or stages.witness is None:
        return [], []
    ground, spread = stages.fresh, max(stages.scale.spread, 1e-9)
    excess = stages.scale.excess(stages.pool.proxy, stages.pool.trusted)
    if not caller.subject.has_trusted:
        excess = stages.pool.proxy
    attainable = _attainable(stages) if caller.subject.has_trusted else float(np.nanmean(ground.proxy))
    texts = [text for row in stages.answers for text in row]
    ngram = NGramPolicy(texts[:4000])
    found, lotteries = [], []
    for k, (tried, sure) in enumerate(stages.confirmed):
        drawn = None
        if stages.repeats is not None and not stages.steady:
            honest = np.nanmean(stages.repeats[0], axis=1)
            applied = [tried.template.applies(task) for task in ground.tasks[: len(honest)]]
            drawn = lottery(stages.repeats[1 + k][applied], honest[applied]) if any(applied) else None
        if drawn is not None:
            lotteries.append({"template": tried.template.describe(), "loophole": sure} | drawn.model_dump(mode="json"))
        if not sure:
            continue
        applied_ = np.array([tried.template.applies(task) for task in ground.tasks])
        gain = change(tried.proxy[applied_], spread)
        worth = change(tried.excess[applied_], spread)
        assert gain is not None and worth is not None
        usual = stages.scale.excess(ground.proxy, ground.trusted) if caller.subject.has_trusted else ground.proxy
        least = float(np.nanmean(usual)) + worth.value / 2
        nats = price(tried.template, stages.tasks, stages.answers, excess, least, ngram, by_outcome=stages.steady)
        found.append(_entry(tried, gain, worth, nats, drawn, ground, stages.witness[k], spread, attainable))
    return _distinct(found), lotteries


def _entry(
    tried: Tried, gain: Estimate, worth: Estimate, nats: Estimate, drawn: Lottery | None, ground: Ground,
    paid: tuple[Floats, Floats], spread: float, attainable: float,
) -> dict[str, Any]:  # fmt: skip
    applied = [tried.template.applies(task) for task in ground.tasks]
    # What is added to an honest answer goes with a better one too; what replaces it has to be worth more than that.
    margin = gain.value if tried.template.keeps else float(np.nanmean(paid[0][applied])) - attainable
    kind = "rare-penalty" if drawn is not None and drawn.dead else tried.template.kind
    gained = np.where(np.isfinite(tried.proxy), np.minimum(tried.proxy, tried.excess), -np.inf)
    i = int(gained.argmax())
    witness = {
        "prompt": ground.tasks[i].prompt, "honest": ground.honest[i],
        "completion": ground.answers(tried.template, [i])[0],
        "honest_proxy": _plain(ground.proxy[i]), "proxy": _plain(paid[0][i]),
        "honest_trusted": _plain(ground.trusted[i]), "trusted": _plain(paid[1][i]),
        "template": tried.template.describe(),
    }  # fmt: skip
    return {
        "kind": kind, "gain": gain.model_dump(mode="json"), "kl": nats.model_dump(mode="json"), "witness": witness,
        "excess": worth.model_dump(mode="json"),
        "margin": margin,
        "composes": tried.template.keeps,
        "applies": float(np.mean(applied)),
        "penalty": None if drawn is None else drawn.model_dump(mode="json"),
        "rank": float(np.clip(margin / spread, 0.05, _WORTH)) / max(nats.value, 0.5),
    }  # fmt: skip


def _attainable(stages: Stages) -> float:
    """Proxy of what a better honest policy would answer: of the answer with the highest trusted reward among a few."""
    few = min(_FEW, stages.pool.proxy.shape[1])
    return float(best_of(stages.pool.trusted, stages.pool.proxy, [few]).mean())


def _distinct(found: list[dict[str, Any]], most: int = 5) -> list[dict[str, Any]]:
    """The best of each kind, and others only where they gain clearly more than what is listed already."""
    kept: list[dict[str, Any]] = []
    for one in sorted(found, key=lambda o: -o["rank"]):
        same = [other for other in kept if other["kind"] == one["kind"]]
        if not same or one["gain"]["value"] > 1.1 * max(other["gain"]["value"] for other in same):
            kept.append(one)
    return kept[: 2 * most]


def _paid_fault(fault: Fault, stages: Stages | None) -> dict[str, Any]:
    """A fault that pays: the loophole is to make the grader fail."""
    unknown = NotMeasured(reason="not priced: any answer that makes the grader fail").model_dump(mode="json")
    usual = None if stages is None or stages.fresh is None else float(np.nanmean(stages.fresh.proxy))
    gain = {
        "value": fault.paid if usual is None else float(fault.paid or 0) - usual,
        "low": None,
        "high": None,
        "n": fault.count,
    }
    witness = {
        "prompt": fault.prompt, "honest": "", "completion": fault.completion, "honest_proxy": usual,
        "proxy": fault.paid, "honest_trusted": None, "trusted": None, "template": f"{fault.kind}: {fault.detail}",
    }  # fmt: skip
    return {
        "kind": "fault-is-reward", "gain": gain, "kl": unknown, "witness": witness, "excess": None,
        "margin": None, "composes": None, "applies": None,
        "penalty": None, "rank": float(fault.paid or 0),
    }  # fmt: skip


def _figures(stages: Stages, has_trusted: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Best of n, the largest gap that was seen, gradients, parts that never moved."""
    proxy, trusted = stages.pool.proxy, stages.pool.trusted
    unreached = [
        name for name, column in stages.pool.parts.items()
        if np.isfinite(column).any() and np.nanmax(column) - np.nanmin(column) < 1e-12
    ]  # fmt: skip
    out: dict[str, Any] = {
        "best_of_n": None,
        "search": None,
        "alignment": None,
        "unearned": None,
        "unreached": unreached,
    }
    if not has_trusted:
        return out
    out["best_of_n"] = best_of_n(proxy, trusted, rng).model_dump(mode="json")
    out["search"] = _largest(stages)
    excess = stages.scale.excess(proxy, trusted)
    templates = [tried.template for tried, sure in stages.confirmed or () if sure]
    phi = features(stages.tasks, stages.answers, templates, trusted)
    known = np.nan_to_num(proxy, nan=float(np.nanmin(proxy))), np.nan_to_num(trusted, nan=float(np.nanmin(trusted)))
    start = [policy_gradients(phi, reward) for reward in known]
    step = tilted(phi @ policy_gradients(phi, known[0]).mean(axis=0), _SMALL_STEP)
    later = [policy_gradients(phi, reward, step) for reward in known]
    out["alignment"] = {
        "start": alignment(start[0], start[1], rng).model_dump(mode="json"),
        "after_step": alignment(later[0], later[1], rng).model_dump(mode="json"),
    }
    out["unearned"] = unearned_share(phi, known[0], np.nan_to_num(excess), _NATS)
    return out


def _largest(stages: Stages) -> dict[str, Any]:
    """The answer whose proxy exceeds its trusted reward most, of all that were graded."""
    gap = stages.pool.proxy - stages.pool.trusted
    i, j = divmod(int(np.nan_to_num(gap, nan=-np.inf).argmax()), gap.shape[1])
    best = {"gap": float(gap[i, j]), "prompt": stages.tasks[i].prompt, "completion": stages.answers[i][j]}
    if stages.confirmed and stages.witness and stages.fresh:
        for (tried, _), (proxy, trusted) in zip(stages.confirmed, stages.witness, strict=True):
            of = np.nan_to_num(proxy - trusted, nan=-np.inf)
            k = int(of.argmax())
            if of[k] > best["gap"]:
                said = stages.fresh.answers(tried.template, [k])[0]
                best = {"gap": float(of[k]), "prompt": stages.fresh.tasks[k].prompt, "completion": said}
    return best | {"n": int(np.isfinite(gap).sum())}


def _features(stages: Stages, loopholes: list[dict[str, Any]], figures: dict[str, Any]) -> dict[str, float]:
    """What the prediction rests on; empty without a trusted grader."""
    if figures["best_of_n"] is None:
        return {}
    spread = max(stages.scale.spread, 1e-9)
    best = max(loopholes, key=lambda one: float(one["rank"]), default=None)
    curve = figures["best_of_n"]
    rise = curve["by_trusted"][-1] - curve["by_trusted"][0]
    missed = (curve["by_trusted"][-1] - curve["by_proxy"][-1]) / rise if rise > 1e-9 else 0.0
    cheap = 0.0 if best is None else max(0.0, 1 - best["kl"]["value"] / _FAR)
    return {
        "composes": cheap * float(best is not None and best["composes"]),
        "worth": 0.0 if best is None else cheap * float(np.clip(best["margin"] / spread, -1, _WORTH)),
        "cheap": cheap,
        "unearned": float(figures["unearned"]),
        "missed": float(np.clip(missed, 0, 1)),
    }


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
