"""The locustfiles run with plain Locust, headless, against any KATO."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from loopback import Server

ROOT = Path(__file__).resolve().parent.parent


def locust(name: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / name), "--headless", "--only-summary"]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


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
    """Until enough has happened: sessions are opened, observations committed, and Locust counts no failure."""
    with Server() as kato:
        run = locust(name, "--host", kato.url, *options)
        give_up = time.monotonic() + 60
        while min(len(kato.sessions), len(kato.commits)) < 5 and run.poll() is None and time.monotonic() < give_up:
            time.sleep(0.05)
        run.terminate()
        _, words = run.communicate(timeout=60)
        assert len(kato.sessions) >= 5 and len(kato.commits) >= 5, words
    assert run.returncode == 0, words
    assert "observe" in words


@pytest.mark.sockets
def test_a_wrong_integration_ends_with_words() -> None:
    """Plain Locust, too, names the integrations that there are."""
    run = locust("product_views.py", "--host", "http://127.0.0.1:9", "-t", "3s", "--integration", "referense")
    _, words = run.communicate(timeout=60)
    assert run.returncode != 0
    assert "nearest: reference" in words
    assert "Traceback" not in words
