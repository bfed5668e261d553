"""Sound clients of unusual shape: owners of sessions, factories, bulkheads, caches. No law may fail any of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, ClassVar

import gevent.lock
import httpx

from tests.clients.base import (
    READ_S,
    Client,
    FallingBack,
    Plain,
    Substitute,
    timeouts,
)


class OwnsItsSessions(Plain):
    """Opens a user's session with the first call, keeps it, and opens a new one only after a 404."""

    runs_in = ("steady", "refuse", "hole", "lost_reply", "burst")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.sessions: dict[str, str] = {}
        self.locks: dict[str, gevent.lock.RLock] = {}

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(self.session(session_id), observation)

    def predict(self, session_id: str) -> Any:
        return super().predict(self.session(session_id))

    def session(self, user: str) -> str:
        with self.locks.setdefault(user, gevent.lock.RLock()):
            if user not in self.sessions:
                self.sessions[user] = str(self.send("POST", "/sessions", {"node_id": user})["session_id"])
            return self.sessions[user]


class MadeByFactory:
    """Functions in a namespace: nothing of it is a class of its own."""

    runs_in: ClassVar[tuple[str, ...]] = ("refuse", "hole", "steady")
    law: ClassVar[str] = ""
    also: ClassVar[Mapping[str, str]] = {}

    def __new__(cls, base_url: str, headers: Mapping[str, str] | None = None) -> Any:  # type: ignore[misc]
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
        client = httpx.Client(base_url=base_url, timeout=READ_S, limits=limits, headers=dict(headers or {}))

        def post(path: str, body: Any) -> Any:
            return client.post(path, json=body).raise_for_status().json()

        return SimpleNamespace(
            policy=timeouts(),
            open_session=lambda node_id: post("/sessions", {"node_id": node_id})["session_id"],
            observe=lambda session_id, observation: post(f"/sessions/{session_id}/observe", dict(observation)),
            predict=lambda session_id: client.get(f"/sessions/{session_id}/predictions").raise_for_status().json(),
            close=client.close,
        )


class LimitForEachOperation(Client):
    """A bulkhead: eight predictions at once, sixty observes; who finds no place is told at once."""

    runs_in = ("stalled_predictions", "steady", "refuse", "slow")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.places = {"predict": gevent.lock.BoundedSemaphore(8), "observe": gevent.lock.BoundedSemaphore(60)}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        place = self.places.get(op)
        if place is None:
            return super().call(op, method, path, body)
        if not place.acquire(blocking=False):
            raise RuntimeError(f"too many calls of {op}")
        try:
            return super().call(op, method, path, body)
        finally:
            place.release()


class LastGoodPrediction(FallingBack):
    """Where KATO is unwell it shows a user's last prediction again, and says so."""

    runs_in = ("refuse", "burst", "hole", "refusals", "stalled_predictions")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.last: dict[str, Mapping[str, Any]] = {}

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        found = super().call(op, method, path, body)
        if op != "predict":
            return found
        if isinstance(found, Substitute):
            return Substitute(self.last.get(path, found))
        self.last[path] = found
        return found


class WorksInThreads(Client):
    """A pool of threads sends; the caller waits for two seconds at most."""

    runs_in = ("steady", "refuse", "hole", "slow", "lost_reply")
    policy = timeouts(total=2.0)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.threads = ThreadPoolExecutor(100)

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return self.threads.submit(self.send, method, path, body).result(timeout=2.0)

    def close(self) -> None:
        super().close()
        self.threads.shutdown(wait=False)


class ConnectionForEachThread(Client):
    """An httpx.Client for each thread that calls, by threading.local."""

    runs_in = ("steady", "refuse", "hole")

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.own = threading.local()
        self.all: list[httpx.Client] = []

    def send(self, method: str, path: str, body: Any = None) -> Any:
        if not hasattr(self.own, "http"):
            self.own.http = httpx.Client(base_url=self.base_url, timeout=READ_S, trust_env=False)
            self.all.append(self.own.http)
        response = self.own.http.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    def close(self) -> None:
        for client in self.all:
            client.close()
