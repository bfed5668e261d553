"""Real runs: Locust drives a client through a real Toxiproxy into the embedded KATO, and the verdicts are judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.evidence import read_run
from harness.stack import toxiproxy

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).resolve().parent.parent


def _kato_harness(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False
    )


def _verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    return {v["law"]: v for v in json.loads((folder / "verdicts.json").read_text())["verdicts"]}


def test_the_guides_client_breaks_its_promises_in_the_demo(tmp_path: Path) -> None:
    """guide-pybreaker exits 1 and fails B3 and B8, each with witnesses."""
    done = _kato_harness("run", "demo", "--integration", "guide-pybreaker", "--out", str(tmp_path / "run"))
    assert done.returncode == 1, done.stdout + done.stderr
    verdicts = _verdicts(tmp_path / "run")
    for law in ("B3", "B8"):
        assert verdicts[law]["status"] == "fail"
        assert verdicts[law]["witnesses"]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_the_reference_client_keeps_its_promises_in_the_demo(tmp_path: Path) -> None:
    """reference exits 0: no law that applies fails."""
    done = _kato_harness("run", "demo", "--integration", "reference", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail" not in {verdict["status"] for verdict in _verdicts(tmp_path / "run").values()}


def test_a_lost_reply_is_no_lost_write(tmp_path: Path) -> None:
    """Replies dropped after the commit: `fast` sends nothing again, so nothing is doubled and nothing acked is lost."""
    done = _kato_harness("run", "lost_reply", "--integration", "fast", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = _verdicts(tmp_path / "run")
    assert (verdicts["D2"]["status"], verdicts["D3"]["status"]) == ("pass", "pass")
    arrivals = read_run(tmp_path / "run").history.arrivals
    dropped = arrivals.where(arrivals["fault"].among("lost_reply") | (arrivals["reply_ns"] == 0))
    assert len(dropped) > 5
    assert (dropped["commit_seq"] > 0).all()


def test_a_freeze_shows_in_the_percentiles(tmp_path: Path) -> None:
    """A 5 s freeze in 60 s at 100/s over 20 ms: p99 of response time within 2 % + 5 ms of 4,440 ms."""
    done = _kato_harness("run", "freeze", "--integration", "fast", "--out", str(tmp_path / "run"))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    calls = read_run(tmp_path / "run").history.calls
    chosen = calls.where(calls["op"].among("observe", "predict") & ~calls["phase"].among("warmup", "cooldown", ""))
    p99_ms = float(np.quantile((chosen["end_ns"] - chosen["intended_ns"]) / 1e6, 0.99))
    assert abs(p99_ms - 4440) <= 0.02 * 4440 + 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_fault_undoes_it_and_leaves_a_readable_run(tmp_path: Path, number: signal.Signals) -> None:
    """Exit 2, no proxy left on a shared Toxiproxy, the folder can be checked and its report drawn."""
    server = toxiproxy.start(tmp_path / "toxiproxy.log")
    folder = tmp_path / "run"
    try:
        command = [sys.executable, "-c", "from harness.cli import main; main()", "run", "outage", "--out", str(folder)]
        process = subprocess.Popen(
            [*command, "--integration", "reference"],
            env={**os.environ, "TOXIPROXY_URL": server.url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        rows = folder / "spool" / "faults.jsonl"
        deadline = time.monotonic() + 60
        while not (rows.exists() and '"applied_ns": 0' not in rows.read_text() and rows.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
        assert process.returncode == 2, words
        with urllib.request.urlopen(server.url + "/proxies") as reply:
            assert json.loads(reply.read()) == {}
    finally:
        server.stop()
    assert len(read_run(folder).history.calls) > 10
    assert _kato_harness("report", str(folder)).returncode == 0


def test_three_mistakes_are_named_with_their_lines(tmp_path: Path) -> None:
    """All problems at once, each with its line; exit 4 and no traceback."""
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "format: kato-harness/1\nlaod: {rate: 20/s}\nload: {rate: fast}\n"
        "faults:\n  - {name: a, kind: refuze, at: 1s, for: 1s}\n"
    )
    done = _kato_harness("run", str(path))
    assert done.returncode == 4
    for place in (f"{path}:2:", f"{path}:3:", f"{path}:5:"):
        assert place in done.stderr
    assert "Traceback" not in done.stderr


def test_something_else_at_toxiproxy_url_is_named_with_the_cure(tmp_path: Path) -> None:
    """A server that is no Toxiproxy ends in exit 7."""
    done = _kato_harness("run", "steady", "--out", str(tmp_path / "run"), TOXIPROXY_URL="http://127.0.0.1:9")
    assert done.returncode == 7
    assert "TOXIPROXY_URL" in done.stderr
    assert "Traceback" not in done.stderr
