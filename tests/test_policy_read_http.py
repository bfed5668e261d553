"""Promises read from HTTP libraries' live objects: time-outs, limits, and re-tries of transports."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import httpx
import pytest
import requests
import urllib3
from policy_holders import read
from requests.adapters import HTTPAdapter


def test_httpx_defaults_are_read() -> None:
    """An httpx.Client that was told nothing waits five seconds for each step."""
    with httpx.Client() as client:
        assert read(client)["timeout"] == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
        assert read(client)["limits"] == {"max_connections": 100}


def test_httpx_steps_limits_and_transport_retries_are_read() -> None:
    """Each step for itself, None left out; the transport's retries are attempts on connecting."""
    transport = httpx.HTTPTransport(retries=2, limits=httpx.Limits(max_connections=7))
    with httpx.Client(transport=transport, timeout=httpx.Timeout(1, read=None)) as client:
        policy = read(client)
    assert policy["timeout"] == {"connect": 1.0, "write": 1.0, "pool": 1.0}
    assert policy["limits"] == {"max_connections": 7}
    assert (policy["retry"]["max_attempts"], policy["retry"]["on"]) == (3, ["connect_error", "connect_timeout"])


def test_a_requests_session_promises_no_timeout() -> None:
    """requests waits for ever, and its adapters retry nothing unless told."""
    with requests.Session() as session:
        assert read(session) == {}


def test_a_requests_adapter_with_retries_and_timeout_is_read() -> None:
    """urllib3's Retry on an adapter, and the adapter that carries a time-out, as many have it."""

    class TimeoutAdapter(HTTPAdapter):
        def __init__(self, timeout: tuple[float, float], **more: Any) -> None:
            self.timeout = timeout
            super().__init__(**more)

    retry = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0.25, backoff_max=4)
    with requests.Session() as session:
        session.mount("http://", TimeoutAdapter((1, 2), max_retries=retry))
        policy = read(session)
    assert policy["timeout"] == {"connect": 1.0, "read": 2.0}
    reads, writes = (policy["calls"][op]["retry"] for op in ("predict", "observe"))
    assert (reads["max_attempts"], reads["retry_after"]) == (3, "honour")
    assert {"connect_error", "connect_timeout", "read_timeout", "503"} <= set(reads["on"])
    assert "429" not in reads["on"], "it is tried again only with a Retry-After"
    assert reads["backoff"] == {"initial": 0.5, "multiplier": 2.0, "first": 0.0, "jitter": "none", "max": 4.0}
    assert writes["on"] == ["connect_error", "connect_timeout"]


def test_what_urllib3_draws_at_random_is_part_of_its_wait() -> None:
    """backoff_jitter comes on top of factor · 2^(n−1), and the first re-try has no wait at all."""
    retry = urllib3.Retry(2, connect=0, backoff_factor=0.2, backoff_jitter=0.1, allowed_methods=["GET"])
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        policy = read(session)
    waits = {"initial": 0.4, "multiplier": 2.0, "first": 0.0, "jitter": "added", "spread": 0.1, "max": 120.0}
    assert policy["retry"]["backoff"] == waits
    assert policy["retry"]["calls"] == ["predict"]


@pytest.mark.parametrize(("share", "jitter"), [(0, "none"), (0.3, "equal"), (1, "full")])
def test_a_transport_that_retries_around_another_is_read(share: float, jitter: str) -> None:
    """httpx-retries leaves out up to a share of factor · 2^n, and sends no POST again; the pool is the inner one's."""
    retry = type("Retry", (), {"__module__": "httpx_retries.retry"})()
    vars(retry).update(
        total=2, retryable_exceptions=(httpx.ConnectError, httpx.ReadTimeout), status_forcelist=frozenset({503}),
        respect_retry_after_header=False, allowed_methods=frozenset({"GET"}), backoff_factor=0.1, backoff_jitter=share,
        max_backoff_wait=5.0,
    )  # fmt: skip

    class Wrapping(httpx.BaseTransport):
        def __init__(self) -> None:
            self.retry, self.inner = retry, httpx.HTTPTransport(limits=httpx.Limits(max_connections=7))

    with httpx.Client(transport=Wrapping(), timeout=1) as client:
        policy = read(client)
    assert policy["limits"] == {"max_connections": 7}
    assert policy["retry"] == {
        "max_attempts": 3, "on": ["connect_error", "read_timeout", "503"], "retry_after": "ignore",
        "calls": ["predict"], "backoff": {"initial": 0.2, "multiplier": 2.0, "jitter": jitter, "max": 5.0},
    }  # fmt: skip


def test_a_pool_manager_retries_three_times_unless_told() -> None:
    """urllib3's default is three re-tries, but not of POST."""
    with urllib3.PoolManager(timeout=urllib3.Timeout(connect=1, read=2)) as pool:
        policy = read(pool)
    assert policy["timeout"] == {"connect": 1.0, "read": 2.0}
    assert {op: own["retry"]["max_attempts"] for op, own in policy["calls"].items()} == {"observe": 4, "predict": 4}
    assert policy["calls"]["observe"]["retry"]["on"] == ["connect_error", "connect_timeout"]
    with urllib3.PoolManager(retries=False, timeout=3) as pool:
        assert read(pool) == {"timeout": {"connect": 3.0, "read": 3.0}}


def test_aiohttp_timeouts_are_read() -> None:
    """aiohttp has a total, five minutes by default."""

    async def policies() -> tuple[dict[str, Any], dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=4, sock_connect=1, sock_read=2)
        async with aiohttp.ClientSession() as plain, aiohttp.ClientSession(timeout=timeout) as told:
            return read(plain), read(told)

    plain, told = asyncio.run(policies())
    assert plain["timeout"]["total"] == 300.0
    assert told == {"timeout": {"connect": 1.0, "read": 2.0, "total": 4.0}, "limits": {"max_connections": 100}}


def test_a_pool_that_does_not_block_is_no_limit() -> None:
    """urllib3 opens more connections than its pool keeps, unless it is told to block."""
    with urllib3.PoolManager(maxsize=3, retries=False) as loose:
        assert "limits" not in read(loose)
    with urllib3.PoolManager(maxsize=3, block=True, retries=False) as strict:
        assert read(strict)["limits"] == {"max_connections": 3}
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=4, pool_block=True))
        session.mount("https://", HTTPAdapter(pool_maxsize=4, pool_block=True))
        assert read(session)["limits"] == {"max_connections": 4}
