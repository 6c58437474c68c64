"""numpyro's side of ``bench_facets.py speed``; runs in an environment of its own, without edgewise."""

from __future__ import annotations

import json
import sys
import time

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import numpy as jnp
from numpyro.infer import SVI, Trace_ELBO
from numpyro.infer.autoguide import AutoNormal


def main() -> None:
    job = json.loads(sys.argv[1])
    rng = np.random.default_rng(job["seed"])
    models, items, judges = job["models"], job["items"], job["judges"]
    # The same draws in the same order as edgewise.character.facets.simulate.
    ability, difficulty = 0.8 * rng.normal(size=models), rng.normal(size=items)
    severity = 0.5 * rng.normal(size=judges)
    severity -= severity.mean()
    seats = np.array([rng.choice(judges, judges, replace=False) for _ in range(items)])
    model = np.repeat(np.arange(models), items * judges)
    item = np.tile(np.repeat(np.arange(items), judges), models)
    judge = np.tile(seats.ravel(), models)
    eta = ability[model] - difficulty[item] - severity[judge]
    p = np.exp(np.stack([np.zeros_like(eta), eta], axis=1) - np.maximum(eta, 0)[:, None])
    p /= p.sum(1, keepdims=True)
    score = (p.cumsum(1) < rng.random(len(model))[:, None]).sum(1)
    data = [jnp.asarray(x) for x in (model, item, judge, score)]

    def rasch(m: jax.Array, i: jax.Array, j: jax.Array, x: jax.Array) -> None:
        spread = numpyro.sample("spread", dist.HalfNormal(2.0))
        a = numpyro.sample("ability", dist.Normal(0, 3).expand([models]))
        d = numpyro.sample("difficulty", dist.Normal(0, 1).expand([items]))
        s = numpyro.sample("severity", dist.Normal(0, 3).expand([judges]))
        numpyro.sample("score", dist.Bernoulli(logits=a[m] - spread * d[i] - s[j]), obs=x)

    guide = AutoNormal(rasch)
    svi = SVI(rasch, guide, numpyro.optim.Adam(0.02), Trace_ELBO())
    state = svi.init(jax.random.PRNGKey(job["seed"]), *data)

    def step(state: object, _: None) -> tuple[object, jax.Array]:
        return svi.update(state, *data)

    run = jax.jit(lambda s: jax.lax.scan(step, s, None, length=1000))
    compiled = run.lower(state).compile()
    start = time.perf_counter()
    state, _ = jax.block_until_ready(compiled(state))
    seconds = time.perf_counter() - start
    found = guide.median(svi.get_params(state))
    a, s = np.asarray(found["ability"]), np.asarray(found["severity"])
    off = np.concatenate([a - a.mean() - (ability - ability.mean()), s - s.mean() - severity])
    print(json.dumps({"seconds": seconds, "error": float(np.sqrt((off**2).mean()))}))


if __name__ == "__main__":
    main()
