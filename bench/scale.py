"""An hour at 1,000 calls/s: how long judging and the report take, in how much memory, and how large the page is.

    PYTHONPATH=tests python bench/scale.py [RATE]

Bars: 20 s each, 1 GB, 2 MB. The run is synthetic (tests/report_runs.py), is written as Parquet and read again, as
`check` and `report` do, each in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import described
from report_runs import demo_run

from harness.evidence import read_run
from harness.evidence.history import SCHEMA
from harness.evidence.parquet import write_table
from harness.laws.judge import judge_run
from harness.report import html

STRETCH = 82
"""The demo run of 44 s made an hour long."""


def write(folder: Path, rate: float) -> int:
    """The run folder; its calls."""
    run = demo_run(rate=rate, stretch=STRETCH)
    (folder / "tables").mkdir()
    for name in SCHEMA:
        write_table(folder / "tables" / f"{name}.parquet", getattr(run.history, name))
    phases = [{"name": s.name, "start_ns": s.start_ns, "end_ns": s.end_ns} for s in run.history.phases]
    (folder / "manifest.json").write_text(json.dumps({**run.manifest, "phases": phases}, default=str))
    return len(run.history.calls)


def judged(folder: Path, drawn: bool) -> dict[str, float]:
    """What judging, or judging and then drawing, took here."""
    begun = time.monotonic()
    run = read_run(folder)
    judgement = judge_run(run)
    found = {"judge_s": time.monotonic() - begun, "judge_cpu_s": time.process_time()}
    if drawn:
        begun, cpu = time.monotonic(), time.process_time()
        page = html.render(run, judgement)
        found |= {"report_s": time.monotonic() - begun, "report_cpu_s": time.process_time() - cpu}
        found["html_mb"] = len(page) / 1e6
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {name: round(value, 2) for name, value in found.items()}


def main(rate: float) -> None:
    """Write, then judge and draw in processes of their own; print one JSON object."""
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, __file__]
        calls = int(subprocess.run([*again, "write", folder, str(rate)], stdout=-1, check=True).stdout)
        found = {
            part: json.loads(subprocess.run([*again, part, folder], stdout=-1, check=True).stdout)
            for part in ("check", "report")
        }
    json.dump({"machine": described(), "calls": calls, **found}, sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, rate]:
            sys.stdout.write(str(write(Path(folder), float(rate))))
        case [("check" | "report") as part, folder]:
            json.dump(judged(Path(folder), part == "report"), sys.stdout)
        case rest:
            main(float(rest[0]) if rest else 1000.0)
