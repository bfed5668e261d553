"""How often Envoy sends one request, and how long that takes: the router's retry rules as pure functions.

Rules: Envoy's router filter documentation (x-envoy-retry-on, x-envoy-max-retries, per-try time-out, jittered back-off)
and source/common/router/retry_state_impl.cc, router.cc. Times are ns; 0 means no limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.mesh import duration

MS = 1_000_000
BASE_BACKOFF = 25 * MS
CONNECT_TIMEOUT = 5 * duration.NS
"""Envoy's own, where a cluster has none."""
BOUND = 1_000
"""More attempts than this are not followed up: nobody means them."""

FAILURES = ("refused", "unreachable", "reset", "silent", "overflow", "no_host")
"""What can happen besides an answer: connection refused; no answer to connecting; connection cut after the request was
sent; no answer at all; the circuit breaker is full; no endpoint."""


@dataclass(frozen=True, slots=True)
class Resending:
    """A route's limits as Envoy applies them."""

    retries: int = 0
    words: frozenset[str] = frozenset()
    codes: frozenset[int] = frozenset()
    per_try_ns: int = 0
    route_ns: int = 0
    connect_ns: int = CONNECT_TIMEOUT
    base_backoff_ns: int = BASE_BACKOFF

    def backoff_ns(self, retry: int) -> int:
        """The longest wait before re-try 1, 2, …: uniform from 0 to base · (2^n − 1), at most 10 · base."""
        return self.base_backoff_ns * min((1 << min(retry, 60)) - 1, 10)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one request becomes: attempts, the status the caller gets, and the time until then; (least, most) each.

    An attempt counts as Envoy counts it, also when no connection came about (refused, overflow).
    `status` None: the caller never gets one. `ns` None: no end.
    """

    attempts: tuple[int, int]
    status: int | None
    ns: tuple[int, int] | None
    ended_by: str = field(default="answer", compare=False)


def resending(route: Mapping[str, Any], cluster: Mapping[str, Any] | None) -> Resending:
    """The limits of an Envoy route action and its cluster."""
    policy = route.get("retry_policy", {})
    words = frozenset(word for word in policy.get("retry_on", "").split(",") if word)
    route_ns = _ns(route.get("timeout"), 15 * duration.NS)
    per_try = _ns(policy.get("per_try_timeout"), 0)
    return Resending(
        retries=policy.get("num_retries", 1) if words else 0,
        words=words,
        codes=frozenset(policy.get("retriable_status_codes", ())),
        # A per-try time-out that the route's own leaves no room for is ignored.
        per_try_ns=0 if route_ns and per_try >= route_ns else per_try,
        route_ns=route_ns,
        connect_ns=_ns((cluster or {}).get("connect_timeout"), CONNECT_TIMEOUT),
        base_backoff_ns=_ns(policy.get("retry_back_off", {}).get("base_interval"), BASE_BACKOFF),
    )


def resends(rules: Resending, failure: int | str) -> bool:
    """True when an attempt that met `failure` (a status or one of FAILURES) may be sent again, whatever its method."""
    if failure in ("overflow", "no_host"):
        return False
    words = rules.words
    if isinstance(failure, int):
        return (
            ("5xx" in words and 500 <= failure <= 599)
            or ("gateway-error" in words and failure in (502, 503, 504))
            or ("retriable-4xx" in words and failure == 409)
            or ("retriable-status-codes" in words and failure in rules.codes)
        )
    if words & {"5xx", "gateway-error", "reset"}:
        return True
    return failure in ("refused", "unreachable") and bool(words & {"connect-failure", "reset-before-request"})


def send(rules: Resending, failure: int | str, after_ns: int = 0, patience_ns: int = 0) -> Sent:
    """What becomes of one request whose every attempt meets `failure` after `after_ns`.

    `patience_ns`: when the caller itself gives up (0: never).
    """
    quickest, slowest = (_follow(rules, failure, after_ns, patience_ns, wait) for wait in (0, 1))
    ends = [way[2] for way in (quickest, slowest)]
    span = None if None in ends else (min(end for end in ends if end is not None), max(end or 0 for end in ends))
    counts = sorted((quickest[0], slowest[0]))
    return Sent((counts[0], counts[1]), quickest[1], span, quickest[3])


def _follow(
    rules: Resending, failure: int | str, after_ns: int, patience_ns: int, wait: int
) -> tuple[int, int | None, int | None, str]:
    """Attempts, status, end and what ended it, with every back-off at its least (0) or most (1)."""
    limit = min((limit for limit in (rules.route_ns, patience_ns) if limit), default=0)
    now = 0
    for attempt in range(1, min(rules.retries, BOUND) + 2):
        lasts, met = _attempt(rules, failure, after_ns)
        if lasts is None or (limit and now + lasts >= limit):
            return attempt, *_cut(rules, limit, patience_ns)
        now += lasts
        if attempt > rules.retries or not resends(rules, met):
            return attempt, _status(met), now, "answer"
        pause = rules.backoff_ns(attempt) * wait
        if limit and now + pause >= limit:
            return attempt, *_cut(rules, limit, patience_ns)
        now += pause
    return min(rules.retries, BOUND) + 1, _status(failure), now, "answer"


def _attempt(rules: Resending, failure: int | str, after_ns: int) -> tuple[int | None, int | str]:
    """How long one attempt lasts (None: no end) and what it met: its per-try time-out counts as a reset."""
    lasts: int | None = after_ns
    if failure == "unreachable":
        lasts = rules.connect_ns or None
    elif failure == "silent":
        lasts = None
    elif failure in ("refused", "overflow", "no_host"):
        lasts = 0
    if rules.per_try_ns and (lasts is None or lasts >= rules.per_try_ns):
        return rules.per_try_ns, "silent"
    return lasts, failure


def _cut(rules: Resending, limit: int, patience_ns: int) -> tuple[int | None, int | None, str]:
    if not limit:
        return None, None, "nothing"
    if limit == rules.route_ns and (not patience_ns or rules.route_ns < patience_ns):
        return 504, limit, "route time-out"
    return None, limit, "caller"


def _status(met: int | str) -> int:
    if isinstance(met, int):
        return met
    return 504 if met == "silent" else 503


def _ns(text: str | None, default: int) -> int:
    return default if text is None else duration.from_proto(text)
