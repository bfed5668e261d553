"""The retries that transports make by themselves, below their clients: httpcore's, urllib3's, httpx-retries'."""

from __future__ import annotations

import sys
from typing import Any

from harness.policy.read_retry import canonical
from harness.taxonomy import name_of, words_under

CONNECT_ONLY = ["connect_error", "connect_timeout"]


def read_transport_retry(client: Any) -> dict[str, Any]:
    """The retries that the client's transport makes by itself, below the client."""
    pools = [getattr(transport, "_pool", None) for transport in transports_of(client)]
    connects = {getattr(pool, "_retries", 0) for pool in pools if pool is not None}
    if connects and (most := max(connects)):
        # httpcore waits 0, then 0.5 s · 2^n (_sync/connection.py, RETRIES_BACKOFF_FACTOR)
        waits = {"initial": 0.5, "multiplier": 2.0, "jitter": "none", "first": 0.0}
        return {"max_attempts": most + 1, "on": CONNECT_ONLY, "backoff": waits}
    retries = [getattr(adapter, "max_retries", None) for adapter in getattr(client, "adapters", {}).values()]
    settings = getattr(client, "connection_pool_kw", None)
    if settings is not None:
        # a PoolManager that is told nothing re-tries three times (util/retry.py, Retry.DEFAULT)
        retries.append(settings.get("retries", sys.modules["urllib3"].Retry.DEFAULT))
    found = [read_urllib3_retry(retry) for retry in (*retries, getattr(client, "retries", None))]
    found += [_httpx_retries(getattr(transport, "retry", None)) for transport in transports_of(client)]
    return next((retry for retry in found if retry), {})


def transports_of(client: Any) -> list[Any]:
    """The transports of an httpx client, and those that they wrap."""
    mounted = getattr(client, "_mounts", None)
    todo = [getattr(client, "_transport", None), *(mounted.values() if isinstance(mounted, dict) else ())]
    found: list[Any] = []
    while todo:
        transport = todo.pop(0)
        if transport is not None and transport not in found:
            found.append(transport)
            todo += [inner for inner in getattr(transport, "__dict__", {}).values() if _is_transport(inner)]
    return found


def _is_transport(thing: Any) -> bool:
    return any(name_of(kind) in ("httpx.BaseTransport", "httpx.AsyncBaseTransport") for kind in type(thing).__mro__)


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
        read |= {"calls": ["predict"], "elsewhere": [word for word in on if word in CONNECT_ONLY]}
    spread = getattr(retry, "backoff_jitter", 0.0)
    if retry.backoff_factor or spread:
        waits = {"initial": retry.backoff_factor * 2.0, "multiplier": 2.0, "first": 0.0}
        spreads = {"jitter": "added", "spread": float(spread)} if spread else {"jitter": "none"}
        read["backoff"] = waits | spreads | {"max": float(retry.backoff_max)}
    return read


def _httpx_retries(retry: Any) -> dict[str, Any]:
    """What httpx-retries' Retry promises; empty for anything else. Waits are factor · 2^n, of which a share of up to
    `backoff_jitter` is left out at random (retry.py, backoff_strategy)."""
    if not any(name_of(kind) == "httpx_retries.Retry" for kind in type(retry).__mro__) or not retry.total:
        return {}
    errors = {word for kind in retry.retryable_exceptions for word in words_under(kind)}
    statuses = sorted(str(int(status)) for status in retry.status_forcelist)
    read: dict[str, Any] = {
        "max_attempts": retry.total + 1,
        "on": [*canonical(errors), *statuses],
        "retry_after": "honour" if retry.respect_retry_after_header else "ignore",
    }
    if "POST" not in retry.allowed_methods:
        read |= {"calls": ["predict"], "elsewhere": []}
    if retry.backoff_factor:
        jitter = "none" if not retry.backoff_jitter else "equal" if retry.backoff_jitter <= 0.5 else "full"
        waits = {"initial": retry.backoff_factor * 2.0, "multiplier": 2.0, "jitter": jitter}
        read["backoff"] = waits | {"max": float(retry.max_backoff_wait)}
    return read
