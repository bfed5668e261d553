"""Helpers of the laws' tests: a policy in one line, and the verdict of one law on a literal history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from law_symmetry import later, per_operation

from harness.evidence.history import History
from harness.laws import LAWS
from harness.laws.case import Case
from harness.model import Span, Verdict
from harness.policy import Promise, merge

MS = 1_000_000
S = 1_000 * MS

BY_KEY = ("K2",)
"""Laws that count and name the keys themselves."""

SHARED = frozenset({
    "B4", "D1", "D2", "D3", "D7", "D8", "F1", "F2", "F3", "F4", "F5", "I2", "I6", "I7", "P1", "P3", "P5", "Q1", "Q2",
    "Q3", "Q4", "Q6", "R2", "R5", "R8", "R9", "R10", "R12", "S3", "S5", "T1", "T2", "V1", "V2",
})  # fmt: skip
"""Laws whose failures are a share of what could have failed: `at_most` of an accepted failure is held to it."""


def promise(
    declared: Mapping[str, Any] | None = None, read: Mapping[str, Any] | None = None, scale: float = 1.0
) -> Promise:
    """What an integration promises: declared over read."""
    return merge(declared or {}, read or {}, {}, scale=scale)


def verdict(law: str, history: History, promised: Promise) -> Verdict:
    """What one law says, which is never without a reason, nor without a cure where it fails; its errors are raised.

    It is the same on a clock that began earlier, and where each operation is promised what is promised for all.
    """
    ruling = LAWS[law].judge(Case(history, promised))
    assert ruling.share is None or 0 < ruling.share <= 1
    assert ruling.status != "fail" or ruling.share or law not in SHARED
    found = LAWS[law].verdict(ruling, promised.scale)
    assert isinstance(found.reason, str) and found.reason
    assert found.status != "fail" or (isinstance(found.cure, str) and found.cure)
    assert isinstance(found.measured, str) and isinstance(found.bound, str)
    assert _numbers(_verdict(law, later(history), promised)) == _numbers(found)
    ops = tuple(op for op in history.calls["op"].names if op)
    if ops and law not in BY_KEY:
        assert _numbers(_verdict(law, history, per_operation(promised, ops))) == _numbers(found)
    return found


def _verdict(law: str, history: History, promised: Promise) -> Verdict:
    return LAWS[law].verdict(LAWS[law].judge(Case(history, promised)), promised.scale)


def _numbers(found: Verdict) -> tuple[object, ...]:
    return found.status, found.reason, found.measured, found.bound, calls_of(found)


def said(
    law: str, promised: Promise, facts: Mapping[str, Any] | None = None, phases: tuple[Span, ...] = (), **texts: str
) -> Verdict:
    """What one law says of the tables `texts`."""
    return verdict(law, History.literal(phases, facts, **texts), promised)


def whole(
    law: str, promised: Promise, facts: Mapping[str, Any] | None = None, phases: tuple[Span, ...] = (), **texts: str
) -> tuple[str, list[int], str, str, float | None]:
    """All that one law says of the tables in numbers: status, the calls it names, measured, bound, share."""
    found = said(law, promised, facts, phases, **texts)
    return found.status, calls_of(found), found.measured, found.bound, share(law, promised, facts, phases, **texts)


def share(
    law: str, promised: Promise, facts: Mapping[str, Any] | None = None, phases: tuple[Span, ...] = (), **texts: str
) -> float | None:
    """How often a law was broken of how often it might have been, as `at_most` of an accepted failure reads it."""
    return LAWS[law].judge(Case(History.literal(phases, facts, **texts), promised)).share


def calls_of(verdict: Verdict) -> list[int]:
    """The call ids of the witnesses."""
    return [witness["call"] for witness in verdict.witnesses]


def losing(texts: dict[str, str]) -> dict[str, str]:
    """The tables with a fault that loses replies: a clean history passes only where something was tried on purpose."""
    return {"faults": "name kind applied_ms effective_ms cleared_ms\nlost commit_then_drop 1 1 100", **texts}
