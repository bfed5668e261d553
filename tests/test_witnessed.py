"""`kato-harness witness`: somebody else's traffic is forwarded, told as calls, and judged by what arrivals carry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from harness.errors import UsageError
from harness.model import OPERATIONS
from harness.run.foreign import FIELDS, Arrival, grouped
from harness.run.witnessed import Watch, witness
from harness.twin.serve import serve_in_thread

S = 1_000_000_000


def arrival(at_s: float, op: str = "observe", status: int = 200, payload: int = 1, session: str = "s") -> Arrival:
    """An arrival answered after 10 ms; status 0: its client saw no answer."""
    start = int(at_s * S)
    told = {"op": OPERATIONS.index(op), "status": status, "payload": payload, "arrive_ns": start}
    told |= {"reply_ns": start + S // 100} if status else {"disconnect_ns": start + S // 100}
    return Arrival(0, [3, *(told.get(name, 0) for name in FIELDS)], session, "n")


def sizes(arrivals: Sequence[Arrival]) -> list[int]:
    return [len(call.arrivals) for call in grouped(arrivals)]


def test_the_same_request_after_a_failed_one_is_the_same_call() -> None:
    """Sent again after no answer or a 5xx; a repeated observation after a good answer is a call of its own."""
    assert sizes([arrival(0, status=0), arrival(1, status=503), arrival(2)]) == [3]
    assert sizes([arrival(0), arrival(1)]) == [1, 1]
    assert sizes([arrival(0, status=0), arrival(1, payload=2)]) == [1, 1]
    assert sizes([arrival(0, status=0), arrival(1, session="t")]) == [1, 1]
    assert sizes([arrival(0, status=0), arrival(100)]) == [1, 1]
    assert sizes([arrival(0, op="other")]) == []


def test_a_call_ends_as_its_last_request_did() -> None:
    """Timeout, error and ok, with the words of the history."""
    told = [grouped(group)[0].outcome for group in ([arrival(0, status=0)], [arrival(0, status=500), arrival(1)])]
    assert told == [("timeout", "read_timeout"), ("ok", "")]
    assert grouped([arrival(0, status=404)])[0].outcome == ("error", "4xx")


@pytest.mark.parametrize(
    ("listen", "target", "words"),
    [
        ("nowhere", "http://127.0.0.1:9", "no address"),
        ("127.0.0.1:99999", "http://127.0.0.1:9", "no address"),
        ("127.0.0.1:0", "127.0.0.1:9", "no host"),
        ("127.0.0.1:0", "http://127.0.0.1:99999", "no URL"),
        ("127.0.0.1:0", "ftp://127.0.0.1", "no URL"),
        ("127.0.0.1:0", "http://kato.example", "not a target"),
    ],
)
def test_what_can_not_be_listened_to_or_reached_is_refused(listen: str, target: str, words: str) -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match=words):
        witness(Watch(listen, target))


@pytest.mark.sockets
def test_foreign_traffic_is_recorded_and_judged(tmp_path: Path) -> None:
    """Three sessions observe through the witness; the verb ends at a signal, with verdicts and no traceback."""
    out = tmp_path / "run"
    with serve_in_thread() as kato:
        command = [sys.executable, "-c", "from harness.cli import main; main()", "witness", "--target", kato.url]
        command += ["--out", str(out), "--slo", "error_rate < 1%", "--format", "json"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        with httpx.Client(base_url=child.stdout.readline().strip(), timeout=30) as client:
            for node in range(3):
                session = client.post("/sessions", json={"node_id": f"n{node}"}).json()["session_id"]
                for symbol in "abcd":
                    client.post(f"/sessions/{session}/observe", json={"strings": [symbol]}).raise_for_status()
        child.terminate()
        said, words = child.communicate(timeout=60)
    assert child.returncode in (0, 5), said + words
    assert "Traceback" not in words
    verdicts = {v["law"]: v["status"] for v in json.loads((out / "verdicts.json").read_text())["verdicts"]}
    assert verdicts["X2"] == "pass"
    assert "fail" not in verdicts.values()
    accounting = json.loads((out / "manifest.json").read_text())["accounting"]
    assert accounting["issued"] == accounting["ok"] == 15
