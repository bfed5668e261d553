"""The capacity search against servers whose knee is known: 200 seeds of those it was made on, half of that of others.

    PYTHONPATH=tests python bench/knees.py [SEEDS] [MINUTES]

One JSON document; exit 1 where fewer than 95 % of a server's searches came within ±5 %, or one took more probes.
After so many minutes no other server is begun; those left out are named.
Servers that stay in one of two states for longer than a probe lasts are measured too, but not held to theirs.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from known_servers import FAST, OTHER, SLOW, errors_of, knee_of
from machine import described
from unusual_servers import TWO_STATES, UNUSUAL

from harness.capacity.search import MOST_PROBES
from harness.capacity.simulated import Objective, Server

NEAR = 0.05
ENOUGH = 0.95


def main(seeds: int, minutes: float) -> int:
    """Search each server so many times; 0 when all bars hold."""
    until = time.monotonic() + minutes * 60
    rows, left = [], []
    for kind, name, server, objective, knee, searches in servers(seeds):
        if time.monotonic() > until:
            left.append(name)
            continue
        rows.append(row_of(kind, name, server, objective, knee(server, objective), searches))
        sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(json.dumps({"machine": described(), "not_begun": left, "servers": rows}, indent=1) + "\n")
    held = [row for row in rows if row["kind"] != "two states"]
    return 0 if all(row["within_5_percent"] >= ENOUGH and row["most_probes"] <= MOST_PROBES for row in held) else 1


def servers(seeds: int) -> Iterator[tuple[str, str, Server, Objective, Callable[[Any, Objective], float], int]]:
    """Kind, name, server, objective, its knee and how many searches: those that the search was made on, others, and
    those of two states."""
    for name, (server, objective) in {**FAST, **SLOW, **OTHER}.items():
        yield "known", name, server, objective, knee_of, seeds
    for kind, others in (("other", UNUSUAL), ("two states", TWO_STATES)):
        for name, each in others.items():
            yield kind, name, each.server, each.objective, each.knee, max(seeds // 2, 1)


def row_of(kind: str, name: str, server: Server, objective: Objective, knee: float, seeds: int) -> dict[str, Any]:
    """So many searches of one server."""
    errors, most, length = errors_of(server, objective, knee, range(seeds))
    return {
        "kind": kind, "server": name, "knee": round(knee, 3), "searches": seeds,
        "within_5_percent": float(np.mean(np.abs(errors) <= NEAR)), "median_error": round(float(np.median(errors)), 4),
        "worst_error": round(float(np.abs(errors).max()), 4), "most_probes": most,
        "usual_probes_long": round(length, 1),
    }  # fmt: skip


if __name__ == "__main__":
    numbers = [float(argument) for argument in sys.argv[1:]]
    sys.exit(main(int(numbers[0]) if numbers else 200, numbers[1] if len(numbers) > 1 else math.inf))
