"""
What the arithmetic of gates must come to, computed apart from it with SciPy: test/unit/gate-oracle.test.ts holds the product to these figures.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install scipy && /tmp/oracle/bin/python test/oracle/gates.py && rm -r /tmp/oracle

writes gates.json beside this file; the versions it was made with stand in it. The e-process is computed from its definition, as a sum over every
moment at which the trouble may have begun, in logarithms, where the product multiplies as it goes and remembers nothing.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import brentq
from scipy.special import betaincinv, logsumexp
from scipy.stats import beta, binom

ALTERNATIVES = 8
random = np.random.default_rng(20261127)


def grid(p0):
    first = 2 * p0 if 2 * p0 <= (1 + p0) / 2 else (1 + p0) / 2
    return np.geomspace(first, 1.0, ALTERNATIVES)


def e_values(p0, planned, blocks):
    """E after each block; `blocks` are (bad, total), an empty one has total 0."""
    share = np.array([bad / total if total else p0 for bad, total in blocks])
    k = np.arange(1, len(blocks) + 1)
    stake = 1 / (k * (k + 1.0)) if planned is None else np.where(k <= planned, 1 / planned, 0.0)
    with np.errstate(divide="ignore"):
        log_stake = np.log(stake)
        log_factor = np.log(np.clip(1 + np.outer((grid(p0) - p0) / (p0 * (1 - p0)), share - p0), 0, None))
    found = []
    for now in range(len(blocks)):
        # worth of the bet that was made before block j: its stake times all factors from j to now
        worth = [logsumexp(log_stake[: now + 1] + np.cumsum(row[: now + 1][::-1])[::-1]) for row in log_factor]
        kept = 1 - stake[: now + 1].sum() if planned is None else max(0, 1 - (now + 1) / planned)
        found.append(float(np.exp(logsumexp(worth) - np.log(ALTERNATIVES)) + kept))
    return found


def blocks_of(rate, share, count, empty=0.0):
    totals = random.poisson(rate, count) * (random.random(count) >= empty)
    return [(int(random.binomial(total, share)), int(total)) for total in totals]


def e_case(name, p0, planned, blocks):
    return {"name": name, "p0": p0, "plannedBlocks": planned, "blocks": blocks, "eValues": e_values(p0, planned, blocks)}


def fewest_requests(bad, budget, alpha, per_burst):
    """By the quantile of the beta distribution itself, one request at a time around a root of it."""
    excess = lambda total: beta.ppf(1 - alpha, bad / per_burst + 1, (total - bad) / per_burst) - budget
    upper = bad + 2.0
    while excess(upper) > 0:
        upper *= 2
    total = max(bad + 1, int(np.floor(brentq(excess, bad + 1e-6, upper))) - 2)
    while excess(total) >= 0:
        total += 1
    return total


outage = [(0, 20)] * 30 + [(20, 20)] * 10
made = {
    "madeWith": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "eProcess": [
        e_case("at the limit", 0.01, 120, blocks_of(20, 0.01, 120)),
        e_case("healthy, 0.2 s blocks", 0.01, 300, blocks_of(4, 0.002, 300)),
        e_case("an outage after thirty good blocks", 0.01, 60, outage),
        e_case("twice the limit", 0.01, 200, blocks_of(50, 0.02, 200)),
        e_case("a small budget", 0.001, 120, blocks_of(200, 0.004, 120)),
        e_case("p95 with a fifth slow", 0.05, 60, blocks_of(20, 0.2, 60)),
        e_case("many empty blocks", 0.02, 150, blocks_of(2, 0.03, 150, empty=0.5)),
        e_case("nothing but empty blocks", 0.02, 10, [(0, 0)] * 15),
        e_case("longer than planned", 0.01, 40, blocks_of(20, 0.015, 100)),
        e_case("one block planned", 0.1, 1, [(3, 10), (1, 10), (0, 10)]),
        e_case("open-ended", 0.01, None, blocks_of(20, 0.02, 150)),
        e_case("open-ended outage", 0.05, None, [(0, 10)] * 20 + [(10, 10)] * 12),
        e_case("a limit whose double is above 1", 0.6, 50, blocks_of(20, 0.8, 50)),
        e_case("a limit of a third", 1 / 3, 50, blocks_of(20, 0.4, 50)),
        e_case("a limit near 1", 0.95, 50, blocks_of(20, 0.99, 50)),
    ],
    "upperBound": [
        {"bad": bad, "total": total, "alpha": alpha, "requestsPerBurst": d, "bound": float(betaincinv(bad / d + 1, (total - bad) / d, 1 - alpha))}
        for bad, total, alpha, d in [
            (0, 1, 0.05, 1), (0, 299, 0.05, 1), (0, 2995, 0.05, 1), (1, 2, 0.05, 1), (3, 773, 0.05, 1), (17, 2546, 0.05, 1), (10, 398, 0.01, 1), (169, 19189, 0.05, 1),
            (960, 120_000, 0.05, 1), (6_000, 120_000, 0.05, 1), (50_000, 1_000_000, 0.05, 1), (99, 100, 0.05, 1), (7, 5_000, 0.05, 20), (100, 5_000, 0.05, 20), (0, 30, 0.05, 40),
            (13, 4_000, 0.1, 2.5), (3, 1_000_000, 0.001, 1), (1_000, 1_010, 0.2, 3),
        ]
    ],
    "requestsForPass": [
        {"bad": bad, "budget": budget, "alpha": alpha, "requestsPerBurst": d, "requests": fewest_requests(bad, budget, alpha, d)}
        for bad, budget, alpha, d in [
            (0, 0.01, 0.05, 1), (0, 0.001, 0.05, 1), (0, 0.05, 0.05, 1), (1, 0.01, 0.05, 1), (10, 0.01, 0.05, 1), (100, 0.01, 0.05, 1), (1_000, 0.05, 0.01, 1), (0, 0.01, 0.05, 20),
            (7, 0.01, 0.05, 20), (200, 0.01, 0.05, 40), (5, 0.001, 0.1, 2.5), (0, 0.5, 0.05, 1), (30, 0.9, 0.05, 1),
        ]
    ],
    "sampleSize": [],
}
for budget, alpha, true_rate, power in [(0.01, 0.05, 0.002, 0.9), (0.01, 0.05, 0.005, 0.9), (0.05, 0.01, 0.02, 0.8), (0.001, 0.05, 0.0002, 0.9), (0.05, 0.05, 0.01, 0.95)]:
    trials = np.arange(1, 20_000)
    allowed = binom.ppf(alpha, trials, budget).astype(int)  # the least s with P(X <= s) >= alpha: one fewer still passes
    enough = (allowed > 0) & (binom.cdf(allowed - 1, trials, true_rate) >= power)
    first = int(np.argmax(enough))
    made["sampleSize"].append({"budget": budget, "alpha": alpha, "trueRate": true_rate, "power": power, "requests": int(trials[first]), "allowedBad": int(allowed[first] - 1)})

Path(__file__).with_name("gates.json").write_text(json.dumps(made, separators=(",", ":")).replace('},{"', '},\n{"').replace('],"', '],\n"') + "\n")
