"""What a run did to the world is undone, even when the run is killed in the middle of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_rig import http_server

from harness.errors import UsageError
from harness.inject.external import ExternalPlane
from harness.inject.lease import Leases, append, outstanding
from harness.inject.toxiproxy import Api
from harness.inject.watchdog import undo_all
from harness.model import Fault
from harness.stack import toxiproxy

LIMIT_S = 20.0
S = 1_000_000_000

PARENT = """
import sys, time
from pathlib import Path
from harness.inject.external import ExternalPlane
from harness.inject.lease import Leases
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.toxiproxy import Api
from harness.model import Fault
url, upstream, folder = sys.argv[1:]
leases = Leases(Path(folder) / "leases.jsonl")
plane = ToxiproxyPlane(Api(url), leases, "killed")
plane.listen("kato", "127.0.0.1:0", upstream)
plane.apply(Fault("reset", "reset_peer", 0, 10**12, {"timeout": 30.0}))
words = {"apply": f"touch {folder}/applied", "undo": f"touch {folder}/undone", "proof": "true"}
ExternalPlane(leases).apply(Fault("pod", "external", 0, 10**12, words))
print("in mid-fault", flush=True)
time.sleep(60)
"""


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)


@pytest.mark.sockets
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_parent_that_dies_in_mid_fault_leaves_no_proxy_and_runs_the_undo_command(
    tmp_path: Path, number: signal.Signals
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TOXIPROXY_URL"}
    server = toxiproxy.start(tmp_path / "toxiproxy.log", environment)
    api = Api(server.url)
    api.create("theirs", "127.0.0.1:0", "127.0.0.1:1")
    with http_server() as web:
        command = [sys.executable, "-c", PARENT, server.url, f"127.0.0.1:{web.server_port}", str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"in mid-fault\n"
            port = int(api.proxy("killed-kato")["listen"].split(":")[1])
            sleeping = _half_asked(port)
            parent.send_signal(number)
        wait_until(lambda: list(api.proxies()) == ["theirs"])
        wait_until(lambda: (tmp_path / "undone").exists() and not outstanding(tmp_path / "leases.jsonl"))
        sleeping.close()
    api.close()
    server.stop()


def _half_asked(port: int) -> socket.socket:
    """A connection whose reply the sleeping reset_peer holds, so that deleting the toxic would block."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=5)
    sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    return sock


def test_a_lease_is_on_the_disk_before_it_is_acted_on_and_gone_after_its_release(tmp_path: Path) -> None:
    journal = tmp_path / "leases.jsonl"
    leases = Leases(journal)
    first = leases.take({"undo": "command", "fault": "a", "command": "true"})
    second = leases.take({"undo": "command", "fault": "b", "command": "true"})
    assert [lease["fault"] for lease in outstanding(journal)] == ["b", "a"]
    leases.release(second)
    assert [lease["fault"] for lease in outstanding(journal)] == ["a"]
    leases.release(first)
    leases.close()
    assert outstanding(journal) == []


def test_closing_without_release_undoes_it(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "leases.jsonl")
    leases.take({"undo": "command", "fault": "a", "command": f"touch {tmp_path}/undone"})
    leases.close()
    assert (tmp_path / "undone").exists()
    assert outstanding(tmp_path / "leases.jsonl") == []


def test_what_can_not_be_undone_is_told_and_stays_on_the_journal(tmp_path: Path) -> None:
    journal = tmp_path / "leases.jsonl"
    append(journal, {"lease": 1, "undo": "command", "fault": "pod", "command": "false"})
    append(journal, {"lease": 2, "undo": "proxy", "url": "http://127.0.0.1:9", "proxy": "gone-with-its-server"})
    assert undo_all(journal) == ["the undo command of fault pod failed 3 times: false"]
    assert [lease["lease"] for lease in outstanding(journal)] == [1]


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 200))
def test_a_journal_cut_off_anywhere_never_invents_or_forgets_a_whole_entry(released: list[bool], cut: int) -> None:
    entries = [{"lease": number} for number in range(len(released))]
    entries += [{"released": number} for number, done in enumerate(released) if done]
    lines = [json.dumps(entry).encode() + b"\n" for entry in entries]
    whole = b"".join(lines)[:cut].count(b"\n")
    expected = {entry["lease"] for entry in entries[:whole] if "lease" in entry}
    expected -= {entry["released"] for entry in entries[:whole] if "released" in entry}
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "leases.jsonl"
        journal.write_bytes(b"".join(lines)[:cut])
        assert {lease["lease"] for lease in outstanding(journal)} == expected


def external(folder: Path, apply: str, undo: str) -> Fault:
    return Fault("pod", "external", 0, S, {"apply": apply, "undo": undo, "proof": "true"})


def test_an_external_fault_is_applied_and_undone_by_its_commands(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "leases.jsonl")
    plane = ExternalPlane(leases)
    planned = external(tmp_path, f"touch {tmp_path}/on", f"rm {tmp_path}/on")
    plane.apply(planned)
    assert (tmp_path / "on").exists()
    plane.clear(planned)
    assert not (tmp_path / "on").exists()
    leases.close()
    assert outstanding(tmp_path / "leases.jsonl") == []


def test_a_command_that_fails_is_quoted_with_what_it_said_and_its_lease_stays(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "leases.jsonl")
    plane = ExternalPlane(leases)
    planned = external(tmp_path, "echo no such pod >&2; exit 3", f"touch {tmp_path}/undone")
    with pytest.raises(UsageError, match=r"(?s)pod.*apply.*ended with 3.*no such pod"):
        plane.apply(planned)
    leases.close()
    assert (tmp_path / "undone").exists()
