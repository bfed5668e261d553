"""Hooks see every attempt of an unchanged client: refused, lost, re-sent and redirected ones, each once."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import urllib3
from loopback import Attempts, Server

from harness.integrations import build, resolve
from harness.load import hooks
from harness.load.frame import CURRENT, Frame

Get = Callable[[str], object]


@pytest.fixture
def kato() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    recorder = Attempts()
    hooks.install(recorder)
    yield recorder
    hooks.uninstall()


@pytest.fixture
def frame() -> Iterator[Frame]:
    """Call 7 is under way."""
    current = Frame(7)
    token = CURRENT.set(current)
    yield current
    CURRENT.reset(token)


def get_httpx(url: str) -> object:
    with httpx.Client(timeout=0.3, follow_redirects=True) as client:
        return client.get(url).json()


def get_httpx_async(url: str) -> object:
    async def get() -> object:
        async with httpx.AsyncClient(timeout=0.3, follow_redirects=True) as client:
            return (await client.get(url)).json()

    return asyncio.run(get())


def get_requests(url: str) -> object:
    with requests.Session() as session:
        return session.get(url, timeout=0.3).json()


def get_urllib3(url: str) -> object:
    with urllib3.PoolManager(retries=urllib3.Retry(3, connect=0, read=0), timeout=0.3) as pool:
        return pool.request("GET", url).json()


def get_aiohttp(url: str) -> object:
    async def get() -> object:
        timeout = aiohttp.ClientTimeout(sock_read=0.3)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            return await response.json()

    return asyncio.run(get())


CLIENTS = {
    "httpx": get_httpx,
    "httpx_async": get_httpx_async,
    "urllib3": get_urllib3,
    "requests": get_requests,
    "aiohttp": get_aiohttp,
}
each_client = pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())


@each_client
def test_an_answered_attempt_is_recorded_once_with_its_call(
    get: Get, kato: Server, attempts: Attempts, frame: Frame
) -> None:
    """One row: call, number, status, times in order, a local port, and the same number in the header."""
    get(kato.url + "/x")
    (row,) = attempts.rows
    assert (row.call, row.attempt, row.result, row.status) == (7, 1, "", 200)
    assert 0 < row.start_ns < row.headers_ns <= row.end_ns
    assert row.connection > 0 and not row.reused
    assert [seen.headers["x-kato-attempt"] for seen in kato.seen] == ["7.1"]
    assert frame.served


@each_client
def test_a_users_headers_go_on_each_of_its_requests(get: Get, kato: Server, attempts: Attempts) -> None:
    """They say whose call it is, and beat the client's own."""
    token = CURRENT.set(Frame(8, {"x-user-id": "premium-1"}))
    try:
        get(kato.url + "/x")
    finally:
        CURRENT.reset(token)
    assert [seen.headers["x-user-id"] for seen in kato.seen] == ["premium-1"]


@each_client
def test_a_request_outside_any_call_carries_no_header(get: Get, kato: Server, attempts: Attempts) -> None:
    """Requests that work for no call are recorded with call 0 and go out unmarked."""
    get(kato.url + "/x")
    assert [row.call for row in attempts.rows] == [0]
    assert "x-kato-attempt" not in kato.seen[0].headers


@each_client
def test_what_a_call_started_and_outlived_it_works_for_nobody(
    get: Get, kato: Server, attempts: Attempts, frame: Frame
) -> None:
    """A worker that the first call started serves all others: its requests bear no name once that call has ended."""
    frame.over = True
    get(kato.url + "/x")
    assert [row.call for row in attempts.rows] == [0]
    assert "x-kato-attempt" not in kato.seen[0].headers


FAILURES = [("drop", "reset"), ("reset", "reset"), ("hang", "read_timeout"), ("truncate", "protocol_error")]


@each_client
@pytest.mark.parametrize(("fate", "word"), FAILURES)
def test_a_lost_attempt_is_recorded_with_its_reason(
    get: Get, fate: str, word: str, kato: Server, attempts: Attempts, frame: Frame
) -> None:
    """Cut, reset, unanswered and truncated tries are seen, and none of them makes the call succeed."""
    kato.next(fate, fate)  # aiohttp re-sends a lost GET once
    with pytest.raises(Exception):  # noqa: B017 - each library raises its own
        get(kato.url + "/x")
    assert {row.result for row in attempts.rows} == {word}
    assert [row.attempt for row in attempts.rows] == list(range(1, len(kato.seen) + 1))
    assert not frame.served


@each_client
def test_a_refused_connect_is_an_attempt(get: Get, kato: Server, attempts: Attempts, frame: Frame) -> None:
    """What never reaches a server is seen all the same."""
    with pytest.raises(Exception):  # noqa: B017 - each library raises its own
        get(kato.closed_url)
    assert attempts.results == [("connect_error", 0)]
    assert attempts.rows[0].headers_ns == 0


