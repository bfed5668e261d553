"""Child processes by command line: a session of their own, a log of what they say, an end with the parent's."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PartMissing

TETHER = str(Path(__file__).with_name("tether.py"))
POLL_S = 0.005
LOG_TAIL_LINES = 8
PRIORITY = -15

STARTER = ThreadPoolExecutor(1, thread_name_prefix="starter")
"""The thread that starts children. It lives as long as the process, and a tie to the parent is one to its thread."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child: what it is called in messages, its process, and the file that has its stdout and stderr."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def alive(self) -> bool:
        """True until it has ended."""
        return self.process.poll() is None

    def last_words(self) -> str:
        """The end of its log, for error messages."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:]) or "    (it said nothing)"


def start(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start `command` in its own session; on Linux it dies when this process does, however that ends.

    `env` is added to this process's environment. Raises PartMissing when the program can't be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    tied = [sys.executable, "-I", "-S", TETHER, str(os.getpid()), *command]
    with log.open("ab") as words:
        process = STARTER.submit(
            subprocess.Popen,
            tied,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            pass_fds=pass_fds,
            start_new_session=True,
        ).result()
    return Child(name, process, log)


def prefer(child: Child) -> None:
    """Raise the priority of a child that measures, where this is allowed (root): a busy neighbour then delays its own
    work, not the measuring.

    Of its processes within their session, and of the session among others (sched(7), "The autogroup feature").
    """
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.setpriority(os.PRIO_PGRP, child.process.pid, PRIORITY)
    with contextlib.suppress(OSError):
        Path(f"/proc/{child.process.pid}/autogroup").write_text(str(PRIORITY))


def wait_until(child: Child, ready: Callable[[], bool], within_s: float) -> None:
    """Return when `ready()`; raises PartMissing when the child ends first or `within_s` seconds have passed."""
    deadline = time.monotonic() + within_s
    while not ready():
        if not child.alive:
            what = f"{child.name} ended with code {child.process.returncode} before it was ready; its last words:"
            raise PartMissing(f"{what}\n{child.last_words()}", f"read {child.log}")
        if time.monotonic() > deadline:
            what = f"{child.name} was not ready within {within_s:g} s; its last words:\n{child.last_words()}"
            raise PartMissing(what, f"read {child.log}; a slow or busy machine may need a second try")
        time.sleep(POLL_S)


def stop(child: Child, grace_s: float = 3.0, gently: bool = True) -> int:
    """End the child's whole session: SIGTERM, and SIGKILL for what is left after `grace_s` s. Its exit code.

    Not `gently`: SIGKILL at once.
    """
    if child.alive and gently:
        _signal_group(child, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(grace_s)
    _signal_group(child, signal.SIGKILL)
    return child.process.wait()


def _signal_group(child: Child, number: signal.Signals) -> None:
    """Signal the child's process group; its number is its leader's id and stays taken while a member lives."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)
