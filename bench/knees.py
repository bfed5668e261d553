"""The capacity search against servers whose knee theory knows: 200 seeds a server, at most 12 probes a search.

    PYTHONPATH=tests python bench/knees.py [SEEDS]

One JSON document; exit 1 where fewer than 95 % of a server's searches came within ±5 %, or one took more probes.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from known_servers import FAST, OTHER, SLOW, errors_of, knee_of
from machine import described

from harness.capacity.search import MOST_PROBES

NEAR = 0.05
ENOUGH = 0.95


def main(seeds: int) -> int:
    """Search each server so many times; 0 when all bars hold."""
    rows = []
    for name, (server, objective) in {**FAST, **SLOW, **OTHER}.items():
        errors, most = errors_of(server, objective, range(seeds))
        near = float(np.mean(np.abs(errors) <= NEAR))
        rows.append({
            "server": name, "knee": round(knee_of(server, objective), 3), "searches": seeds, "within_5_percent": near,
            "worst_error": round(float(np.abs(errors).max()), 4), "most_probes": most,
        })  # fmt: skip
        sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(json.dumps({"machine": described(), "servers": rows}, indent=1) + "\n")
    return 0 if all(row["within_5_percent"] >= ENOUGH and row["most_probes"] <= MOST_PROBES for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
