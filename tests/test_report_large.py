"""An hour at 1,000 calls/s: drawn in 20 s, in bounded memory, as a small page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_RENDER = """
import json, time, threading
from report_runs import demo_run
from report_words import demo_judgement
from harness.report import html
run = demo_run(rate=1000, stretch=82)
def resident(): return int(open('/proc/self/statm').read().split()[1]) * 4096
before, peak, done = resident(), [0], threading.Event()
def watch():
    while not done.wait(0.01): peak[0] = max(peak[0], resident())
watcher = threading.Thread(target=watch); watcher.start()
start = time.monotonic()
page = html.render(run, demo_judgement())
took = time.monotonic() - start
done.set(); watcher.join()
print(json.dumps({'calls': len(run.history.calls), 's': took, 'bytes': len(page), 'added': peak[0] - before}))
"""


@pytest.mark.slow
def test_three_and_a_half_million_calls_are_drawn_in_time_and_in_memory() -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", _RENDER],
        capture_output=True,
        text=True,
        check=True,
        cwd=here.parent,
        env={"PYTHONPATH": f"{here}:{here.parent}"},
    )
    measured = json.loads(done.stdout)
    assert measured["calls"] >= 3_600_000
    assert measured["s"] <= 20
    assert measured["bytes"] <= 2 * 2**20
    assert measured["added"] <= 400 * 2**20
