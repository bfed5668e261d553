"""Start-up: `kato-harness --help`, and from the command to the first request at KATO.

    python bench/start.py [ROUNDS]

Bars: 200 ms and 2 s. Prints one JSON object with every round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import described

from harness.evidence.spools import read_spool
from harness.spool import ARRIVALS

HARNESS = [sys.executable, "-c", "from harness.cli import main; main()"]
SCENARIO = """
format: kato-harness/1
load: {rate: 50/s, mix: {observe: 1}}
phases: {warmup: 0s, baseline: 1s, recovery: 0s, cooldown: 0s}
"""


def help_s() -> float:
    """How long `--help` takes (s)."""
    begun = time.monotonic()
    subprocess.run([*HARNESS, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def first_request_s(folder: Path, integration: str) -> float:
    """From the command to the first request that reached KATO (s)."""
    (folder / "s.yaml").write_text(SCENARIO)
    out = folder / f"run-{time.monotonic_ns()}"
    command = [*HARNESS, "run", "s.yaml", "--integration", integration, "--out", str(out), "--format", "terminal"]
    begun_ns = time.monotonic_ns()
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    arrivals = read_spool(out / "spool" / "witness.raw").records(ARRIVALS)
    return float(arrivals["arrive_ns"].min() - begun_ns) / 1e9


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "help_s": [help_s() for _ in range(rounds)],
            **{name: [first_request_s(Path(folder), name) for _ in range(rounds)] for name in ("fast", "fixed-httpx")},
        }
    rounded = {name: [round(value, 3) for value in values] for name, values in found.items()}
    medians = {name: round(statistics.median(values), 3) for name, values in found.items()}
    json.dump({"machine": described(), "medians": medians, "rounds": rounded}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
