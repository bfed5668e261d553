"""The hooks under gevent's patch, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from loopback import Server

SCRIPT = """
import gevent.monkey; gevent.monkey.patch_all()
import json, sys, threading, gevent, httpx, requests
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from harness.load import hooks
from harness.load.frame import CURRENT, Frame
from loopback import Attempts

url = sys.argv[1] + "/x"
recorder = Attempts()
hooks.install(recorder)
client, session = httpx.Client(timeout=2), requests.Session()

def call(number):
    CURRENT.set(Frame(number))
    client.get(url)
    session.get(url, timeout=2)
    thread = threading.Thread(target=client.get, args=(url,))
    thread.start()
    thread.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(session.get, url, timeout=2).result()

gevent.joinall([gevent.spawn(call, number) for number in range(1, 6)], raise_error=True)
killed = gevent.spawn(lambda: (CURRENT.set(Frame(9)), client.get(sys.argv[1] + "/x")))
gevent.sleep(0.1)
killed.kill()
print(json.dumps([asdict(row) for row in recorder.rows]))
"""


def test_greenlets_keep_their_calls() -> None:
    """Attempts of concurrent greenlets, and of threads they start, belong to their call; a killed one is cancelled."""
    with Server() as kato:
        kato.next(*["ok"] * 20, "hang")
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, kato.url],
            cwd=Path(__file__).parent,
            env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parent.parent}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        rows = json.loads(run.stdout)
    assert {(row["call"], row["attempt"]) for row in rows[:20]} == {(c, n) for c in range(1, 6) for n in range(1, 5)}
    assert {(row["via"], row["status"]) for row in rows[:20]} == {("httpx", 200), ("urllib3", 200)}
    assert [(row["call"], row["result"]) for row in rows[20:]] == [(9, "cancelled")]
