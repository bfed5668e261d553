"""The capacity search against servers whose knee is known: 200 seeds of those it was made on, half of that of others.

    PYTHONPATH=tests python bench/knees.py [SEEDS]

One JSON document; exit 1 where fewer than 95 % of a server's searches came within ±5 %, or one took more probes.
Servers that stay in one of two states for longer than a probe lasts are measured too, but not held to theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from known_servers import FAST, OTHER, SLOW, errors_of, knee_of
from machine import described
from unusual_servers import TWO_STATES, UNUSUAL

from harness.capacity.search import MOST_PROBES
from harness.capacity.simulated import Objective, Server

NEAR = 0.05
ENOUGH = 0.95


def main(seeds: int) -> int:
    """Search each server so many times; 0 when all bars hold."""
    rows = []
    for row in measured(seeds):
        rows.append(row)
        sys.stderr.write(f"{row}\n")
    sys.stdout.write(json.dumps({"machine": described(), "servers": rows}, indent=1) + "\n")
    held = [row for row in rows if row["kind"] != "two states"]
    return 0 if all(row["within_5_percent"] >= ENOUGH and row["most_probes"] <= MOST_PROBES for row in held) else 1


def measured(seeds: int) -> Iterator[dict[str, Any]]:
    """A row for each server: those that the search was made on, others, and those of two states."""
    for name, (server, objective) in {**FAST, **SLOW, **OTHER}.items():
        yield row_of("known", name, server, objective, knee_of(server, objective), seeds)
    for kind, servers in (("other", UNUSUAL), ("two states", TWO_STATES)):
        for name, each in servers.items():
            knee = each.knee(each.server, each.objective)
            yield row_of(kind, name, each.server, each.objective, knee, max(seeds // 2, 1))


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
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
