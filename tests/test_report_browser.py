"""The page in a real browser, offline: no console message, no request."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from report_runs import demo_run
from report_words import demo_judgement

from harness.report import html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on PATH: `make system` installs it")


def opened(page: Path, folder: Path) -> tuple[str, list[str], list[str]]:
    """The page's DOM as the browser built it, its console messages, and the addresses that it asked for."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr", f"--log-net-log={log}", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    messages = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = [
        event["url"]
        for event in events
        if event.get("initiator", "not an origin") != "not an origin" and "url" in event
    ]
    return done.stdout, messages, asked


def test_the_page_opens_offline_without_console_messages_and_without_requests(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(html.render(demo_run(), demo_judgement()))
    dom, messages, asked = opened(page, tmp_path)
    assert dom.count("<svg") == 18
    assert messages == []
    assert asked == []


def test_a_page_that_fetches_or_complains_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://elsewhere.invalid/x.png"><script>console.error("complaint")</script>')
    _, messages, asked = opened(page, tmp_path)
    assert any("complaint" in line for line in messages)
    assert asked == ["http://elsewhere.invalid/x.png"]
