"""Dispatch delay of the fast path on one core, beside a bare sleep loop in the same run; and what two workers carry.

    python bench/dispatch.py [--rounds 5] [--seconds 4] [--out bench/results/dispatch.json]

Bars: p99 ≤ 5 ms at 1,000/s; at 200/s that of a loop that only sleeps until each call would be due, + 3 ms; two workers
carry 1.8 times what one does, where there are four cores. Rounds take turns; a bar fails only when the whole interval
that holds the median with 94 % (the range, of five rounds) is outside.
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
from pathlib import Path
from typing import Any

import numpy as np
from generator import Generated, generate
from machine import described
from responder import responder

from harness.model import Load, Stage
from harness.stack.process import prefer, start, stop

RATE, SLOW_RATE = 1000, 200
BAR_MS, OVER_SLEEP_MS, BAR_SCALE = 5.0, 3.0, 1.8
WARM_S = 1.0
"""Openings and first connections are no steady state."""


def slept(rate: int, seconds: float) -> float:
    """p99 of how late a loop wakes that sleeps until each of its due times (ms)."""
    begin_ns, late = time.monotonic_ns() + 10_000_000, []
    for number in range(round(rate * seconds)):
        due_ns = begin_ns + number * 1_000_000_000 // rate
        while (left := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left / 1e9)
        late.append((time.monotonic_ns() - due_ns) / 1e6)
    return float(np.quantile(late, 0.99))


def sleeper(core: int, rate: int, seconds: float) -> float:
    """`slept` in a process of its own on `core`, started as a generator is."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, __file__, "--sleep", str(rate), "--seconds", str(seconds)]
        child = start("the sleep loop", ["taskset", "-c", str(core), *words], Path(folder) / "log")
        prefer(child)
        try:
            child.process.wait(seconds + 30)
            return float((Path(folder) / "log").read_text())
        finally:
            stop(child)


def delayed(url: str, core: int, rate: int, seconds: float) -> float:
    """p99 of start − ready at a constant rate (ms)."""
    load = Load((Stage(rate, rate, round((WARM_S + seconds) * 1e9)),), sessions=max(20, rate // 5))
    calls = generate(url, load, core).observed
    calls = calls[calls["intended_ns"] > calls["intended_ns"].min() + WARM_S * 1e9]
    return float(np.quantile((calls["start_ns"] - calls["ready_ns"]) / 1e6, 0.99))


def carried(url: str, cores: list[int], seconds: float) -> float:
    """Calls a second of closed users, one generator on each of `cores`."""
    load = Load((Stage(0, 0, round(seconds * 1e9)),), users=20, sessions=20)
    made: list[Generated] = []
    threads = [threading.Thread(target=lambda at=core: made.append(generate(url, load, at))) for core in cores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(run.per_s for run in made)


def summary(values: list[float], bar: float | None, at_most: bool = True) -> dict[str, Any]:
    """Median and range; failed where the whole range is outside the bar."""
    row: dict[str, Any] = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    row = {name: round(value, 2) for name, value in row.items()}
    if bar is not None:
        row |= {"bar": bar, "failed": min(values) > bar if at_most else max(values) < bar}
    return row


def main(rounds: int, seconds: float, out: Path | None) -> int:
    """Measure in turns, print and keep; 1 where a bar failed."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("bench: SKIPPED, generator and responder need a core each")
    fast, slow, bare, doubled = [], [], [], []
    with responder(cores[0]) as kato:
        for _ in range(rounds):
            fast.append(delayed(kato.url, cores[1], RATE, seconds))
            bare.append(sleeper(cores[1], SLOW_RATE, seconds))
            slow.append(delayed(kato.url, cores[1], SLOW_RATE, seconds))
            if len(cores) >= 4:
                one = carried(kato.url, cores[1:2], seconds)
                doubled.append(carried(kato.url, cores[1:3], seconds) / one)
            sys.stderr.write(f"1,000/s {fast[-1]:.2f} ms, 200/s {slow[-1]:.2f} ms, sleep loop {bare[-1]:.2f} ms\n")
    over = [mine - sleeping for mine, sleeping in zip(slow, bare, strict=True)]
    found = {
        "p99_ms_at_1000": summary(fast, BAR_MS),
        "p99_ms_at_200": summary(slow, None),
        "p99_ms_sleep_loop": summary(bare, None),
        "p99_ms_over_sleep_loop": summary(over, OVER_SLEEP_MS),
    }
    if doubled:
        found["two_workers_to_one"] = summary(doubled, BAR_SCALE, at_most=False)
    else:
        sys.stderr.write(f"SKIPPED two workers beside one: they need four cores, here are {len(cores)}\n")
    text = json.dumps({"machine": described(), "rounds": rounds, **found}, indent=1) + "\n"
    sys.stdout.write(text)
    if out is not None:
        out.write_text(text)
    return 1 if any(row.get("failed") for row in found.values()) else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sleep", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.sleep:
        sys.stdout.write(str(slept(given.sleep, given.seconds)))
        sys.exit(0)
    sys.exit(main(given.rounds, given.seconds, given.out))
