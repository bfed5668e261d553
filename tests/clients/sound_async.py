"""Sound asynchronous clients of different make: no law may fail any of them."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiobreaker
import aiohttp
import stamina
import tenacity

from tests.clients.asynchronous import AsyncClient
from tests.clients.base import READ_S, RESET_S, Circuit, Retrying, breaks, retries, timeouts

worth = Retrying.worth


class PlainAsyncHttpx(AsyncClient):
    """httpx.AsyncClient, nothing else."""

    runs_in = ("refuse", "hole", "slow", "steady", "lost_reply", "broken_answers")


class PlainAiohttp(AsyncClient):
    """aiohttp.ClientSession with time-outs, made in the first call's loop."""

    runs_in = ("refuse", "hole", "slow", "steady", "lost_reply")
    policy = {"timeout": {"connect": READ_S, "read": READ_S, "total": 2.5}, "sessions": "one_per_user"}
    limits = aiohttp.ClientTimeout(total=2.5, sock_connect=READ_S, sock_read=READ_S)

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session: aiohttp.ClientSession | None = None

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        if self.session is None:
            connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=4.0)
            self.session = aiohttp.ClientSession(self.base_url, timeout=self.limits, connector=connector)
        async with self.session.request(method, path, json=body) as response:
            response.raise_for_status()
            return await response.json()

    async def close(self) -> None:
        if self.session is not None:
            await self.session.close()


class AiohttpRoundsUp(PlainAiohttp):
    """A total above aiohttp's threshold, which it lets end with a whole second of its clock."""

    runs_in = ("hole", "slow")
    policy = {"timeout": {"connect": READ_S, "total": 6.5}, "sessions": "one_per_user"}
    limits = aiohttp.ClientTimeout(total=6.5, sock_connect=READ_S)


class DeadlineOverAll(AsyncClient):
    """asyncio.timeout over the whole call."""

    runs_in = ("drip", "hole", "slow", "steady")
    policy = timeouts(total=2.0)

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        async with asyncio.timeout(2.0):
            return await self.send(method, path, body)


class HedgesReads(AsyncClient):
    """Asks for a prediction a second time when the first takes long."""

    runs_in = ("slow", "steady", "refuse", "lost_reply")

    async def predict(self, session_id: str) -> Any:
        first = asyncio.create_task(super().predict(session_id))
        done, _ = await asyncio.wait([first], timeout=0.2)
        if done:
            return first.result()
        second = asyncio.create_task(super().predict(session_id))
        done, waiting = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return done.pop().result()


class AsyncTenacity(AsyncClient):
    """tenacity's AsyncRetrying, one for each call."""

    runs_in = ("refuse", "burst", "crowd", "lost_reply")
    policy = retries(retry_after="ignore")

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=1.0),
            retry=tenacity.retry_if_exception(lambda error: worth(None, op, error)),  # type: ignore[arg-type]
            reraise=True,
        )
        return await retrying(self.send, method, path, body)


class AsyncStamina(AsyncClient):
    """stamina in an asynchronous client."""

    runs_in = ("refuse", "burst", "lost_reply")
    policy = retries(backoff={"initial": 0.3, "multiplier": 1.0, "max": 0.3, "jitter": "full"}, retry_after="ignore")

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        async for attempt in stamina.retry_context(
            on=lambda error: worth(None, op, error),  # type: ignore[arg-type]
            attempts=3,
            timeout=None,
            wait_initial=0.0,
            wait_jitter=0.3,
            wait_max=0.3,
        ):
            with attempt:
                return await self.send(method, path, body)
        raise AssertionError("the last attempt returns or raises")


class AsyncBreaker(AsyncClient):
    """A breaker by hand around the await."""

    runs_in = ("refuse", "long_refuse", "burst", "slow_return", "slow")
    policy = breaks()

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.circuit = Circuit()

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        turn = self.circuit.admit()
        try:
            found = await self.send(method, path, body)
        except BaseException as error:
            self.circuit.settle(turn, self.circuit.counts(error))
            raise
        self.circuit.settle(turn, False)
        return found


class Aiobreaker(AsyncClient):
    """aiobreaker around the await; a trial keeps the others out."""

    runs_in = ("refuse", "burst", "slow")
    policy = breaks()

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.breaker = aiobreaker.CircuitBreaker(
            fail_max=5, timeout_duration=timedelta(seconds=RESET_S), exclude=[lambda error: not Circuit().counts(error)]
        )

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return await self.breaker.call_async(self.send, method, path, body)
