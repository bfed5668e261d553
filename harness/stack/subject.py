"""A service under test as a child process: started, waited for, measured each second, killed and started again."""

from __future__ import annotations

import contextlib
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.errors import PartMissing
from harness.spool import SAMPLES, SpoolWriter
from harness.stack import process

EVERY_S = 1.0
LOOK_WITHIN_S = 2.0
POLL_S = 0.05
_sample = SAMPLES.struct().pack


@dataclass(slots=True)
class Subject:
    """A running service, `child.name` in messages. `exits` are the ends that nobody here asked for: (time ns, exit
    code); `ended` are the process ids whose end is known."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    log: Path
    child: process.Child
    exits: list[tuple[int, int]] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)

    def start_again(self) -> None:
        """Start it anew after `kill`; returns at once, as an orchestrator would."""
        self.child = process.start(self.child.name, self.command, self.log, env=self.env, cwd=self.folder)

    def kill(self) -> None:
        """SIGKILL, for it and what it started."""
        self.ended.add(self.child.process.pid)
        process.stop(self.child, grace_s=0.0, gently=False)

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        self.look()
        process.stop(self.child)

    def look(self) -> None:
        """Note an end that nobody asked for."""
        pid, code = self.child.process.pid, self.child.process.poll()
        if code is not None and pid not in self.ended:
            self.ended.add(pid)
            self.exits.append((time.monotonic_ns(), code))


def start(
    command: str,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    ready: Callable[[], bool],
    within_s: float,
    name: str = "the subject",
) -> Subject:
    """The service, up; raises PartMissing with its last words when it ends or is not ready within `within_s` s."""
    words = tuple(shlex.split(command))
    child = process.start(name, words, log, env=env, cwd=folder)
    try:
        process.wait_until(child, lambda: ready() or _pause(), within_s)
    except PartMissing:
        process.stop(child)
        raise
    return Subject(words, env, folder, log, child)


def await_other(url: str, ready: Callable[[], bool], within_s: float) -> None:
    """Return when a service that somebody else runs is ready; raises PartMissing when it isn't within `within_s` s."""
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise PartMissing(f"nothing answers 2xx at {url}", "start the service, or give the subject a command")
        _pause()


def _pause() -> bool:
    time.sleep(POLL_S)
    return False


def answers(url: str) -> bool:
    """Whether a GET of `url` is answered with 2xx now, past any proxy of the environment."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=LOOK_WITHIN_S) as reply:
            return 200 <= int(reply.status) < 300
    except (OSError, ValueError, urllib.error.URLError):
        return False


class Meter:
    """Measures a subject and all it started each second, in a thread, until closed; notes its unasked end."""

    def __init__(self, subject: Subject, spool: Path) -> None:
        self._subject = subject
        self._spool = SpoolWriter(spool, "subject")
        self._name = self._spool.text("subject")
        self._ended = threading.Event()
        self._cpu: dict[int, float] = {}
        self._at_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="meter", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the last sample and close the spool."""
        self._ended.set()
        self._thread.join()
        self._row()
        self._spool.close()

    def _run(self) -> None:
        while True:
            self._row()
            self._spool.flush()
            if self._ended.wait(EVERY_S):
                return

    def _row(self) -> None:
        self._subject.look()
        totals = [found for found in map(_usage, _family(self._subject.child.process.pid)) if found]
        now_s = time.monotonic()
        cpu = sum(use.cpu_s - self._cpu.get(use.pid, 0.0) for use in totals) / max(now_s - self._at_s, 1e-3)
        self._at_s = now_s
        self._cpu |= {use.pid: use.cpu_s for use in totals}
        sums = [sum(getattr(use, name) for use in totals) for name in ("descriptors", "threads", "rss", "sockets")]
        descriptors, threads, rss, sockets = sums
        row = (self._name, descriptors, threads, time.monotonic_ns(), 0, rss, cpu, 0.0, 0.0, sockets, 0)
        self._spool.append(_sample(SAMPLES.tag, *row))


@dataclass(frozen=True, slots=True)
class _Use:
    pid: int
    cpu_s: float
    rss: int
    descriptors: int
    threads: int
    sockets: int


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return []


def _usage(one: psutil.Process) -> _Use | None:
    with contextlib.suppress(psutil.Error, OSError), one.oneshot():
        times = one.cpu_times()
        sockets = len(one.net_connections(kind="inet"))
        rss, descriptors = one.memory_info().rss, one.num_fds()
        return _Use(one.pid, times.user + times.system, rss, descriptors, one.num_threads(), sockets)
    return None


def filled(text: str, port: int) -> str:
    """`{port}` and `{python}` in a text replaced."""
    return text.replace("{port}", str(port)).replace("{python}", shlex.quote(sys.executable))
