"""The built-in sync clients under gevent's patch, as they run in the Locust process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Server

from harness.integrations import REGISTRY

SCRIPT = """
import gevent.monkey; gevent.monkey.patch_all()
import json, sys, time, gevent
from harness.integrations import REGISTRY, build
from harness.load import hooks
from harness.load.outcomes import classify
from harness.policy import scaled
from loopback import Attempts

name, url = sys.argv[1:]
policy = scaled(REGISTRY[name].policy, 0.04)
if "total" in policy.get("timeout", {}):
    policy["timeout"] |= {"read": 0.2, "total": 0.4}
recorder = Attempts()
kato = build(REGISTRY[name], url, {"policy": policy, "recorder": recorder})
hooks.install(recorder)
session = kato.open_session("kh-1")
started = time.monotonic()
calls = [gevent.spawn(kato.observe, session, {"strings": ["a"]}) for _ in range(10)]
gevent.joinall(calls, raise_error=True)
together = time.monotonic() - started
kato.predict(session)
started = time.monotonic()
try:
    kato.predict(session)
    dripped = "ok"
except Exception as error:
    dripped = classify(error).error
print(json.dumps([together, dripped, time.monotonic() - started, len(recorder.rows)]))
"""

GEVENT = [
    name for name, entry in REGISTRY.items() if entry.runtime == "gevent" and not name.endswith(("consul", "dns"))
]


@pytest.mark.parametrize("name", GEVENT)
def test_greenlets_call_together_and_deadlines_hold(name: str) -> None:
    """Ten observes of 0.1 s overlap unless the client serialises them, and a drip ends at the declared total."""
    with Server() as kato:
        kato.next("ok", *["slow:0.1"] * 10, "ok", "drip:0.02")
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", SCRIPT, name, kato.url],
            env={"PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parent.parent}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert run.returncode == 0, run.stderr
    together, dripped, seconds, attempts = json.loads(run.stdout)
    assert attempts >= 13
    assert (together > 0.9) == (name == "guide-pybreaker")
    if name.startswith("guide"):
        assert dripped == "ok" and seconds > 1
    else:
        assert seconds < 0.4 + 0.25
        assert dripped == ("ok" if name == "fixed-pybreaker" else "read_timeout")
