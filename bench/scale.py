"""An hour at 1,000 calls/s: how long finalising, judging and the report take, in how much memory, and the page's size.

    python bench/scale.py [RATE] [SECONDS]

Bars: 20 s to judge, 20 s to draw, 1 GB, 2 MB. The run is synthetic (bench/hour.py) and begins as raw spools; each
step is a process of its own, as `run`, `check` and `report` are.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hour import drawn, write
from machine import described

from harness.evidence import read_run
from harness.laws.judge import judge_run
from harness.report import html


def measured(folder: Path, part: str) -> dict[str, float]:
    """What finalising, judging, or judging and then drawing, took in this process."""
    begun, cpu = time.monotonic(), time.process_time()
    run = read_run(folder)
    found = {}
    if part != "finalise":
        judgement = judge_run(run)
    found = {"s": time.monotonic() - begun, "cpu_s": time.process_time() - cpu}
    if part == "report":
        begun, cpu = time.monotonic(), time.process_time()
        page = html.render(run, judgement)
        found = {"s": time.monotonic() - begun, "cpu_s": time.process_time() - cpu, "html_mb": len(page) / 1e6}
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {name: round(value, 2) for name, value in found.items()}


def main(rate: float, seconds: int) -> None:
    """Write, then finalise, judge and draw in processes of their own; print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__]
        subprocess.run([*again, "write", folder, str(rate), str(seconds)], check=True)
        found = {
            part: json.loads(subprocess.run([*again, part, folder], stdout=-1, check=True).stdout)
            for part in ("finalise", "check", "report")
        }
    json.dump({"machine": described(), "calls": int(rate * seconds), **found}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, rate, seconds]:
            write(Path(folder), drawn(float(rate), int(seconds)))
        case [("finalise" | "check" | "report") as part, folder]:
            json.dump(measured(Path(folder), part), sys.stdout)
        case rest:
            main(float(rest[0]) if rest else 1000.0, int(rest[1]) if rest[1:] else 3600)
