"""A generator that is killed in mid-run: it is named, the run is invalid, and the evidence until then is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.evidence import read_run

pytestmark = pytest.mark.sockets
SCENARIO = """
format: kato-harness/1
load: {rate: 40/s, mix: {observe: 1}}
phases: {warmup: 1s, baseline: 30s, recovery: 0s, cooldown: 0s}
"""


def _generator(harness: int, process: str) -> int:
    """The process that writes that generator's spool."""
    for child in psutil.Process(harness).children(recursive=True):
        files = [file.path for file in child.open_files()]
        if any(path.endswith(f"{process}.raw") for path in files):
            return child.pid
    raise AssertionError(f"{process} doesn't run")


def test_a_killed_worker_is_named_and_the_run_is_invalid(tmp_path: Path) -> None:
    """One of two; the other's rows and its own until 250 ms before are there, and X2 says that more is missing."""
    (tmp_path / "s.yaml").write_text(SCENARIO)
    command = [sys.executable, "-c", "from harness.cli import main; main()", "run", "s.yaml", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--integration", "fast", "--out", "run"], cwd=tmp_path, stdout=-1, stderr=-1, text=True
    )
    spools = [tmp_path / "run" / "spool" / f"generator-{number}.raw" for number in (0, 1)]
    deadline = time.monotonic() + 60
    while not all(spool.exists() and spool.stat().st_size > 5_000 for spool in spools):
        assert time.monotonic() < deadline, "the load never began"
        time.sleep(0.05)
    os.kill(_generator(process.pid, "generator-1"), signal.SIGKILL)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 6, words
    assert "generator-1" in words
    assert set(read_run(tmp_path / "run").history.calls["worker"].tolist()) == {0, 1}
