"""Sound asynchronous clients of other makes: no law may fail any of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import aiohttp
import circuitbreaker
import httpx
import pybreaker

from tests.clients.asynchronous import AsyncClient
from tests.clients.base import (
    BREAKER,
    NO_PREDICTIONS,
    READ_S,
    RESET_S,
    WRITES,
    Circuit,
    CircuitOpenError,
    Retrying,
    Substitute,
    breaks,
    retries,
    timeouts,
)
from tests.clients.sound_async import PlainAiohttp

worth = Retrying.worth


class AsyncTransportRetries(AsyncClient):
    """httpx.AsyncHTTPTransport(retries=2)."""

    runs_in = ("refuse", "hole", "lost_reply")
    policy = {
        **timeouts(),
        "retry": {
            "max_attempts": 3,
            "on": ["connect_error", "connect_timeout"],
            "calls": ["open_session", "observe", "predict", "learn"],
            "backoff": {"initial": 0.5, "multiplier": 2.0, "jitter": "full"},
        },
    }

    def __init__(self, base_url: str) -> None:
        transport = httpx.AsyncHTTPTransport(retries=2, limits=httpx.Limits(max_connections=200))
        self.http = httpx.AsyncClient(base_url=base_url, timeout=READ_S, transport=transport, trust_env=False)


class RetriesWithinDeadline(AsyncClient):
    """asyncio.timeout over three attempts, each of them cut to what is left."""

    runs_in = ("refuse", "hole", "crowd", "drip", "slow")
    policy = retries(total=3.0, retry_after="ignore")

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        async with asyncio.timeout(3.0):
            for attempt in range(1, 4):
                try:
                    return await self.send(method, path, body)
                except Exception as error:
                    if attempt == 3 or not worth(None, op, error):  # type: ignore[arg-type]
                        raise
                    await asyncio.sleep(random.uniform(0.0, min(0.2 * 2.0 ** (attempt - 1), 1.0)))
        raise AssertionError("the last attempt returns or raises")


class AiohttpRetries(PlainAiohttp):
    """aiohttp, and a loop around it that asks again for reads."""

    runs_in = ("refuse", "hole", "crowd", "lost_reply", "burst")
    policy = {
        "timeout": {"connect": READ_S, "read": READ_S},
        "sessions": "one_per_user",
        "retry": {
            "max_attempts": 3,
            "on": ["connect_error", "timeout", "reset", "protocol_error", "503"],
            "calls": ["open_session", "observe", "predict", "learn"],
            "backoff": {"initial": 0.2, "multiplier": 2.0, "max": 1.0, "jitter": "full"},
            "reraise": True,
        },
        "calls": {op: {"retry": {"on": ["connect_error", "connect_timeout"]}} for op in WRITES},
    }

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        for attempt in range(1, 4):
            try:
                return await self.send(method, path, body)
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt == 3 or not self.safe(op, error):
                    raise
                await asyncio.sleep(random.uniform(0.0, min(0.2 * 2.0 ** (attempt - 1), 1.0)))
        raise AssertionError("the last attempt returns or raises")

    def safe(self, op: str, error: BaseException) -> bool:
        if isinstance(error, aiohttp.ClientResponseError):
            return op not in WRITES and error.status == 503
        return op not in WRITES or isinstance(error, aiohttp.ClientConnectorError)


class AsyncBulkhead(AsyncClient):
    """Twenty calls at once of each operation, and half a second's wait for a place."""

    runs_in = ("steady", "slow", "refuse", "stalled_predictions")
    policy = timeouts(total=2.6)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.places = {op: asyncio.Semaphore(20) for op in ("observe", "predict", "open_session")}

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        async with asyncio.timeout(0.5):
            await self.places[op].acquire()
        try:
            return await super().call(op, method, path, body)
        finally:
            self.places[op].release()


