"""The capacity search on the embedded KATO's profile `kato-1w` against the rate that the profile's service times imply.

    python bench/kato_capacity.py [--probe 60s]

One worker under Poisson arrivals and a fixed mix is an M/G/1 queue that stands still for 100 ms twice in 10 s. What
that implies is taken from the queue itself (D. V. Lindley, Proc. Cambridge Phil. Soc. 48, 1952), without a client, a
connection or KATO's code; what is found is `kato-harness capacity` in virtual time, with all of them. One JSON
document; exit 1 where one of the objectives has its rate found more than 10 % off.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from machine import described

from harness.capacity.search import MOST_PROBES, Capacity
from harness.run.limits import search_scenario
from harness.run.options import Options
from harness.slo import Slo, parse
from harness.stats import quantile
from harness.twin.profiles import KATO_1W
from harness.twin.service import MEASURED
from harness.units import duration_s

NEAR = 0.10
OBJECTIVES = ("p(95) < 50ms", "p(95) < 100ms", "p(50) < 20ms")
"""Bounds that load, standing still, and the middle of the queue decide."""
MIX: Mapping[str, int] = {"observe": 2, "predict": 1}
"""Without learn, so that no node has patterns and service times stay what they are."""
CALLS = 400_000
SCENARIO = {
    "format": "kato-harness/1",
    "question": "How much does one KATO worker carry?",
    "integration": "fast",
    "target": {"url": "embedded", "profile": KATO_1W.name},
    "load": {"rate": "20/s", "duration": "20s", "arrivals": "poisson", "mix": MIX, "sessions": {"concurrent": 50}},
    "phases": {"warmup": "5s", "cooldown": "0s"},
}


def main() -> int:
    """Search each objective; 0 when all rates are near those implied."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--probe", default="60s")
    length_s = duration_s(parser.parse_args().probe)
    rows = [compared(text, length_s) for text in OBJECTIVES]
    sys.stdout.write(json.dumps({"machine": described(), "probe_s": length_s, "searches": rows}, indent=1) + "\n")
    return 0 if all(abs(row["error"]) <= NEAR for row in rows) else 1


def compared(text: str, length_s: float) -> dict[str, Any]:
    """The rate implied and the one found for an objective."""
    truth, found = implied(parse(text)), searched(text, length_s)
    return {
        "objective": text,
        "implied": round(truth, 2),
        "found": round(found.rate, 2),
        "error": round(found.rate / truth - 1, 4),
        "interval": [round(found.interval.low, 2), round(found.interval.high, 2)],
        "probes": len(found.probes),
    }


def searched(text: str, length_s: float) -> Capacity:
    """What `kato-harness capacity --virtual` finds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one_worker.yaml"
        file.write_text(json.dumps(SCENARIO))
        options = Options(virtual=True, out=Path(folder) / "runs")
        found = search_scenario(file, options, slos=(text,), length_s=length_s, start=None, faults=False,
                                most=MOST_PROBES, say=lambda words: click.echo(words, err=True))  # fmt: skip
    return found[""]


def implied(slo: Slo) -> float:
    """The highest rate (calls/s) at which the queue meets the objective, by bisection to 0.1 %."""
    low, high = 1.0, 1 / mean_s()
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if quantile(responses_s(middle), slo.quantile) <= slo.value else (low, middle)
    return low


def mean_s() -> float:
    """The mean work of a call (s), without the stalls: a lognormal's mean is median · exp(σ²/2)."""
    medians, sigmas = _times()
    return float(np.average(medians * np.exp(sigmas**2 / 2), weights=list(MIX.values())))


def responses_s(rate: float) -> np.ndarray:
    """Response times of that many calls on one worker (s): a call begins when the one before it ended."""
    draws = np.random.default_rng(1)
    stalls = KATO_1W.stalls
    assert stalls is not None
    medians, sigmas = _times()
    kinds = draws.choice(len(MIX), CALLS, p=np.array(list(MIX.values())) / sum(MIX.values()))
    work_ns = medians[kinds] * np.exp(sigmas[kinds] * draws.standard_normal(CALLS)) * 1e9
    arrivals_ns = np.cumsum(draws.exponential(1e9 / rate, CALLS))
    ends, free = [], 0
    for arrival, work in zip(arrivals_ns.astype(int).tolist(), work_ns.astype(int).tolist(), strict=True):
        free = stalls.finish_ns(max(arrival, free), work)
        ends.append(free)
    return (np.array(ends) - arrivals_ns) / 1e9


def _times() -> tuple[np.ndarray, np.ndarray]:
    """Medians (s) and sigmas of the mix's calls on a node without patterns."""
    curves = [MEASURED[kind] for kind in MIX]
    return np.array([curve.median_s(0) for curve in curves]), np.array([curve.sigma for curve in curves])


if __name__ == "__main__":
    sys.exit(main())
