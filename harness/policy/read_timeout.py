"""Time-outs, pool limits and transport retries of httpx, requests, urllib3 and aiohttp clients."""

from __future__ import annotations

import sys
from typing import Any

from harness.taxonomy import name_of

CONNECT_ONLY = ["connect_error", "connect_timeout"]


def read_timeout(client: Any) -> dict[str, Any]:
    """`{"timeout": …, "limits": …}` of a client; without the part that it has no setting for."""
    names = {name_of(kind) for kind in type(client).__mro__}
    if names & {"httpx.Client", "httpx.AsyncClient"}:
        return _parts(_httpx(client.timeout), _httpx_pool(client))
    if "aiohttp.ClientSession" in names:
        return _parts(_aiohttp(client.timeout), getattr(client.connector, "limit", None))
    if "requests.Session" in names:
        adapters = [_number_or_pair(vars(adapter).get("timeout")) for adapter in client.adapters.values()]
        sizes = {_size(adapter._pool_maxsize, adapter._pool_block) for adapter in client.adapters.values()} - {None}
        return _parts(next((found for found in adapters if found), {}), sizes.pop() if len(sizes) == 1 else None)
    settings = getattr(client, "connection_pool_kw", None)
    if settings is not None:
        return _parts(_urllib3(settings.get("timeout")), _size(settings.get("maxsize"), settings.get("block")))
    return _parts(_urllib3(getattr(client, "timeout", None)), None)


def read_transport_retry(client: Any) -> dict[str, Any]:
    """The retries that the client's transport makes by itself, below the client."""
    pools = [getattr(transport, "_pool", None) for transport in _transports(client)]
    connects = {getattr(pool, "_retries", 0) for pool in pools if pool is not None}
    if connects and (most := max(connects)):
        # httpcore waits 0, then 0.5 s · 2^n (_sync/connection.py, RETRIES_BACKOFF_FACTOR)
        waits = {"initial": 0.5, "multiplier": 2.0, "jitter": "full"}
        return {"max_attempts": most + 1, "on": CONNECT_ONLY, "backoff": waits}
    retries = [getattr(adapter, "max_retries", None) for adapter in getattr(client, "adapters", {}).values()]
    settings = getattr(client, "connection_pool_kw", None)
    if settings is not None:
        # a PoolManager that is told nothing re-tries three times (util/retry.py, Retry.DEFAULT)
        retries.append(settings.get("retries", sys.modules["urllib3"].Retry.DEFAULT))
    found = [read_urllib3_retry(retry) for retry in (*retries, getattr(client, "retries", None))]
    return next((retry for retry in found if retry), {})


def _parts(timeout: dict[str, float], limit: Any) -> dict[str, Any]:
    limits = {"limits": {"max_connections": limit}} if isinstance(limit, int) and limit > 0 else {}
    return ({"timeout": timeout} if timeout else {}) | limits


def _size(kept: Any, blocks: Any) -> Any:
    """A pool of urllib3 keeps `kept` connections and opens as many as are asked for, unless it blocks."""
    return kept if blocks else None


def _given(**steps: Any) -> dict[str, float]:
    return {step: float(value) for step, value in steps.items() if isinstance(value, (int, float))}


def _httpx(timeout: Any) -> dict[str, float]:
    return _given(connect=timeout.connect, read=timeout.read, write=timeout.write, pool=timeout.pool)


def _transports(client: Any) -> list[Any]:
    mounted = getattr(client, "_mounts", None)
    others = list(mounted.values()) if isinstance(mounted, dict) else []
    return [transport for transport in (getattr(client, "_transport", None), *others) if transport is not None]


def _httpx_pool(client: Any) -> Any:
    limit = getattr(getattr(getattr(client, "_transport", None), "_pool", None), "_max_connections", None)
    return limit if isinstance(limit, int) and limit < 1 << 31 else None  # httpcore writes "no limit" as sys.maxsize


def _aiohttp(timeout: Any) -> dict[str, float]:
    """aiohttp's `connect` spans the wait for the pool and the handshake, `sock_connect` the handshake alone."""
    connect = timeout.sock_connect if timeout.sock_connect is not None else timeout.connect
    return _given(connect=connect, read=timeout.sock_read, pool=timeout.connect, total=timeout.total)


def _number_or_pair(value: Any) -> dict[str, float]:
    """What a requests adapter with a time-out of its own keeps: seconds, (connect, read), or urllib3's Timeout."""
    if isinstance(value, tuple) and len(value) == 2:
        return _given(connect=value[0], read=value[1])
    return _given(connect=value, read=value) if isinstance(value, (int, float)) else _urllib3(value)


def _urllib3(timeout: Any) -> dict[str, float]:
    if isinstance(timeout, (int, float)):
        return _given(connect=timeout, read=timeout)
    # urllib3's total bounds connect + one read, not the answer, so it is no total here
    steps = {step: getattr(timeout, name, None) for step, name in (("connect", "_connect"), ("read", "_read"))}
    total = getattr(timeout, "total", None)
    return _given(**{step: value if isinstance(value, (int, float)) else total for step, value in steps.items()})


def read_urllib3_retry(retry: Any) -> dict[str, Any]:
    """What urllib3's Retry, or a number for one, re-tries; empty where nothing. Waits are 0, then factor · 2^(n−1) +
    up to `backoff_jitter` (util/retry.py, get_backoff_time).

    `allowed_methods` bounds what may have arrived; a request that was never sent is sent again whatever its method.
    413, 429 and 503 outside `status_forcelist` are tried again only when they ask for it, which `retry_after` says.
    """
    total = getattr(retry, "total", retry)
    if not isinstance(total, int) or isinstance(total, bool) or total < 1:
        return {}
    if isinstance(retry, int):
        return {"max_attempts": total + 1}
    on = [] if retry.connect == 0 else list(CONNECT_ONLY)
    on += [] if retry.read in (0, False) else ["read_timeout", "reset", "protocol_error"]
    methods = retry.allowed_methods
    read: dict[str, Any] = {
        "max_attempts": total + 1,
        "on": on + sorted({str(status) for status in retry.status_forcelist or ()}),
        "retry_after": "honour" if retry.respect_retry_after_header else "ignore",
    }
    if methods and "POST" not in methods:
        read["calls"] = ["predict"]
    first = retry.backoff_factor * 2.0 + getattr(retry, "backoff_jitter", 0.0)
    if first:
        longest = getattr(retry, "backoff_max", None)
        read["backoff"] = {"initial": first, "multiplier": 2.0, "jitter": "full"} | _given(max=longest)
    return read
