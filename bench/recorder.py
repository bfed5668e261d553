"""What evidence costs: the recorder a call, and recording as a whole on another integration.

    python bench/recorder.py [--rounds 201] [--out bench/results/recorder.json]

Both in processor time, under gevent's patch as in a run. The recorder: a call's row and its attempt's row, the common
way and the fast path's. The whole: calls of `fixed-requests` to a static responder in blocks, recorded and not in
turns (A B B A); not recorded means that no hook is installed and that rows are dropped. It is measured in a process
with the priority that a run gives its generator. Bars: 3 µs a call at the median; 5 %, and it fails when the medians of
all five fifths of the rounds are above.
"""

# ruff: noqa: E402 - the standard library is patched before it is used

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import described
from responder import responder

from harness.clock import MonotonicClock
from harness.integrations import build, resolve
from harness.load import hooks
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.recorder import Recorder
from harness.model import Load, PlannedCall, Stage
from harness.plan import Plan
from harness.stack.process import prefer, start

CALLS, BLOCK, BLOCKS = 50, 1000, 51
RECORDER_US, SHARE = 3.0, 0.05
FIFTHS = 5
NAMES = ("session-1", "kh-1", "user-1")


class Silent:
    """A recorder that keeps nothing."""

    attempts_seen = 0

    def call(self, *_: Any, **__: Any) -> None:
        """Drop the row."""


def recorder_us(folder: Path) -> dict[str, float]:
    """Processor time of the rows of one call (µs), the median of BLOCKS blocks."""
    recorder = Recorder(folder / "rows.raw", "bench")
    call_head = recorder.call_head("observe", *NAMES, "{status:str}")
    attempt_head = recorder.attempt_head("fast", 200, 0)

    def common(number: int) -> None:
        recorder.attempt(number, 1, "urllib3", "", 200, 1, 2, 3, 4, True)
        recorder.call(number, "observe", *NAMES, 1, 1, 1, 3, "ok", shape="{status:str}", content=number)

    def fast(number: int) -> None:
        recorder.served(attempt_head, call_head, number, "observe", 1, 1, 1, 2, 3, number, True)

    found = {name: _median_us(rows, recorder) for name, rows in (("common", common), ("fast path", fast))}
    recorder.close()
    return found


def _median_us(rows: Callable[[int], None], recorder: Recorder) -> float:
    each = []
    for _ in range(BLOCKS):
        begun = time.process_time()
        for number in range(BLOCK):
            rows(number)
        each.append((time.process_time() - begun) / BLOCK * 1e6)
        recorder.flush()
    return round(statistics.median(each), 2)


class Block:
    """So many calls of one client, recorded or not, and what they cost."""

    def __init__(self, url: str, folder: Path) -> None:
        entry = resolve("fixed-requests")
        self._client = build(entry, url, {"headers": {}, "policy": entry.policy, "scale": 1.0, "seed": 1}, lambda: None)
        self._plan = Plan.of(Load((Stage(1, 1, 1),), users=1, sessions=1), 1)
        self._recorder = Recorder(folder / "calls.raw", "bench")

    def cost_us(self, recorded: bool) -> float:
        """Processor time a call (µs)."""
        hooks.uninstall()
        if recorded:
            hooks.install(self._recorder)
        clock, book = MonotonicClock(), Book(1)
        recorder: Any = self._recorder if recorded else Silent()
        caller, planned = Caller(self._client, self._plan, recorder, clock, book), PlannedCall(1, 0, 0, "observe")
        begun = time.process_time()
        for _ in range(CALLS):
            job, _ = book.offer(planned, clock.now_ns())
            assert job is not None
            book.done(job, caller.perform(job))
        self._recorder.flush()
        return (time.process_time() - begun) / CALLS * 1e6

    def close(self) -> None:
        """Put the client and the hooks away."""
        hooks.uninstall()
        self._client.close()
        self._recorder.close()


def shares(rounds: int, folder: Path) -> tuple[list[float], float]:
    """What recording adds, as a share of what a call costs without it, one a round; and that cost (µs)."""
    cores = sorted(os.sched_getaffinity(0))
    with responder(cores[0]) as kato:
        os.sched_setaffinity(0, {cores[-1]})
        block = Block(kato.url, folder)
        block.cost_us(True)
        gc.collect()
        gc.freeze()  # as a generator does before its load
        found, bare = [], []
        for _ in range(rounds):
            with_1, without_1, without_2, with_2 = (block.cost_us(recorded) for recorded in (True, False, False, True))
            found.append((with_1 + with_2) / (without_1 + without_2) - 1)
            bare.append((without_1 + without_2) / 2)
        block.close()
    return found, statistics.median(bare)


def main(rounds: int, out: Path | None) -> int:
    """Have it measured, print and keep it."""
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        child = start("recorder", [sys.executable, __file__, "--rounds", str(rounds), "--here"], log)
        prefer(child)
        code = child.process.wait()
        text = log.read_text()
    sys.stdout.write(text)
    if out is not None and text.startswith("{"):
        out.write_text(text)
    return code


def measure(rounds: int) -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place:
        recorder = recorder_us(Path(place))
        found, bare_us = shares(rounds, Path(place))
    fifths = [statistics.median(found[part::FIFTHS]) for part in range(FIFTHS)]
    share = {"median": statistics.median(found), "least": min(fifths), "most": max(fifths)}
    report = {
        "machine": described(),
        "rounds": rounds,
        "recorder_us": {**recorder, "bar": RECORDER_US},
        "fixed_requests_us": round(bare_us, 1),
        "recording_share": {name: round(value, 4) for name, value in share.items()} | {"bar": SHARE},
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 1 if max(recorder.values()) > RECORDER_US or min(fifths) > SHARE else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=201)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--here", action="store_true", help="measure in this process")
    given = parser.parse_args()
    sys.exit(measure(given.rounds) if given.here else main(given.rounds, given.out))
