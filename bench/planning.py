"""What `capacity --plan-for` says of 1, 2 and 4 workers, held to runs of them: planned from one worker's times alone.

    python bench/planning.py

One JSON document; exit 1 where the interval of a plan's p95 and that of the runs' lie apart and their means differ by
more than 20 %, or goodput by more than 5 %. Where the runs' own interval is wider than a factor of two they say too
little of p95, and `near` is null.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from machine import described

from harness.run.holdout import LENGTH_S, HeldOut, held_out
from harness.run.planning import MIX
from harness.stats import Interval
from harness.twin.profiles import KATO_1W

WORKERS = (1, 2, 4)
BUSY = (0.3, 0.5, 0.7)
MOST_OFF, MOST_GOODPUT_OFF = 0.20, 0.05
RUNS = 20


def main() -> int:
    """Plan and run each; 0 when all are near."""
    rows = []
    for busy in BUSY:
        for found in held_out(KATO_1W.name, MIX, 0.95, WORKERS, busy, RUNS):
            rows.append(_row(busy, found))
            sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(
        json.dumps({"machine": described(), "runs": RUNS, "length_of_a_run_s": LENGTH_S, "rows": rows}, indent=1) + "\n"
    )
    return 1 if any(row["near"] is False for row in rows) else 0


def _row(busy: float, found: HeldOut) -> dict[str, Any]:
    off, goodput_off = found.errors
    planned = found.planned
    far = abs(goodput_off) > MOST_GOODPUT_OFF
    apart = planned.interval.low > found.interval.high or planned.interval.high < found.interval.low
    return {
        "workers": found.workers, "busy": busy, "rate": found.rate,
        "p95_ms": _ms(found.quantile_s, found.interval), "planned_p95_ms": _ms(planned.quantile_s, planned.interval),
        "p95_error": round(off, 4), "goodput": round(found.goodput, 2), "goodput_error": round(goodput_off, 4),
        "near": not (far or (apart and abs(off) > MOST_OFF)) if found.told or far else None,
    }  # fmt: skip


def _ms(middle_s: float, interval: Interval) -> list[float]:
    return [round(each * 1e3, 1) for each in (middle_s, interval.low, interval.high)]


if __name__ == "__main__":
    sys.exit(main())
