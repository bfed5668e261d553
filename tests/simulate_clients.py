"""Plain clients of different make for virtual time: each as somebody would write it, none knows of the harness."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any


class Sync:
    """A client of `def` methods over `send(method, path, body) -> (status, decoded body)`."""

    policy: Mapping[str, Any] = {"timeout": {"connect": 1.0, "read": 1.0}}

    def __init__(self, send: Callable[[str, str, Any], Any]) -> None:
        self._send = send

    def open_session(self, node_id: str) -> str:
        return str(self._send("POST", "/sessions", {"node_id": node_id})["session_id"])

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return self._send("POST", f"/sessions/{session_id}/observe", observation)

    def predict(self, session_id: str) -> Any:
        return self._send("GET", f"/sessions/{session_id}/predictions", None)


class Async:
    """The same with `async def`."""

    policy = Sync.policy

    def __init__(self, send: Callable[[str, str, Any], Any]) -> None:
        self._send = send

    async def open_session(self, node_id: str) -> str:
        return str((await self._send("POST", "/sessions", {"node_id": node_id}))["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self._send("POST", f"/sessions/{session_id}/observe", observation)

    async def predict(self, session_id: str) -> Any:
        return await self._send("GET", f"/sessions/{session_id}/predictions", None)


def _httpx_send(base_url: str) -> Callable[[str, str, Any], Any]:
    import httpx

    client = httpx.Client(base_url=base_url, timeout=1.0, verify=False)

    def send(method: str, path: str, body: Any) -> Any:
        # an id from the operating system's entropy, which ends up in the evidence
        response = client.request(method, path, json=body, headers={"idempotency-key": uuid.uuid4().hex})
        response.raise_for_status()
        return response.json()

    return send


def by_httpx(base_url: str) -> Sync:
    return Sync(_httpx_send(base_url))


def by_requests(base_url: str) -> Sync:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    # few connections and a blocking pool: threads wait for each other inside urllib3
    retry = Retry(total=2, backoff_factor=0.1, backoff_jitter=0.1, status_forcelist=[503], allowed_methods=None)
    session.mount("http://", HTTPAdapter(pool_maxsize=2, pool_block=True, max_retries=retry))

    def send(method: str, path: str, body: Any) -> Any:
        response = session.request(method, base_url + path, json=body, timeout=(1.0, 1.0))
        response.raise_for_status()
        return response.json()

    return Sync(send)


def by_tenacity(base_url: str) -> Sync:
    import httpx
    from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    often = retry(
        retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_attempt(4), wait=wait_random_exponential(0.2, 2)
    )
    return Sync(often(_httpx_send(base_url)))


def by_pybreaker(base_url: str) -> Sync:
    import pybreaker

    return Sync(pybreaker.CircuitBreaker(fail_max=3, reset_timeout=2)(_httpx_send(base_url)))


def by_async_httpx(base_url: str) -> Async:
    import httpx

    client = httpx.AsyncClient(base_url=base_url, timeout=1.0, verify=False)

    async def send(method: str, path: str, body: Any) -> Any:
        async with asyncio.timeout(1.5):
            response = await client.request(method, path, json=body)
        response.raise_for_status()
        return response.json()

    return Async(send)


def by_aiohttp(base_url: str) -> Async:
    import aiohttp

    session = aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(total=1.0))

    async def send(method: str, path: str, body: Any) -> Any:
        for turn in range(3):
            async with session.request(method, path, json=body) as response:
                if response.status < 500:
                    return await response.json()
            await asyncio.sleep(random.uniform(0, 0.2 * 2**turn))
        raise RuntimeError("three answers of 5xx")

    client = Async(send)
    client.close = session.close  # type: ignore[attr-defined]
    return client


def by_aiobreaker(base_url: str) -> Async:
    from datetime import timedelta

    import aiobreaker

    breaker = aiobreaker.CircuitBreaker(fail_max=3, timeout_duration=timedelta(seconds=2))
    return Async(breaker(by_async_httpx(base_url)._send))


GOOD = (by_httpx, by_requests, by_tenacity, by_pybreaker, by_async_httpx, by_aiohttp, by_aiobreaker)


def with_pauses(base_url: str) -> Sync:
    """Waits in every way that the standard library has, on virtual time: 2,000 s a call."""
    import queue

    empty: queue.Queue[None] = queue.Queue()

    send = _httpx_send(base_url)

    def slow(method: str, path: str, body: Any) -> Any:
        began = time.monotonic()
        fired = threading.Event()
        threading.Timer(500, fired.set).start()
        fired.wait()
        with contextlib.suppress(queue.Empty):
            empty.get(timeout=500)
        condition = threading.Condition()
        with condition:
            condition.wait(500)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(time.sleep, 500).result()
        assert abs(time.monotonic() - began - 2000) < 1e-6
        return send(method, path, body)

    return Sync(slow)


def with_async_pauses(base_url: str) -> Async:
    """The same with asyncio, anyio and a time.sleep that stalls the loop."""
    import anyio

    inner = by_async_httpx(base_url)._send

    async def slow(method: str, path: str, body: Any) -> Any:
        began = time.monotonic()
        try:
            async with asyncio.timeout(500):
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        with anyio.move_on_after(500):
            await anyio.sleep(2000)
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 500)
        time.sleep(500)
        assert abs(time.monotonic() - began - 2000) < 1e-6
        return await inner(method, path, body)

    return Async(slow)


def with_a_blocking_socket(base_url: str) -> Async:
    """Calls requests in its event loop."""
    sync = by_requests(base_url)

    async def send(method: str, path: str, body: Any) -> Any:
        return sync._send(method, path, body)

    return Async(send)


def with_a_thread(base_url: str) -> Async:
    """Has a thread beside its event loop."""

    async def send(method: str, path: str, body: Any) -> Any:
        threading.Thread(target=time.sleep, args=(1,)).start()

    return Async(send)


def with_a_foreign_clock(base_url: str) -> Sync:
    """Has loaded a package with a clock of its own by the time it is called."""

    def send(method: str, path: str, body: Any) -> Any:
        sys.modules["pycurl"] = sys
        raise RuntimeError("no")

    return Sync(send)