class AsyncFallback(AsyncClient):
    """A breaker, and an empty, marked prediction while it is open or KATO fails."""

    runs_in = ("refuse", "burst", "refusals", "hole")
    policy = {**breaks(), "fallback": {"marked": True}}

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.circuit = Circuit()

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        try:
            return await self.guarded(method, path, body)
        except Exception as error:
            if op == "predict" and (isinstance(error, CircuitOpenError) or self.circuit.counts(error)):
                return Substitute(NO_PREDICTIONS)
            raise

    async def guarded(self, method: str, path: str, body: Any) -> Any:
        turn = self.circuit.admit()
        try:
            found = await self.send(method, path, body)
        except BaseException as error:
            self.circuit.settle(turn, self.circuit.counts(error))
            raise
        self.circuit.settle(turn, False)
        return found

    def degraded(self, result: Any) -> bool:
        return isinstance(result, Substitute)


class AsyncCircuitbreaker(AsyncClient):
    """The circuitbreaker library's decorator around an `async def`."""

    runs_in = ("refuse", "long_refuse", "burst")
    policy = {**timeouts(), "breaker": {**BREAKER, "half_open_trials": 100}}

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = circuitbreaker.CircuitBreaker(
            failure_threshold=5,
            recovery_timeout=RESET_S,  # type: ignore[arg-type]
            expected_exception=lambda kind, error: bool(Circuit().counts(error)),
        )
        self.guarded = self.breaker.decorate(self.send)

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return await self.guarded(method, path, body)


class PybreakerReplayed(AsyncClient):
    """pybreaker told of outcomes after the await, so that its lock is never held and coroutines count."""

    runs_in = ("refuse", "burst", "slow")
    policy = breaks()

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = pybreaker.CircuitBreaker(
            fail_max=5,
            reset_timeout=RESET_S,
            exclude=[lambda error: not Circuit().counts(error)],
            throw_new_error_on_trip=False,
        )
        self.opened = 0.0

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        now = asyncio.get_running_loop().time()
        if self.breaker.current_state == pybreaker.STATE_OPEN and now - self.opened < RESET_S:
            raise pybreaker.CircuitBreakerError("open")
        try:
            found = await self.send(method, path, body)
        except Exception as error:
            self.tell(error)
            raise
        self.tell(None)
        return found

    def tell(self, error: Exception | None) -> None:
        """Replay an outcome; those of calls begun before it opened are none of its business."""
        loop = asyncio.get_running_loop()
        before = self.breaker.current_state
        if before == pybreaker.STATE_OPEN and loop.time() - self.opened < RESET_S:
            return

        def outcome() -> None:
            if error is not None:
                raise error

        try:
            self.breaker.call(outcome)
        except Exception as replayed:
            if replayed is not error:
                raise
        if self.breaker.current_state == pybreaker.STATE_OPEN:
            self.opened = loop.time()


class LimitsItsRate(AsyncClient):
    """A token bucket of its own keeps it under a hundred requests a second."""

    runs_in = ("steady", "refuse", "hole")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.next = 0.0

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        now = asyncio.get_running_loop().time()
        self.next = max(self.next + 0.01, now)
        if self.next > now:
            await asyncio.sleep(self.next - now)
        return await super().call(op, method, path, body)


class SharesOneRead(AsyncClient):
    """Concurrent predictions of one session share a single request."""

    runs_in = ("steady", "refuse", "stalled_predictions")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.asked: dict[str, asyncio.Future[Any]] = {}

    async def predict(self, session_id: str) -> Any:
        if session_id in self.asked:
            return await self.asked[session_id]
        task = asyncio.ensure_future(super().predict(session_id))
        self.asked[session_id] = task
        try:
            return await task
        finally:
            self.asked.pop(session_id, None)


class OwnsSessionsAsync(AsyncClient):
    """Opens a user's session once, whoever asks first, and keeps it."""

    runs_in = ("steady", "refuse", "lost_reply")
    open_session = None  # type: ignore[assignment]

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.sessions: dict[str, str] = {}
        self.locks: dict[str, asyncio.Lock] = {}

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await super().observe(await self.session(session_id), observation)

    async def predict(self, session_id: str) -> Any:
        return await super().predict(await self.session(session_id))

    async def session(self, user: str) -> str:
        async with self.locks.setdefault(user, asyncio.Lock()):
            if user not in self.sessions:
                found = await self.send("POST", "/sessions", {"node_id": user})
                self.sessions[user] = str(found["session_id"])
            return self.sessions[user]
