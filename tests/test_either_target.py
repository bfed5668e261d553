"""The same file on the embedded KATO and on a KATO that runs already: the same laws with the same verdicts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.sockets
ROOT = Path(__file__).resolve().parent.parent
HARNESS = [sys.executable, "-c", "from harness.cli import main; main()"]
OF_THE_MACHINE = {"P2", "P5", "P6"}
"""Laws on what the client's process uses, or how punctual it is: a busy machine makes them inconclusive by chance."""


@contextmanager
def _a_kato_that_runs_already() -> Iterator[str]:
    """The twin in a process of its own, and its URL."""
    with subprocess.Popen([*HARNESS, "twin", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True) as kato:
        assert kato.stdout is not None
        try:
            yield kato.stdout.readline().strip()
        finally:
            kato.terminate()


@pytest.mark.parametrize(("scenario", "client"), [("outage", "guide-pybreaker"), ("lost_reply", "fixed-pybreaker")])
def test_a_client_is_judged_alike_on_both(scenario: str, client: str, tmp_path: Path) -> None:
    """Nothing assumes that the server is ours. Both run at once, so that the machine is the same."""
    with _a_kato_that_runs_already() as url:
        folders = {target: tmp_path / str(at) for at, target in enumerate(("embedded", url))}
        runs = [
            subprocess.Popen(
                [*HARNESS, "run", scenario, "--integration", client, "--target", target, "--out", str(folder)],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for target, folder in folders.items()
        ]
        codes = {run.wait(240) for run in runs}
    found = [json.loads((folder / "verdicts.json").read_text())["verdicts"] for folder in folders.values()]
    here, there = ({one["law"]: one["status"] for one in each if one["law"] not in OF_THE_MACHINE} for each in found)
    assert here == there
    assert codes == {1 if client.startswith("guide") else 0}
