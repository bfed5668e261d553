"""Durations as Istio reads them (Go's `time.ParseDuration`) and as Envoy's JSON writes them; nanoseconds between."""

from __future__ import annotations

import re
from decimal import Decimal

NS = 1_000_000_000
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": NS, "m": 60 * NS, "h": 3_600 * NS}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_LIMIT = 2**63


def parse(text: str) -> int:
    """Nanoseconds of `1m30s`, `600ms`, `1.5h`, `-2s` or `0`. Raises ValueError for anything else."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return 0
    total, at = Decimal(0), 0
    while part := _PART.match(body, at):
        total += Decimal(part[1]) * _UNITS[part[2]]
        at = part.end()
    if at != len(body) or not body or total >= _LIMIT:
        raise ValueError(f"`{text}` is not a duration like 600ms, 30s or 1m30s")
    return sign * int(total)


def proto(ns: int) -> str:
    """A duration in protobuf's JSON form: seconds with 0, 3, 6 or 9 decimals (`2s`, `0.600s`)."""
    sign = "-" if ns < 0 else ""
    seconds, rest = divmod(abs(ns), NS)
    if not rest:
        return f"{sign}{seconds}s"
    for digits in (3, 6, 9):
        scale = 10 ** (9 - digits)
        if rest % scale == 0:
            break
    return f"{sign}{seconds}.{rest // scale:0{digits}d}s"


def words(ns: int) -> str:
    """A duration for people: `600 ms`, `1.5 s`, `never` for 0 (Envoy's word for no time-out)."""
    if not ns:
        return "never"
    return f"{ns / 1e6:g} ms" if abs(ns) < NS else f"{ns / NS:g} s"


def from_proto(text: str) -> int:
    """Nanoseconds of protobuf's JSON form."""
    return int(Decimal(text.removesuffix("s")) * NS)
