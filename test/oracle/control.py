"""
What the arithmetic of gates with a control must come to, computed apart from it with SciPy: test/unit/control-oracle.test.ts holds the product to these figures.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install scipy && /tmp/oracle/bin/python test/oracle/control.py && rm -r /tmp/oracle

writes control.json beside this file; the versions it was made with stand in it. Roots are SciPy's, tails those of its distributions, and the e-process is a sum over
every block at which the trouble may have begun, in logarithms.
"""

import json
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import brentq
from scipy.special import logsumexp, rel_entr
from scipy.stats import gamma

ALTERNATIVES = 8

random = np.random.default_rng(20261128)


def grid(limit):
    first = 2 * limit if 2 * limit <= (1 + limit) / 2 else (1 + limit) / 2
    return np.geomspace(first, 1.0, ALTERNATIVES)


def divergence(a, b):
    return rel_entr(a, b) + rel_entr(1 - a, 1 - b)


def slope(a, b):
    return ((1 - a) / (1 - b) if b < 1 else np.inf if a < 1 else 0.0) - (a / b if a > 0 else 0.0)


def nearest(own, control, limit, slack, low, high):
    """The c for which slack * c + limit and c are nearest to both shares."""
    total = lambda c: slack * slope(own, slack * c + limit) + slope(control, c)
    if low >= high:
        return low
    margin = (high - low) * 1e-13
    return brentq(total, low + margin, high - margin, xtol=1e-17, rtol=4 * np.finfo(float).eps, maxiter=500)


def log_factors(limit, slack, ambient, pairs, own, control):
    tolerated = slack * ambient + limit
    if tolerated >= 1:
        return np.zeros(ALTERNATIVES)
    found = []
    for alternative in grid(limit):
        bet = tolerated + min(0.95, (alternative - limit) / (1 - limit)) * (1 - tolerated)
        c = nearest(bet, ambient, limit, slack, ambient, (bet - limit) / slack)
        p = slack * c + limit
        # the same as a difference of divergences, from what was seen to what is allowed and to the bet
        found.append(pairs * (divergence(own, p) - divergence(own, bet) + divergence(control, c) - divergence(control, ambient)))
    return np.array(found)


def e_values(limit, burst, planned, blocks):
    """E after each block; `blocks` are (bad, total, control's bad, control's total, slack)."""
    recent = np.zeros(2)
    rows = []
    for bad, total, control_bad, control_total, slack in blocks:
        ambient = (1 + recent[0] / burst) / (1 / limit + recent[1] / burst)
        rows.append(log_factors(limit, slack, ambient, min(total, control_total) / burst, bad / total, control_bad / control_total))
        recent = recent / 2 + (control_bad, control_total)
    rows = np.array(rows).T
    found = []
    for now in range(len(blocks)):
        worth = [logsumexp(-np.log(planned) + np.cumsum(row[: now + 1][::-1])) for row in rows]
        found.append(float(np.exp(logsumexp(worth) - np.log(ALTERNATIVES)) + max(0, 1 - (now + 1) / planned)))
    return found


def distance(limit, pairs, own, control):
    if own >= control + limit:
        return 0.0
    c = nearest(own, control, limit, 1, max(0.0, own - limit), min(control, 1 - limit))
    return pairs * (divergence(own, c + limit) + divergence(control, c))


def bound(pairs, bad, control_bad, alpha, burst):
    excess = lambda limit: distance(limit, pairs / burst, bad / pairs, control_bad / pairs) - gamma.isf(alpha, 2)
    return brentq(excess, max(1e-7, (bad - control_bad) / pairs + 1e-7), 1 - 1e-9, xtol=1e-16, rtol=4 * np.finfo(float).eps, maxiter=500)


def blocks_of(count, own, control, noise):
    found = []
    for _ in range(count):
        share = random.choice(noise)
        n, m = random.poisson(own[0]), random.poisson(control)
        found.append((int(random.binomial(n, min(1, share + own[1]))), int(n), int(random.binomial(m, share)), int(m), float(random.choice([1.0, 1.25, 4 / 3]))))
    return found


def e_case(name, limit, burst, planned, blocks):
    return {"name": name, "limit": limit, "burst": burst, "plannedBlocks": planned, "blocks": blocks, "eValues": e_values(limit, burst, planned, blocks)}


made = {
    "madeWith": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "eProcess": [
        e_case("no trouble", 0.01, 1, 20, blocks_of(20, (200, 0.0), 200, [0.001])),
        e_case("at the limit", 0.01, 1, 20, blocks_of(20, (200, 0.01), 200, [0.001])),
        e_case("noise that comes and goes", 0.02, 1, 20, blocks_of(20, (150, 0.0), 150, [0.0, 0.0, 0.3])),
        e_case("a fifth beyond the noise", 0.02, 4, 12, blocks_of(12, (80, 0.2), 160, [0.0, 0.05])),
        e_case("a small control", 0.05, 1, 15, blocks_of(15, (400, 0.08), 40, [0.02])),
        e_case("a small limit", 0.001, 1, 10, blocks_of(10, (500, 0.004), 500, [0.0005])),
        e_case("noise that leaves no room", 0.3, 1, 8, blocks_of(8, (100, 0.1), 100, [0.9])),
    ],
    "pass": [
        {"pairs": pairs, "bad": bad, "controlBad": control_bad, "alpha": alpha, "burst": burst, "bound": bound(pairs, bad, control_bad, alpha, burst)}
        for pairs, bad, control_bad, alpha, burst in [
            (473, 0, 0, 0.05, 1), (1_800, 0, 0, 0.05, 1), (1_000, 5, 3, 0.05, 1), (1_000, 3, 5, 0.05, 1), (1_000, 300, 300, 0.05, 1), (5_000, 40.5, 38.25, 0.05, 7), (120, 60, 2, 0.05, 1),
            (120, 20, 26, 0.05, 1), (40, 40, 38, 0.05, 1), (1e6, 1_000, 900, 0.01, 1), (250, 249, 1, 0.1, 1), (30, 0, 0, 0.05, 12),
        ]
    ],
}
Path(__file__).with_name("control.json").write_text(json.dumps(made, separators=(",", ":")).replace('},{"', '},\n{"').replace('],"', '],\n"') + "\n")
