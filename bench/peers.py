"""The fast path beside its peers in one run: calls a second from one core, answered by the same static responder.

    python bench/peers.py [--rounds 3] [--out bench/results/peers.json]

Twenty connections each, in turns; the responder (nginx) has the other core and counts what it answered within the same
window for everybody. Ours runs inside Locust with full evidence: every call and every attempt has its row, and every
answer is decoded and checked; the peers do the least they can. Bars: 2 × k6, 4 × Locust's FastHttpUser, 0.6 × wrk; one
fails when the whole range of the rounds' ratios is below it. A peer that isn't installed is skipped aloud. Where the
responder's core is full (`responder_cpu` near 1, as wrk makes it) a figure is the responder's: that peer could do more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from generator import Generated, generate
from machine import described
from peer_tools import PEERS, USERS, command_of, program
from responder import Responder, responder

from harness.model import Load, Stage
from harness.stack.process import prefer, start, stop

SETTLE_S, WINDOW_S, REST_S = 1.0, 3.0, 0.3
BEGUN = 200
"""So many answers, and the one who is measured runs."""
BARS = {"k6": 2.0, "Locust FastHttpUser": 4.0, "wrk": 0.6}


def window(kato: Responder, alive: Callable[[], bool]) -> dict[str, float]:
    """What was answered a second, and the responder's share of its core, once the load runs."""
    begun, until = kato.answered(), time.monotonic() + 30
    while kato.answered() < begun + BEGUN:
        if not alive() or time.monotonic() > until:
            raise SystemExit("bench: no load came")
        time.sleep(0.05)
    time.sleep(SETTLE_S)
    count, cpu_s, at = kato.answered(), kato.cpu_s(), time.monotonic()
    time.sleep(WINDOW_S)
    lasted = time.monotonic() - at
    return {"per_s": (kato.answered() - count) / lasted, "responder_cpu": (kato.cpu_s() - cpu_s) / lasted}


def ours(kato: Responder, core: int) -> dict[str, float]:
    """The fast path; raises SystemExit where a row is missing or an answer was not found to be KATO's."""
    load = Load((Stage(0, 0, round((SETTLE_S + WINDOW_S + 1.0) * 1e9)),), users=USERS, sessions=USERS)
    made: list[Generated] = []
    before = kato.answered()
    thread = threading.Thread(target=lambda: made.append(generate(kato.url, load, core)), daemon=True)
    thread.start()
    found = window(kato, thread.is_alive)
    thread.join()
    (run,) = made
    answered = kato.answered() - before
    if not len(run.calls) == len(run.attempts) == answered or run.ok != len(run.observed):
        rows = f"{len(run.calls)} calls ({run.ok} ok), {len(run.attempts)} attempts"
        raise SystemExit(f"bench: the evidence is not whole: {rows}, {answered} answered")
    return found


def theirs(name: str, kato: Responder, core: int) -> dict[str, float]:
    """A peer."""
    url = f"{kato.url}/sessions/session-1/observe"
    with tempfile.TemporaryDirectory() as folder:
        command = command_of(name, Path(folder), url, SETTLE_S + WINDOW_S + 20)
        # as our generator is started: the same priority for everybody
        child = start(name, ["taskset", "-c", str(core), *command], Path(folder) / "log")
        prefer(child)
        try:
            return window(kato, lambda: child.alive)
        finally:
            stop(child)


def main(rounds: int, out: Path | None) -> int:
    """Measure in turns, compare, print and keep."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("bench: SKIPPED, generator and responder need a core each")
    names = [name for name in PEERS if program(name)]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ("fast path", *names)}
    with responder(cores[0]) as kato:
        for _ in range(rounds):
            for name, rows in found.items():
                rows.append(ours(kato, cores[1]) if name == "fast path" else theirs(name, kato, cores[1]))
                sys.stderr.write(f"{name}: {rows[-1]['per_s']:,.0f}/s\n")
                time.sleep(REST_S)
    report = {"machine": described(), "rounds": rounds, **compared(found)}
    text = json.dumps(report, indent=1) + "\n"
    sys.stdout.write(text)
    if out is not None:
        out.write_text(text)
    return 1 if any(row["failed"] for row in report["ratios"].values()) else 0


def compared(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of each, and our ratio to each, round by round."""
    rates = {name: [row["per_s"] for row in rows] for name, rows in found.items()}
    ratios = {}
    for name in BARS.keys() & rates.keys():
        each = [mine / other for mine, other in zip(rates["fast path"], rates[name], strict=True)]
        row = {"median": statistics.median(each), "least": min(each), "most": max(each), "bar": BARS[name]}
        ratios[name] = {key: round(value, 2) for key, value in row.items()} | {"failed": max(each) < BARS[name]}
    return {
        "per_s": {name: round(statistics.median(values)) for name, values in rates.items()},
        "responder_cpu": {name: round(max(r["responder_cpu"] for r in rows), 2) for name, rows in found.items()},
        "ratios": ratios,
        "each": {name: [round(value) for value in values] for name, values in rates.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sys.exit(main(given.rounds, given.out))
