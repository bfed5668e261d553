"""The locustfiles run with plain Locust, headless, against any KATO."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Server

ROOT = Path(__file__).resolve().parent.parent


def locust(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / name), "--headless", "--only-summary"]
    return subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("product_views.py", ("-u", "5", "-r", "5", "--integration", "fixed-requests")),
        ("chat.py", ("-u", "5", "-r", "5")),
        ("arrivals.py", ("--rate", "40", "--integration", "fast")),
    ],
)
def test_a_locustfile_drives_kato(name: str, options: tuple[str, ...]) -> None:
    """Three seconds of it: sessions are opened, observations committed, and Locust counts no failure."""
    with Server() as kato:
        run = locust(name, "--host", kato.url, "-t", "3s", *options)
        assert run.returncode == 0, run.stderr
        assert len(kato.sessions) >= 5
        assert len(kato.commits) >= 5
        assert "observe" in run.stderr


@pytest.mark.sockets
def test_a_wrong_integration_ends_with_words() -> None:
    """Plain Locust, too, names the integrations that there are."""
    run = locust("product_views.py", "--host", "http://127.0.0.1:9", "-t", "3s", "--integration", "referense")
    assert run.returncode != 0
    assert "nearest: reference" in run.stderr
    assert "Traceback" not in run.stderr
