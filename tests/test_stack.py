"""Children start, are waited for, end, and never outlive the process that started them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from harness.errors import PartMissing
from harness.stack import process
from harness.stack.ports import FIRST, ephemeral_first, free_port

LIMIT_S = 10.0
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]
FAMILY = [
    sys.executable,
    "-c",
    "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()",
]


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def said(child: process.Child) -> str:
    return child.log.read_text() if child.log.exists() else ""


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_child_is_ready_when_it_says_so_and_ends_when_told(tmp_path: Path) -> None:
    child = process.start("sleeper", SLEEPER, tmp_path / "logs" / "sleeper.log")
    process.wait_until(child, lambda: "up" in said(child), LIMIT_S)
    assert child.alive
    assert process.stop(child) == -signal.SIGTERM
    assert not child.alive


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    child = process.start("stubborn", STUBBORN, tmp_path / "log")
    process.wait_until(child, lambda: "up" in said(child), LIMIT_S)
    assert process.stop(child, grace_s=0.05) == -signal.SIGKILL


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    child = process.start("family", FAMILY, tmp_path / "log")
    process.wait_until(child, lambda: said(child).endswith("\n"), LIMIT_S)
    grandchild = int(said(child))
    process.stop(child)
    wait_until(lambda: gone(grandchild))


def test_a_child_that_ends_before_it_is_ready_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = process.start("brief", ["sh", "-c", "echo no such flag; exit 3"], tmp_path / "log")
    with pytest.raises(PartMissing, match=r"(?s)brief ended with code 3.*no such flag") as caught:
        process.wait_until(child, lambda: False, LIMIT_S)
    assert str(tmp_path / "log") in caught.value.cure


def test_a_child_that_is_never_ready_is_told_after_the_deadline(tmp_path: Path) -> None:
    child = process.start("slow", SLEEPER, tmp_path / "log")
    with pytest.raises(PartMissing, match=r"slow was not ready within 0\.05 s"):
        process.wait_until(child, lambda: False, 0.05)
    process.stop(child)


def test_a_program_that_is_not_there_is_told_by_its_log(tmp_path: Path) -> None:
    child = process.start("absent", ["/no/such/program"], tmp_path / "log")
    with pytest.raises(PartMissing, match="No such file"):
        process.wait_until(child, lambda: False, LIMIT_S)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise a priority")
def test_what_a_preferred_child_started_is_preferred_too(tmp_path: Path) -> None:
    child = process.start("family", FAMILY, tmp_path / "log")
    process.wait_until(child, lambda: said(child).endswith("\n"), LIMIT_S)
    process.prefer(child)
    family = [child.process.pid, int(said(child))]
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in family] == [process.PRIORITY, process.PRIORITY]
    process.stop(child)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    started: list[process.Child] = []
    thread = threading.Thread(target=lambda: started.append(process.start("kept", SLEEPER, tmp_path / "log")))
    thread.start()
    thread.join()
    process.wait_until(started[0], lambda: "up" in said(started[0]), LIMIT_S)
    assert started[0].alive
    process.stop(started[0])


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from harness.stack import process;"
        "child = process.start('orphan', ['sleep', '60'], Path(sys.argv[1]));"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        assert not gone(orphan)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: gone(orphan))


def test_a_free_port_is_outside_the_range_of_outgoing_connections() -> None:
    port = free_port()
    assert FIRST <= port < ephemeral_first()
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("harness.stack.ports.random.sample", lambda population, count: [port])
        with pytest.raises(PartMissing, match="no free port"):
            free_port()
