"""Literal histories of runs behind a mesh: routes, clusters, and what the sidecar logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from law_cases import promise, said

from harness.model import Verdict

S = 10**9
MS = 10**6
STANDARD, PREMIUM = "outbound|8000|standard|kato", "outbound|8000|premium|kato"
RESENT = ["500", "503", "504", "refused", "reset", "silent"]


def route(name: str = "standard", cluster: str = STANDARD, **more: Any) -> dict[str, Any]:
    """A route of the guide: 3 re-tries, 10 s a try, 30 s in all."""
    told = {
        "name": name, "match": "/*", "clusters": {cluster: 1.0}, "answered": None, "retries": 3, "resends": RESENT,
        "route_ns": 30 * S, "per_try_ns": 10 * S, "written_per_try_ns": 10 * S,
        "backoffs_ns": [25 * MS, 75 * MS, 175 * MS],
    }  # fmt: skip
    return told | more


def cluster(*instances: int, **more: Any) -> dict[str, Any]:
    """A cluster whose policy may eject one of three endpoints after five failures, for 30 s."""
    told = {
        "instances": list(instances), "detects": True, "ejectable": 1, "percent": 50, "on_5xx": 5, "on_gateway": None,
        "on_local": 5, "base_ns": 30 * S, "merge_ns": S, "in_flight": 150, "connections": 100, "per_connection": 5,
        "idle_ns": 3600 * S,
    }  # fmt: skip
    return told | more


def mesh(
    routes: list[dict[str, Any]] | None = None, clusters: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """The facts of a run behind a mesh whose first route takes everybody."""
    ops = ("open_session", "observe", "predict", "learn")
    facts = {
        "scale": 1.0,
        "routes": [route()] if routes is None else routes,
        "clusters": {STANDARD: cluster(0, 1, 2)} if clusters is None else clusters,
        "users": [{"share": 1.0, "headers": {}, "routes": dict.fromkeys(ops, 0)}],
        "findings": [],
    }
    return {"mesh": facts | more, "keep_alive_s": 5.0}


CALLS = """
call op start_ms end_ms outcome
1 observe 0 40 ok
2 observe 100 140 ok
"""


def hops(*rows: str) -> str:
    """Requests and attempts of route 0 to the standard cluster, as `kind call try tries start end status flags
    instance`."""
    head = "kind call attempt try tries start_ms end_ms status flags instance route cluster method"
    return "\n".join([head, *(_row(row) for row in rows)])


def _row(row: str) -> str:
    kind, call, turn, tries, start, end, status, flags, instance, *place = row.split()
    index, name = place or ("0", STANDARD)
    return f"{kind} {call} 1 {turn} {tries} {start} {end} {status} {flags} {instance} {index} {name} POST"


def judged(law: str, facts: Mapping[str, Any], *rows: str, calls: str = CALLS, **policy: Any) -> Verdict:
    return said(law, promise(policy), facts, calls=calls, hops=hops(*rows))


RETRIED = (
    "request 1 2 2 0 40 200 - 1",
    "attempt 1 1 0 0 10 503 - 0",
    "attempt 1 2 0 20 40 200 - 1",
)
