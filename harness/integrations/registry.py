"""The built-in integrations: where each is and what it declares (durations in unscaled seconds).

A guide pattern declares what the integration guide's prose promises, not what its code does: `timeout=10.0` reads as
"a call takes at most 10 s", "exponential back-off" as waits that grow. A corrected client declares what it keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.integrations.entry import Entry

COUNTED = ["connect_error", "timeout", "reset", "protocol_error", "5xx"]
"""What a breaker counts: the server was not reached, did not answer in time, or said that it failed."""


def _bounded(seconds: float, connect: float | None = None) -> dict[str, float]:
    """Time-outs of one length for every step, and as the total."""
    return {"connect": connect or seconds, "read": seconds, "write": seconds, "pool": seconds, "total": seconds}


_NEVER_ARRIVED = ["connect_error", "connect_timeout"]
_RETRY: Mapping[str, Any] = {
    "max_attempts": 3,
    "on": ["connect_error", "timeout", "reset", "protocol_error", "429", "502", "503", "504"],
    "calls": ["open_session", "observe", "predict", "learn"],
    "backoff": {"initial": 1.0, "multiplier": 2.0, "max": 10.0, "jitter": "full"},
    "retry_after": "honour",
    "budget": {"ratio": 0.2, "min_per_second": 1.0},
    "reraise": True,
}
_WRITES_ONLY_IF_NEVER_ARRIVED = {op: {"retry": {"on": _NEVER_ARRIVED}} for op in ("open_session", "observe", "learn")}
_BREAKER: Mapping[str, Any] = {
    "fail_max": 5,
    "reset_timeout": 60.0,
    "counts": COUNTED,
    "half_open_trials": 1,
    "success_threshold": 1,
}

_SPREAD: Mapping[str, Any] = {
    "timeout": {"connect": 5.0, "read": 10.0, "total": 10.0},
    "retry": {
        "max_attempts": 3,
        "on": _NEVER_ARRIVED,
        "calls": ["open_session", "observe", "predict", "learn"],
        "backoff": {"initial": 0.0, "multiplier": 1.0, "jitter": "none"},
        "reraise": True,
    },
    "sessions": "one_per_user",
}

_ENTRIES = (
    Entry(
        "guide-httpx",
        "harness.integrations.guide_httpx",
        "make",
        "asyncio",
        {"timeout": _bounded(30.0), "sessions": "one_per_user"},
        "the guide's async service client: a new AsyncClient and a new session for every request",
    ),
    Entry(
        "guide-pybreaker",
        "harness.integrations.guide_pybreaker",
        "make",
        "gevent",
        {
            "timeout": _bounded(10.0),
            "breaker": {"fail_max": 5, "reset_timeout": 60.0, "counts": COUNTED},
            "fallback": {"marked": True},
            "sessions": "one_per_user",
        },
        "the guide's pybreaker client: the decorator, HTTPStatusError excluded, a fallback for everything",
    ),
    Entry(
        "guide-tenacity",
        "harness.integrations.guide_tenacity",
        "make",
        "gevent",
        {
            "timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0},
            "retry": {
                "max_attempts": 3,
                "on": ["connect_error", "timeout", "reset", "protocol_error"],
                "backoff": {"initial": 2.0, "multiplier": 2.0, "max": 10.0},
            },
            "sessions": "one_per_user",
        },
        "the guide's tenacity client: three attempts on any RequestError, exponential waits, httpx's own time-outs",
    ),
    Entry(
        "guide-requests",
        "harness.integrations.guide_requests",
        "make",
        "gevent",
        {"sessions": "one_per_user"},
        "the guide's client by DNS name: one requests.Session for all, no time-outs",
    ),
    Entry(
        "fixed-httpx",
        "harness.integrations.fixed_httpx",
        "make",
        "asyncio",
        {"timeout": _bounded(10.0, connect=5.0), "sessions": "one_per_user"},
        "the async service client corrected: one client, one session a user, a deadline over each call",
    ),
    Entry(
        "fixed-pybreaker",
        "harness.integrations.fixed_pybreaker",
        "make",
        "gevent",
        {
            "timeout": _bounded(10.0, connect=5.0),
            "breaker": _BREAKER,
            "fallback": {"marked": True},
            "sessions": "one_per_user",
        },
        "the pybreaker client corrected: 5xx counted, no lock during the call, one trial, a marked fallback for reads",
    ),
    Entry(
        "fixed-tenacity",
        "harness.integrations.fixed_tenacity",
        "make",
        "gevent",
        {
            "timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0, "total": 20.0},
            "retry": _RETRY,
            "calls": _WRITES_ONLY_IF_NEVER_ARRIVED,
            "sessions": "one_per_user",
        },
        "the tenacity client corrected: writes re-sent only if never sent, jitter, Retry-After, budget, deadline",
    ),
    Entry(
        "fixed-requests",
        "harness.integrations.fixed_requests",
        "make",
        "gevent",
        {"timeout": {"connect": 5.0, "read": 10.0, "total": 10.0}, "sessions": "one_per_user"},
        "the requests client corrected: time-outs, a deadline over each call, a pool for all users",
    ),
    Entry(
        "guide-consul",
        "harness.integrations.guide_consul",
        "make",
        "gevent",
        {"sessions": "one_per_user"},
        "the guide's Consul client: asks before every call, always takes the first instance, no time-outs on KATO",
    ),
    Entry(
        "fixed-consul",
        "harness.integrations.fixed_consul",
        "make",
        "gevent",
        _SPREAD,
        "the Consul client corrected: blocking queries, last good answer kept, real turns, Node.Address as fallback",
    ),
    Entry(
        "fixed-dns",
        "harness.integrations.fixed_dns",
        "make",
        "gevent",
        _SPREAD,
        "the client by DNS name corrected: looked up in the background, last good answer kept, follows moved addresses",
    ),
    Entry(
        "guide-otel",
        "harness.integrations.guide_otel",
        "make",
        "asyncio",
        {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}, "sessions": "one_per_user"},
        "the guide's traced client: httpx instrumented, and no provider that would make spans of it",
    ),
    Entry(
        "fixed-otel",
        "harness.integrations.fixed_otel",
        "make",
        "asyncio",
        {
            "timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0, "total": 20.0},
            "retry": _RETRY,
            "calls": _WRITES_ONLY_IF_NEVER_ARRIVED,
            "sessions": "one_per_user",
        },
        "the traced client corrected: provider, batch exporter, stable conventions, a span for each attempt",
    ),
    Entry(
        "guide-shop",
        "harness.integrations.guide_shop",
        "make",
        "asyncio",
        {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}, "sessions": "one_per_user"},
        "the guide's recommendation service: sessions that nobody created, statuses that nobody looks at",
    ),
    Entry(
        "fixed-shop",
        "harness.integrations.fixed_shop",
        "make",
        "asyncio",
        {"timeout": _bounded(10.0, connect=5.0), "fallback": {"marked": True}, "sessions": "one_per_user"},
        "the recommendation service corrected: views are committed or raised, substitutes are marked",
    ),
    Entry(
        "guide-chatbot",
        "harness.integrations.guide_chatbot",
        "make",
        "asyncio",
        {"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}, "sessions": "one_per_user"},
        "the guide's chatbot memory: every message is processed, whatever KATO said",
    ),
    Entry(
        "fixed-chatbot",
        "harness.integrations.fixed_chatbot",
        "make",
        "asyncio",
        {"timeout": _bounded(10.0, connect=5.0), "fallback": {"marked": True}, "sessions": "one_per_user"},
        "the chatbot memory corrected: a message is processed when it was committed, a stale context is marked",
    ),
    Entry(
        "front",
        "harness.integrations.front",
        "make",
        "asyncio",
        {"timeout": {"total": 30.0}, "sessions": "one_per_user"},
        "the driver of a front service as the subject: POST /api/process, some callers going away early",
    ),
    Entry(
        "reference",
        "harness.integrations.reference",
        "make",
        "gevent",
        {
            "timeout": {"connect": 5.0, "read": 10.0, "pool": 5.0, "total": 20.0},
            "retry": _RETRY,
            "breaker": _BREAKER,
            "calls": _WRITES_ONLY_IF_NEVER_ARRIVED,
            "sessions": "one_per_user",
        },
        "the best we know: deadline, breaker per attempt, safe retries with jitter and budget, plain errors",
    ),
    Entry(
        "fast",
        "harness.integrations.fast",
        "make",
        "gevent",
        {"timeout": {"connect": 5.0, "read": 10.0, "total": 10.0}, "sessions": "one_per_user"},
        "lean sockets with time-outs, for load that a common client can't make",
    ),
)

REGISTRY: Mapping[str, Entry] = {entry.name: entry for entry in _ENTRIES}
"""The built-in integrations by name."""
