"""Lost and doubled observes under faults, as the laws count them and as KATO's own memory has them.

`python bench/observes.py [--calls 1000000] [--rate 1000] [--real]`: precision and recall of both, as JSON; exit 1
unless all are 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from retrying import truth

from harness.evidence.finalise import from_spools
from harness.evidence.run import Run, read_run
from harness.laws.judge import case_of
from harness.laws.writes import commits
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import Prepared, prepare
from harness.run.simulated import simulate_in
from harness.run.simulation import start_fresh
from harness.scenario import load_scenario

SCENARIO = """
format: kato-harness/1
question: Are lost and doubled observes counted as KATO's memory has them?
seed: {seed}
integration: "{client}:make"
load:
  rate: {rate}/s
  mix: {{observe: 1}}
  sessions: {{concurrent: {sessions}, events: 300}}
phases: {{warmup: 1s, baseline: 1s, recovery: 5s, cooldown: 0s}}
faults:
{faults}
guards: {{max_rate: 5000/s, max_calls: 5000000, max_duration: 10h}}
"""
FAULTS = (
    ("lost_reply", "kind: commit_then_drop, only: {op: observe, share: 0.05}", 2.0),
    ("denied", "kind: commit_then_status, status: 500, only: {op: observe, share: 0.05}", 1.0),
    ("dropped", "kind: drop_before_commit, only: {op: observe, share: 0.3}", 1.0),
    ("cut", "kind: truncate, after: 10, only: {op: observe, share: 0.05}", 1.0),
    ("busy", "kind: status, status: 503, only: {op: observe, share: 0.5}", 1.0),
    ("late", "kind: delay, delay: 300ms, only: {op: observe, share: 0.02}", 1.0),
    ("refused", "kind: refuse", 0.3),
    ("reset", "kind: reset_peer", 0.3),
    ("gone", "kind: kill", 0.3),
)
"""One after another, a second apart, in each cycle: (name, kind, length in s)."""


def scenario(calls: int, rate: float, seed: int) -> str:
    """The scenario of about so many calls."""
    cycle_s = sum(length for *_, length in FAULTS) + 0.5 * len(FAULTS)
    cycles = max(1, round((calls / rate - 7) / cycle_s))
    lines, at = [], 2.0
    for name, what, length in FAULTS:
        repeat = f", repeat: {cycles}, every: {cycle_s:g}s" if cycles > 1 else ""
        lines.append(f"  - {{name: {name}, {what}, at: {at:g}s, for: {length:g}s{repeat}}}")
        at += length + 0.5
    client = Path(__file__).with_name("retrying.py")
    sessions = max(20, round(rate * 1.5))
    return SCENARIO.format(seed=seed, client=client, rate=f"{rate:g}", sessions=sessions, faults="\n".join(lines))


def evidence(run: Run) -> tuple[set[int], set[int], int, int]:
    """Lost and doubled observes by the harness's evidence; how many observes there were, and how many committed."""
    case = case_of(run)
    observes = case.calls["op"].among("observe")
    times = commits(case, "observe")
    told = case.calls["outcome"].among("ok", "degraded")
    ids = case.calls["call"]
    lost, doubled = set(ids[observes & told & (times == 0)].tolist()), set(ids[observes & (times > 1)].tolist())
    return lost, doubled, int(observes.sum()), int(times.sum())


def memory(path: Path) -> tuple[set[int], set[int], int]:
    """The same by the client's own journal and KATO's STMs."""
    told, held = truth(str(path))
    calls, times = np.unique(np.array(held, np.int64), return_counts=True)
    return set(told) - set(calls.tolist()), set(calls[times > 1].tolist()), len(held)


def score(found: set[int], true: set[int]) -> dict[str, float]:
    """Precision and recall, with the count that they rest on."""
    hits = len(found & true)
    return {
        "true": len(true),
        "found": len(found),
        "precision": hits / max(len(found), 1),
        "recall": hits / max(len(true), 1),
    }


def played(prepared: Prepared, folder: Path, real: bool) -> Run:
    """The run, in virtual or in real time."""
    if real:
        done = execute(prepared, lambda total: None)
        if done.error:
            raise done.error
        return read_run(done.folder)
    (folder / "spool").mkdir(parents=True)
    manifest = simulate_in(folder, prepared, start_fresh, within_s=7200.0)
    return Run(folder, manifest, from_spools(folder / "spool", manifest))


def measure(calls: int, rate: float, seed: int, real: bool) -> dict[str, object]:
    """One run, both ways of counting, and their agreement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "observes.yaml"
        path.write_text(scenario(calls, rate, seed))
        os.environ["KATO_TRUTH"] = str(folder / "truth")
        began = time.monotonic()
        run = played(prepare(load_scenario(path), Options(out=folder / "run")), folder / "run", real)
        took_s = time.monotonic() - began
        lost, doubled, observes, committed = evidence(run)
        true_lost, true_doubled, held = memory(folder / "truth")
    return {
        "time": "real" if real else "virtual", "seed": seed, "rate": rate, "observes": observes, "commits": committed,
        "held": held, "lost": score(lost, true_lost), "doubled": score(doubled, true_doubled), "took_s": round(took_s),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "python": platform.python_version(),
    }  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--real", action="store_true")
    given = parser.parse_args()
    found = measure(given.calls, given.rate, given.seed, given.real)
    sys.stdout.write(json.dumps(found) + "\n")
    shares = [share for kind in ("lost", "doubled") for share in list(found[kind].values())[2:]]  # type: ignore[attr-defined]
    return 0 if found["commits"] == found["held"] and all(share == 1.0 for share in shares) else 1


if __name__ == "__main__":
    sys.exit(main())
