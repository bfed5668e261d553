"""Findings of a run: what the policy leaves open, and where declared and read differ."""

from __future__ import annotations

from harness.laws.case import Case
from harness.model import Finding


def findings_of(case: Case) -> tuple[Finding, ...]:
    """K2: each key that is declared one way and read another."""
    return differences(case)


def differences(case: Case) -> tuple[Finding, ...]:
    """A finding for each policy key whose declared value isn't the one read from the client's objects."""
    declared, read = case.promise.declared, case.promise.read
    return tuple(
        Finding("K2", key, f"declared {_shown(declared[key])}, read {_shown(read[key])}", "make the two agree")
        for key in sorted(declared.keys() & read.keys())
        if not same(declared[key], read[key])
    )


def same(one: object, other: object) -> bool:
    """Equal as promises: numbers by value, lists as sets."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return set(map(str, one)) == set(map(str, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return one == other


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
