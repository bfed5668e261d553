"""Clients with one defect in pools, recovery or their own policy: P1, M1, M3, K1, K2."""

from __future__ import annotations

import time
from typing import Any

import gevent
import httpx

from tests.clients.base import READ_S, Client, FallingBack, Retrying, Substitute, retries
from tests.clients.sound_libraries import StandardLibrary


class OnePoolForAll(Client):
    """Sixteen connections for everything: predictions that hang leave none for observes."""

    runs_in, law = ("stalled_predictions",), "P1"
    connections = 16


class OneLockForAll(Client):
    """A limit of eight calls at once, shared by everything."""

    runs_in, law = ("stalled_predictions",), "P1"

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.limit = gevent.lock.BoundedSemaphore(8)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if not self.limit.acquire(timeout=READ_S):
            raise httpx.PoolTimeout("no place left")
        try:
            return super().send(method, path, body)
        finally:
            self.limit.release()


class SulksAfterFailure(Client):
    """After five failures it doesn't look at KATO for half a minute, and promises no breaker."""

    runs_in, law = ("long_return",), "M1"
    failures = 0
    until = 0.0

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if time.monotonic() < self.until:
            raise ConnectionRefusedError("offline")
        try:
            found = super().send(method, path, body)
        except httpx.TransportError:
            self.failures += 1
            if self.failures >= 5:
                self.until = time.monotonic() + 30.0
            raise
        self.failures = 0
        return found


class SlowForEver(Client):
    """Waits longer before each call with every failure, and never takes it back."""

    runs_in, law = ("long_return",), "M1"
    pause = 0.0

    def send(self, method: str, path: str, body: Any = None) -> Any:
        time.sleep(self.pause)
        try:
            return super().send(method, path, body)
        except httpx.TransportError:
            self.pause = min(self.pause + 0.01, 0.3)
            raise


class ReplaysAtOnce(FallingBack):
    """Says which observes it put aside, and sends those of all sessions in one instant when KATO is back."""

    runs_in, law = ("refuse",), "M3"

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.aside: dict[str, list[Any]] = {}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        if path in self.aside:
            return self.put_aside(path, body)
        try:
            found = super().call(op, method, path, body)
        except Exception as error:
            if op != "observe" or not self.unwell(error):
                raise
            return self.put_aside(path, body)
        if not isinstance(found, Substitute):
            waiting, self.aside = self.aside, {}
            for path, bodies in waiting.items():
                gevent.spawn(self.replay, path, bodies)
        return {"queued": False, "answer": found} if op == "observe" else found

    def put_aside(self, path: str, body: Any) -> Substitute:
        self.aside.setdefault(path, []).append(body)
        return Substitute(queued=True, answer=None)

    def replay(self, path: str, bodies: list[Any]) -> None:
        """Send what one session put aside, in its order."""
        for body in bodies:
            self.send("POST", path, body)


class ComesBackTogether(Retrying):
    """Re-tries wait for the same beat, and all go at once when it comes."""

    runs_in, law = ("refuse",), "M3"
    policy = retries(backoff={"initial": 5.0, "multiplier": 1.0, "max": 5.0, "jitter": "full"})

    def wait(self, attempt: int) -> float:
        return 5.0 - time.monotonic() % 5.0


class SaysNothing(StandardLibrary):
    """No word about time-outs, over a transport that shows none (finding 12)."""

    runs_in, law = ("steady",), "K1"
    policy = {"sessions": "one_per_user"}


class SaysAnotherTimeout(Client):
    """Declares a second, and was made with httpx's default of five."""

    runs_in, law = ("steady",), "K2"
    timeout = 5.0
