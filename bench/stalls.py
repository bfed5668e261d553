"""Percentiles on real sockets under scripted stalls, against the server's own clock.

    PYTHONPATH=tests python bench/stalls.py [--profiles 6] [--out bench/results/stalls.json]

Each profile pauses KATO's process one to four times, for 0.3 to 1.5 s: the canary proves each one effective, as it
can't a shorter (tests/test_simulate_percentiles.py has those too, in virtual time).
Bars: p50 to p99.9 and the maximum that the run says, within 2 % + 5 ms of when the witness sent each answer less when
the plan meant its call to start. A profile whose run is invalid (a starved generator) is taken again, twice at most,
and is left out aloud then; exit 1 where one is off, or more than half are left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import described
from test_simulate_percentiles import QUANTILES, SCENARIO, truth_ns

from harness.errors import EXIT_INVALID
from harness.evidence import read_run
from harness.evidence.history import History
from harness.rng import Stream
from harness.slo import parse
from harness.slo.measure import measure
from harness.slo.rows import rows_of, spans_of
from harness.stats import quantile

HARNESS = [sys.executable, "-c", "from harness.cli import main; main()"]
SHARE, MORE_MS = 0.02, 5.0
TRIES = 3


def scripted(profile: int) -> str:
    """One to four pauses by the profile's number, half a second to two apart."""
    draw = Stream(profile, "stalls").unit
    at_ms, lines = 2000, []
    for number in range(1 + profile % 4):
        length_ms = round(300 + 1200 * draw(2 * number) ** 2)
        lines.append(f"  - {{name: s{number}, kind: pause, at: baseline.end + {at_ms}ms, for: {length_ms}ms}}")
        at_ms += length_ms + round(500 + 1500 * draw(2 * number + 1))
    return "\n".join(lines)


def run(folder: Path, profile: int) -> History | None:
    """One valid run of a profile, None where there was none."""
    arrivals, sessions = ("constant", "poisson")[profile % 2], (20, 400)[profile % 3 == 0]
    text = SCENARIO.format(stalls=scripted(profile), arrivals=arrivals, sessions=sessions)
    (folder / "s.yaml").write_text(text)
    for number in range(TRIES):
        out = f"run-{number}"
        command = [*HARNESS, "run", "s.yaml", "--integration", "fast", "--seed", str(profile), "--out", out]
        done = subprocess.run([*command, "--format", "json"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != EXIT_INVALID:
            return read_run(folder / out).history
    sys.stderr.write(f"SKIPPED profile {profile}: its run was invalid {TRIES} times, the machine is too busy\n")
    return None


def compared(history: History) -> dict[str, Any]:
    """For each quantile what the run says and what the server saw (ms), and the worst excess over the bar."""
    truth = truth_ns(history) / 1e6
    row: dict[str, Any] = {"calls": len(truth)}
    worst = float("-inf")
    for q in (*QUANTILES, 1.0):
        name = f"p{q * 100:g}" if q < 1 else "max"
        slo = parse(f"p({q * 100:g}) < 1s" if q < 1 else "max < 1s")
        rows, _ = rows_of(slo, history, spans_of(slo, history.phases))
        said = measure(slo, rows, 1.0, history).value * 1e3
        true = float(quantile(truth, q))
        row[name] = [round(said, 2), round(true, 2)]
        worst = max(worst, abs(said - true) - SHARE * true - MORE_MS)
    return row | {"over_bar_ms": round(worst, 2), "failed": worst > 0}


def main(profiles: int, out: Path | None) -> int:
    """Run each profile, compare, print and keep."""
    found = {}
    for profile in range(1, profiles + 1):
        with tempfile.TemporaryDirectory() as folder:
            history = run(Path(folder), profile)
            if history is not None:
                found[f"profile {profile}"] = compared(history)
                sys.stderr.write(f"profile {profile}: {json.dumps(found[f'profile {profile}'])}\n")
    text = json.dumps({"machine": described(), "profiles": profiles, "said_and_true_ms": found}, indent=1) + "\n"
    sys.stdout.write(text)
    if out is not None:
        out.write_text(text)
    return 1 if any(row["failed"] for row in found.values()) or len(found) * 2 < profiles else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=6)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sys.exit(main(given.profiles, given.out))