@each_client
def test_each_redirect_is_an_attempt(get: Get, kato: Server, attempts: Attempts, frame: Frame) -> None:
    """A redirected call has an attempt a request, on one connection."""
    kato.next("moved")
    get(kato.url + "/x")
    assert [(row.attempt, row.status, row.reused) for row in attempts.rows] == [(1, 302, False), (2, 200, True)]
    assert len({row.connection for row in attempts.rows}) == 1
    assert [seen.headers["x-kato-attempt"] for seen in kato.seen] == ["7.1", "7.2"]


@each_client
def test_an_attempt_ends_with_its_body(get: Get, kato: Server, attempts: Attempts, frame: Frame) -> None:
    """A dripped body counts: the end is the last byte's, not the first one's."""
    kato.next("drip:0.002")
    get(kato.url + "/x")
    (row,) = attempts.rows
    assert row.end_ns - row.start_ns > 0.1e9


def test_urllib3s_own_resends_are_attempts(kato: Server, attempts: Attempts, frame: Frame) -> None:
    """A Retry of urllib3 repeats below the client; each try has its number, here and in the header."""
    kato.next("503", "drop")
    retry = urllib3.Retry(3, status_forcelist=[503], backoff_factor=0)
    with requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        session.get(kato.url + "/x")
    assert attempts.results == [("", 503), ("reset", 0), ("", 200)]
    assert [seen.headers["x-kato-attempt"] for seen in kato.seen] == ["7.1", "7.2", "7.3"]


def test_an_attempt_of_urllib3_begins_with_the_wait_for_its_pool(
    kato: Server, attempts: Attempts, frame: Frame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As httpx' and aiohttp's do: the one connection is given back while a call waits. Giving up is an attempt, too."""
    asked, released = threading.Event(), list[int]()

    class Told(queue.LifoQueue[object]):
        def get(self, *how: Any, **more: Any) -> object:
            asked.set()
            return super().get(*how, **more)

    monkeypatch.setattr(urllib3.connectionpool.HTTPConnectionPool, "QueueCls", Told)
    with urllib3.PoolManager(maxsize=1, block=True, retries=False) as pool, ThreadPoolExecutor() as threads:
        kept = pool.request("GET", kato.url, preload_content=False)
        with pytest.raises(urllib3.exceptions.EmptyPoolError):
            pool.request("GET", kato.url, pool_timeout=0.05)
        asked.clear()

        def release() -> None:
            asked.wait()
            released.append(time.monotonic_ns())
            kept.drain_conn()

        threads.submit(release)
        pool.request("GET", kato.url)
    (full,) = [row for row in attempts.rows if row.result]
    assert (full.result, full.end_ns - full.start_ns >= 50_000_000) == ("pool_timeout", True)
    assert attempts.rows[-1].start_ns <= released[0]


def test_connects_that_httpx_repeats_are_attempts(kato: Server, attempts: Attempts, frame: Frame) -> None:
    """`HTTPTransport(retries=2)` connects three times; the refusals are seen, with numbers of their own, and the half
    second before the last is a wait between two of them."""
    with httpx.Client(transport=httpx.HTTPTransport(retries=2)) as client, pytest.raises(httpx.ConnectError):
        client.get(kato.closed_url)
    assert attempts.results == [("connect_error", 0)] * 3
    assert {row.attempt for row in attempts.rows} == {1, 2, 3}
    *_, before, last = sorted(attempts.rows, key=lambda row: row.start_ns)
    assert last.start_ns - before.end_ns > 400_000_000


def test_a_full_pool_is_an_attempt_that_timed_out(kato: Server, attempts: Attempts, frame: Frame) -> None:
    """A try that got no connection from httpx's pool is a pool_timeout."""
    limits = httpx.Limits(max_connections=1)
    client = httpx.Client(limits=limits, timeout=httpx.Timeout(1, pool=0.01))
    with client, client.stream("GET", kato.url + "/x"), pytest.raises(httpx.PoolTimeout):
        client.get(kato.url + "/x")
    assert {row.result for row in attempts.rows} == {"pool_timeout", ""}


def test_a_trace_of_the_clients_own_still_hears(kato: Server, attempts: Attempts) -> None:
    """A client that sets httpcore's trace extension itself gets its events."""
    heard: list[str] = []
    with httpx.Client() as client:
        client.get(kato.url + "/x", extensions={"trace": lambda name, info: heard.append(name)})
    assert "http11.receive_response_headers.complete" in heard


def test_a_reused_connection_is_known(kato: Server, attempts: Attempts) -> None:
    """The second request on a pooled connection is marked reused, on the same local port."""
    with httpx.Client() as client, requests.Session() as session:
        for _ in range(2):
            client.get(kato.url + "/x")
            session.get(kato.url + "/x")
    by_via = {via: [row for row in attempts.rows if row.via == via] for via in ("httpx", "urllib3")}
    for rows in by_via.values():
        assert [row.reused for row in rows] == [False, True]
        assert rows[0].connection == rows[1].connection


def test_a_body_that_nobody_reads_ends_when_it_is_closed(kato: Server, attempts: Attempts) -> None:
    """A streamed answer that is dropped unread is recorded when the client closes it."""
    with httpx.Client() as client, client.stream("GET", kato.url + "/x"):
        assert attempts.rows == []
    with requests.Session() as session, session.get(kato.url + "/x", stream=True):
        assert len(attempts.rows) == 1
    assert attempts.results == [("", 200), ("", 200)]


def test_the_call_goes_along_into_threads(kato: Server, attempts: Attempts, frame: Frame) -> None:
    """A hedging client's executor and threads work for the call that started them."""
    with ThreadPoolExecutor(2) as pool:
        pool.submit(get_httpx, kato.url + "/x").result()
        pool.submit(get_requests, kato.url + "/x").result()
    thread = threading.Thread(target=get_httpx, args=(kato.url + "/x",))
    thread.start()
    thread.join()
    assert [(row.call, row.attempt) for row in attempts.rows] == [(7, 1), (7, 2), (7, 3)]


def test_calls_in_flight_at_once_keep_their_numbers(kato: Server, attempts: Attempts) -> None:
    """Attempts of concurrent tasks belong to the call of their task."""

    async def call(client: httpx.AsyncClient, number: int) -> None:
        CURRENT.set(Frame(number))
        await client.get(kato.url + "/x")
        await client.get(kato.url + "/x")

    async def calls() -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(asyncio.create_task(call(client, number)) for number in range(1, 9)))

    asyncio.run(calls())
    expected = {(call, number) for call in range(1, 9) for number in (1, 2)}
    assert {(row.call, row.attempt) for row in attempts.rows} == expected
    assert {seen.headers["x-kato-attempt"] for seen in kato.seen} == {f"{call}.{number}" for call, number in expected}


