"""Where the client felt a fault: the first attempt, or the first arrival, that suffered it (ns; 0: never)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.faults.kind import Evidence, FaultRow

FOREVER_NS = 2**62


def by_failed_attempt(history: Evidence, row: FaultRow) -> int:
    """The first attempt under the fault that did not bring a whole reply."""
    attempts = history.attempts
    return _first(
        attempts, _under(attempts, row, "start_ns", "end_ns") & ~attempts["result"].among(""), row, "start_ns"
    )


def by_slow_attempt(seconds: Callable[[Mapping[str, Any]], float]) -> Callable[[Evidence, FaultRow], int]:
    """The first attempt under the fault that lasted at least `seconds(params)`."""

    def felt(history: Evidence, row: FaultRow) -> int:
        attempts = history.attempts
        slow = attempts["end_ns"] - attempts["start_ns"] >= seconds(json.loads(row["params"])) * 1e9
        return _first(attempts, _under(attempts, row, "start_ns", "end_ns") & slow, row, "start_ns")

    return felt


def by_any_attempt(history: Evidence, row: FaultRow) -> int:
    """The first attempt under the fault."""
    attempts = history.attempts
    return _first(attempts, _under(attempts, row, "start_ns", "end_ns"), row, "start_ns")


def by_arrival(history: Evidence, row: FaultRow) -> int:
    """The first arrival whose fate the witness says the fault changed."""
    arrivals = history.arrivals
    return _first(arrivals, arrivals["fault"].among(row["name"]) & _under(arrivals, row, "arrive_ns"), row, "arrive_ns")


def by_any_arrival(history: Evidence, row: FaultRow) -> int:
    """The first arrival while the fault was applied."""
    arrivals = history.arrivals
    return _first(arrivals, _under(arrivals, row, "arrive_ns"), row, "arrive_ns")


def _under(table: Any, row: FaultRow, begin: str, end: str = "") -> Any:
    """True for the rows that overlap the time in which the fault was applied."""
    until_ns = row["cleared_ns"] or FOREVER_NS
    return (table[begin] < until_ns) & (table[end or begin] > row["applied_ns"])


def _first(table: Any, rows: Any, row: FaultRow, begin: str) -> int:
    if not row["applied_ns"] or not rows.any():
        return 0
    return max(int(table[begin][rows].min()), int(row["applied_ns"]))
