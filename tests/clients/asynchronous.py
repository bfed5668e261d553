"""Asynchronous clients with one defect: B9, D2, D4, P5, T1."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
import pybreaker

from tests.clients.base import EVERYTHING, READ_S, RESET_S, breaks, retries, timeouts


class AsyncClient:
    """One httpx.AsyncClient for all users, time-outs for every step."""

    runs_in: ClassVar[tuple[str, ...]] = ()
    law: ClassVar[str] = ""
    also: ClassVar[Mapping[str, str]] = {}
    policy: ClassVar[Mapping[str, Any]] = timeouts()
    timeout: ClassVar[Any] = READ_S

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=4.0)
        self.http = httpx.AsyncClient(base_url=base_url, timeout=self.timeout, limits=limits, trust_env=False)

    async def open_session(self, node_id: str) -> str:
        return str((await self.call("open_session", "POST", "/sessions", {"node_id": node_id}))["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self.call("observe", "POST", f"/sessions/{session_id}/observe", dict(observation))

    async def predict(self, session_id: str) -> Any:
        return await self.call("predict", "GET", f"/sessions/{session_id}/predictions")

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return await self.send(method, path, body)

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    async def close(self) -> None:
        await self.http.aclose()


class SyncBreakerOnAsync(AsyncClient):
    """A synchronous breaker around an `async def`: making the coroutine counts as success (finding 7)."""

    runs_in, law = ("refuse",), "B9"
    policy = breaks(counts=EVERYTHING)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=RESET_S)
        self.guarded = self.breaker(self.send)

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return await self.guarded(method, path, body)


class SleepsInItsLoop(AsyncClient):
    """Its short back-off is a time.sleep: until it ends nobody else's call begins, and no answer is read."""

    runs_in, law = ("refuse",), "P5"
    policy = retries(backoff={"initial": 0.04, "multiplier": 2.0, "max": 0.08, "jitter": "full"})

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for attempt in (1, 2):
            try:
                return await self.send(method, path, body)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                time.sleep(random.uniform(0.0, 0.04 * attempt))
        return await self.send(method, path, body)


class NoAsyncTimeout(AsyncClient):
    """An AsyncClient with timeout=None, and no word of it."""

    runs_in, law = ("hole",), "T1"
    policy = {"sessions": "one_per_user"}
    also = {"K1": "there is no time-out to declare or to read"}
    timeout = None


class HedgesWrites(AsyncClient):
    """Sends an observe a second time when the first takes long, as one may do with reads."""

    runs_in, law = ("slow",), "D2"

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        first = asyncio.create_task(super().observe(session_id, observation))
        done, _ = await asyncio.wait([first], timeout=0.2)
        if done:
            return first.result()
        second = asyncio.create_task(super().observe(session_id, observation))
        done, waiting = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*waiting, return_exceptions=True)
        return done.pop().result()


class WritesBehind(AsyncClient):
    """Puts failed observes aside and sends them later, after newer ones of the same session."""

    runs_in, law = ("refuse",), "D4"
    policy = {**timeouts(), "fallback": {"marked": True}}

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        try:
            return {"queued": False, "answer": await super().observe(session_id, observation)}
        except httpx.TransportError:
            self.later = asyncio.create_task(self.replay(session_id, observation))
            return {"queued": True, "answer": None}

    async def replay(self, session_id: str, observation: Mapping[str, Any]) -> None:
        for _ in range(20):
            await asyncio.sleep(3.0)
            try:
                await AsyncClient.observe(self, session_id, observation)
            except httpx.TransportError:
                continue
            return