def test_a_cancelled_task_cancels_its_attempt(kato: Server, attempts: Attempts) -> None:
    """A client that gives up by cancelling leaves an attempt with result cancelled."""
    kato.next("hang")

    async def give_up() -> None:
        async with httpx.AsyncClient() as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.get(kato.url + "/x"), 0.1)

    asyncio.run(give_up())
    assert attempts.results == [("cancelled", 0)]


def test_what_is_open_at_the_end_of_the_drain_is_cancelled(kato: Server, attempts: Attempts) -> None:
    """An attempt that never ends is recorded as cancelled, once."""
    with httpx.Client() as client, client.stream("GET", kato.url + "/x"):
        assert hooks.cancel_open() == 1
    assert attempts.results == [("cancelled", 200)]


def test_installing_twice_hooks_once(kato: Server, attempts: Attempts) -> None:
    """A second install changes the recorder and doubles nothing; uninstall leaves no trace."""
    later = Attempts()
    assert hooks.install(later) == ("httpx", "httpx_async", "urllib3", "aiohttp")
    get_httpx(kato.url + "/x")
    hooks.uninstall()
    get_httpx(kato.url + "/x")
    assert (len(attempts.rows), len(later.rows)) == (0, 1)


def test_the_injected_clock_stamps_attempts(kato: Server) -> None:
    """Times come from the clock given to install."""
    ticks = iter(range(1, 100))
    recorder = Attempts()
    hooks.install(recorder, lambda: next(ticks))
    get_httpx(kato.url + "/x")
    hooks.uninstall()
    (row,) = recorder.rows
    assert (row.start_ns, row.headers_ns, row.end_ns) == (1, 2, 3)


def test_hooks_go_in_when_a_client_is_imported_and_before_it_is_made(tmp_path: Path) -> None:
    """An instrumentation may keep a transport's method as it finds it."""
    file = tmp_path / "keeps_a_method.py"
    methods = "    def observe(self, session_id, observation): pass\n    def predict(self, session_id): pass\n"
    file.write_text(f"made = []\nclass Client:\n    def __init__(self, base_url): made.append(base_url)\n{methods}")
    seen: list[list[str]] = []
    build(resolve(f"{file}:Client"), "http://kato", {}, lambda: seen.append(list(sys.modules["keeps_a_method"].made)))
    assert (seen, sys.modules["keeps_a_method"].made) == ([[]], ["http://kato"])
