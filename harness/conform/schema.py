"""The OpenAPI document of a server against the shipped one, and what neither cases nor twin cover."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness import contracts
from harness.conform.replay import Send, body_of
from harness.conform.report import LeftOut, Row

NOT_IMITATED = (
    LeftOut("WS /ws/events", "a WebSocket of pushes about sessions, which no integration of the guide uses"),
    LeftOut("GET /docs, /redoc", "HTML pages that FastAPI makes of /openapi.json; only their status is imitated"),
    LeftOut("figures of the host in /metrics, /stats, /health", "CPU and memory are the machine's, not the request's"),
    LeftOut("order of equally ranked predictions", "KATO takes them from a set, in an order that each process draws"),
    LeftOut("sessions without REDIS_URL", "each worker then keeps its own; the image and its compose file set it"),
    LeftOut(
        "config keys that name members of KATO's own class", "like to_dict: they break the session in ways of Python"
    ),
)
"""What the twin deliberately leaves out."""


def check_schema(send: Send, release: str = contracts.LATEST) -> Row:
    """One row: paths, methods and the fields of all bodies are those of the shipped document."""
    status, headers, raw = send("GET", "/openapi.json", {}, b"")
    got = body_of(headers, raw)
    expected = json.loads(contracts.data("openapi.json", release))
    shape = got if status == 200 and isinstance(got, Mapping) else {}
    wanted, given = set(_members(expected)), set(_members(shape))
    wrong = [f"lacks {name}" for name in sorted(wanted - given)] + [f"adds {name}" for name in sorted(given - wanted)]
    return Row(
        "GET /openapi.json", "schema", 1, f"{len(wanted)} members", f"{status} {len(given)} members", tuple(wrong)
    )


def _members(document: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in document.get("paths", {}).items():
        yield from (f"{method.upper()} {path}" for method in methods)
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield from (f"{name}.{field}" for field in schema.get("properties", {}))
