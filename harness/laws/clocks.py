"""How far the clocks of a run's hosts may be apart, and which laws that concerns.

Faults and arrivals are timed on the machine that conducts a run, calls and attempts on the one that makes them. What
one law compares of both is known within the uncertainty of the offset; up to MOST_NS the laws widen their bounds by it,
as they do by the generator's lag, and beyond it they can't tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST_NS = 100_000_000
"""Well inside ε = 250 ms (laws.md, "Evidence"), which covers the injector's error and the lag beside it."""

COMPARING = frozenset(
    {"T1", "T2", "T3", "T6", "T7", "R2", "R3", "R6", "R7", "R10", "R12", "B3", "B4", "B10", "F1", "F3", "F4",
     "P1", "P4", "M1", "M2", "M3", "D6", "D7"}
)  # fmt: skip
"""The laws that hold calls against faults, or attempts against arrivals."""


def uncertainty_ns(facts: Mapping[str, Any]) -> int:
    """By how much times of one host may be off on another's clock; 0 where all processes share one."""
    return max((int(host["uncertainty_ns"]) for host in _hosts(facts)), default=0)


def too_far_apart(law: str, facts: Mapping[str, Any]) -> str:
    """Words where the clocks agree too little for that law, else ''."""
    apart_ns = uncertainty_ns(facts)
    if law not in COMPARING or apart_ns <= MOST_NS:
        return ""
    host = max(_hosts(facts), key=lambda each: int(each["uncertainty_ns"]))
    return (
        f"the clock of {host['host']} is known to ±{apart_ns / 1e6:.0f} ms only, and this law compares it with ours to"
        f" {MOST_NS / 1e6:.0f} ms"
    )


def _hosts(facts: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return facts.get("hosts") or ()
