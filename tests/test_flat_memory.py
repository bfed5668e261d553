"""A generator's memory and statistics: flat however long it runs, and merged as if they were told call by call."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness import spool
from harness.clock import ManualClock
from harness.evidence.spools import read_spool
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.recorder import Recorder
from harness.model import Load, Stage
from harness.plan import SECOND_NS, Plan
from harness.spool import SpoolWriter

MIRROR = """
import json, random, sys
import harness.load.locust as generator
from locust.env import Environment
from locust.stats import StatsEntry

draw = random.Random(7)
calls = [(draw.choice(["observe", "predict"]), draw.choice(["ok", "error", "degraded"]), int(draw.expovariate(0.005)))
         for _ in range(3000)]
environment = Environment()
for batch in (calls[:1000], calls[1000:]):
    generator.mirror(environment, [(*call, batch.count(call)) for call in dict.fromkeys(batch)])
told = {name: StatsEntry(environment.stats, name, "KATO") for name in ("observe", "predict", "Aggregated")}
for op, outcome, response_ms in calls:
    for entry in (told[op], told["Aggregated"]):
        entry.log(response_ms, 0)
        if outcome == "error":
            entry.log_error("error")
shown = {entry.name: entry for entry in (*environment.stats.entries.values(), environment.stats.total)}

def said(entry):
    return {"times": sorted(entry.response_times.items()), "requests": entry.num_requests,
            "per_second": sum(entry.num_reqs_per_sec.values()), "failures": entry.num_failures,
            "failed_per_second": sum(entry.num_fail_per_sec.values()), "total": entry.total_response_time,
            "least": entry.min_response_time, "most": entry.max_response_time}

print(json.dumps([{name: said(entry) for name, entry in entries.items()} for entries in (shown, told)]))
"""


def test_locusts_statistics_are_those_of_calls_told_one_by_one() -> None:
    """3,000 calls in two batches: every figure of Locust's is equal, by operation and in sum."""
    run = subprocess.run([sys.executable, "-c", MIRROR], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    shown, told = json.loads(run.stdout)
    assert shown == told
    assert told["Aggregated"]["requests"] == 3000


def test_texts_are_forgotten_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for four texts, twenty that come twice in turns all get their own words back."""
    monkeypatch.setattr(spool, "MOST_TEXTS", 4)
    writer = SpoolWriter(tmp_path / "w.raw", "w")
    told = [f"text {n % 20} " + "x" * (60 + n % 20) for n in range(40)]
    indices = [writer.text(text) for text in told]
    assert writer.text("") == 0
    writer.close()
    texts = read_spool(tmp_path / "w.raw").texts
    assert [texts[index] for index in indices] == told


class Instant:
    """Opens sessions and answers at once."""

    def __init__(self) -> None:
        self._opened = 0

    def open_session(self, node_id: str) -> str:
        self._opened += 1
        return f"session-{self._opened}"

    def observe(self, session_id: str, observation: Any) -> dict[str, str]:
        return {"status": "okay"}


def test_memory_is_flat_however_many_sessions_there_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session for each call: 6,000 calls after the first 6,000 keep less than 50 bytes each."""
    monkeypatch.setattr(spool, "MOST_TEXTS", 1000)
    plan = Plan(Load((Stage(100, 100, 120 * SECOND_NS),), strategy="per_call", sessions=20), 1)
    recorder, clock, book = Recorder(tmp_path / "g.raw", "g"), ManualClock(), Book(20)
    caller, calls = Caller(Instant(), plan, recorder, clock, book), plan.calls()

    def play(count: int) -> int:
        for planned in islice(calls, count):
            job, _ = book.offer(planned, clock.now_ns())
            assert job is not None
            book.done(job, caller.perform(job))
        recorder.flush()
        recorder.take_tally()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = play(6000)
        assert play(6000) - before < 6000 * 50
    finally:
        tracemalloc.stop()
    recorder.close()
