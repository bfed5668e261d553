"""A process that carries one simulated run: started anew, or forked from one that has everything imported."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.channel import Channel, pair
from harness.errors import HarnessError
from harness.run.parts import failure
from harness.stack import process

READY_WITHIN_S = 60.0
TAIL_LINES = 12
ENV = {"PYTHONHASHSEED": "0"}
"""Sets of texts are walked in the same order in every run."""


@dataclass(slots=True)
class Simulation:
    """Our end of its control channel, its log, and how it is ended: `end(finished)`."""

    channel: Channel
    log: Path
    end: Callable[[bool], object]
    finished: bool = False

    def expect(self, *events: str, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """Its next message, one of `events`; raises what it says instead, or that it said nothing."""
        try:
            message = self.channel.receive(within_s)
        except TimeoutError:
            raise HarnessError(f"the simulation said nothing for {within_s:g} s", f"read {self.log}") from None
        if message is None:
            raise HarnessError(f"the simulation ended early; its last words:\n{self._last_words()}", f"read {self.log}")
        if message["event"] == "failed":
            raise failure(message)
        assert message["event"] in events
        self.finished = message["event"] != "ready"
        return message

    def stop(self) -> None:
        """End it."""
        self.channel.close()
        self.end(self.finished)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:]) or "    (it said nothing)"


Start = Callable[[str, Path], Simulation]
"""(runtime, log) → the process of a run on gevent or asyncio."""


def start_fresh(runtime: str, log: Path) -> Simulation:
    """A process of its own for one run."""
    channel, theirs = pair()
    with theirs:
        number = theirs.fileno()
        command = [sys.executable, "-m", "harness.simulate", str(number)]
        child = process.start("the simulation", command, log, env=ENV, pass_fds=[number])
    return Simulation(channel, log, lambda finished: process.stop(child))


class Zygotes:
    """Processes with everything imported, one for each runtime, that fork a run at a time on demand."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: dict[str, tuple[process.Child, socket.socket]] = {}
        self._asking = threading.Lock()
        self._numbers = itertools.count()

    def start(self, runtime: str, log: Path) -> Simulation:
        """A forked process for one run."""
        channel, theirs = pair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with theirs, log.open("ab") as words, self._asking:
            requests = self._zygote("asyncio" if runtime == "asyncio" else "gevent")
            try:
                socket.send_fds(requests, [str(next(self._numbers)).encode()], [theirs.fileno(), words.fileno()])
                pid = int(requests.recv(32))
            except (OSError, ValueError) as error:
                raise HarnessError(f"the forking process for {runtime} is gone", f"read {self._logs}") from error
        return Simulation(channel, log, lambda finished: None if finished else _kill(pid))

    def close(self) -> None:
        """End them."""
        for child, requests in self._running.values():
            requests.close()
            process.stop(child)
        self._running.clear()

    def _zygote(self, runtime: str) -> socket.socket:
        if runtime not in self._running:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                number = theirs.fileno()
                command = [sys.executable, "-m", "harness.simulate.zygote", str(number), runtime]
                log = self._logs / f"zygote-{runtime}.log"
                child = process.start("the forking process", command, log, env=ENV, pass_fds=[number])
            self._running[runtime] = (child, ours)
        return self._running[runtime][1]


def _kill(pid: int) -> None:
    """End a run that failed or hangs: it holds nothing worth keeping."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
