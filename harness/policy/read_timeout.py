"""Time-outs and pool limits of httpx, requests, urllib3 and aiohttp clients."""

from __future__ import annotations

from typing import Any

from harness.policy.read_transport import transports_of
from harness.taxonomy import name_of


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


def _httpx_pool(client: Any) -> Any:
    pools = [getattr(transport, "_pool", None) for transport in transports_of(client)]
    limit = next((getattr(pool, "_max_connections", None) for pool in pools if pool is not None), None)
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
