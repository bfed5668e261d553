"""What `explore` looks through: fault × call of the flow × phase × attempt, as schedules of a small flow.

One request is hit in a flow of one call at a time, so that the next request of its operation is its next attempt.
Every request is hit under load, where breakers, pools and budgets show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.explore.draft import Draft
from harness.faults import KINDS
from harness.model import Fault, Load, Stage

SECOND_NS = 1_000_000_000
MS = 1_000_000
OPS = ("open_session", "observe", "predict")
"""The calls of the flow."""

MIX = {"observe": 2.0, "predict": 1.0}
FLOW_CALLS = 18
FLOW_BEFORE = 6
"""Calls of the one-at-a-time flow, and how many of them come before the fault."""

CROWD_RATE = 20.0
CROWD_BEFORE_NS = 5 * SECOND_NS
BLINK_NS = 50 * MS
EARLY_NS = MS
"""So long before a request its fault begins."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the schedules' lengths come from (s): a read time-out, the longest call, a breaker's reset time-out."""

    read: float
    call: float
    reset: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A fault as it is tried: its phase of a request's life, kind and parameters."""

    name: str
    phase: str
    kind: str
    params: Mapping[str, Any]

    @property
    def chooses(self) -> bool:
        """Whether it hits chosen requests; the others hit whatever comes in their time."""
        return KINDS[self.kind].plane == "witness"


def variants(numbers: Numbers) -> tuple[Variant, ...]:
    """Every fault that is tried, by phase: before arrival, before commit, after commit, in the body."""
    late, drip = round(numbers.read * 1.5, 3), round(numbers.read * 0.8, 3)
    table: Mapping[str, tuple[tuple[str, str, Mapping[str, Any]], ...]] = {
        "before arrival": (
            ("refused", "refuse", {}),
            ("swallowed", "timeout", {"direction": "upstream"}),
            ("reset on the way", "reset_peer", {"direction": "upstream"}),
        ),
        "before commit": (
            ("closed", "drop_before_commit", {"how": "close"}),
            ("reset", "drop_before_commit", {"how": "reset"}),
            ("frozen", "pause", {}),
            ("500", "status", {"status": 500}),
            ("503", "status", {"status": 503}),
            ("429, retry after 1 s", "status", {"status": 429, "retry_after": 1}),
            ("404", "status", {"status": 404}),
            ("422", "status", {"status": 422}),
        ),
        "after commit": (
            ("closed", "commit_then_drop", {"how": "close"}),
            ("reset", "commit_then_drop", {"how": "reset"}),
            ("500", "commit_then_status", {"status": 500}),
            ("503", "commit_then_status", {"status": 503}),
            ("late", "delay", {"delay": late}),
            ("reply lost", "timeout", {"direction": "downstream"}),
        ),
        "in the body": (
            ("cut", "truncate", {"after": 10}),
            ("not JSON", "malformed", {}),
            ("empty", "empty_body", {}),
            ("HTML", "wrong_content_type", {}),
            ("dripped", "drip", {"every": drip, "total": 20}),
        ),
    }
    return tuple(
        Variant(name, phase, kind, KINDS[kind].complete(params))
        for phase, rows in table.items()
        for name, kind, params in rows
    )


def flow(keys: Mapping[str, Any], numbers: Numbers) -> Draft:
    """One call at a time, each long after the one before it; a session ends after three observes."""
    every_ns = math.ceil(numbers.call + 1) * SECOND_NS
    rate = SECOND_NS / every_ns
    load = Load((Stage(rate, rate, every_ns * FLOW_CALLS),), sessions=1, events=3, mix=MIX, warmup_for_ns=every_ns // 2)
    return Draft(load, (), keys)


def crowd(keys: Mapping[str, Any], numbers: Numbers) -> Draft:
    """Load enough for breakers and budgets, and time for them to recover."""
    window_ns = crowd_window_ns(numbers)
    after_ns = round((numbers.reset + numbers.call + 4) * SECOND_NS)
    sessions = max(20, math.ceil(CROWD_RATE * max(numbers.call, window_ns / SECOND_NS) * 1.2))
    load = Load(
        (Stage(CROWD_RATE, CROWD_RATE, CROWD_BEFORE_NS + window_ns + after_ns),),
        sessions=sessions, events=12, mix=MIX, warmup_for_ns=SECOND_NS,
    )  # fmt: skip
    return Draft(load, (), keys)


def crowd_window_ns(numbers: Numbers) -> int:
    """Long enough for a breaker to open and for its first trial to fail."""
    return round(max(1.5 * numbers.reset, 2 * numbers.call) * SECOND_NS)


def once(draft: Draft, variant: Variant, op: str, at_ns: int, numbers: Numbers) -> Draft:
    """`draft` with one request of `op` hit, the first from `at_ns` on; a fault of another plane comes on top."""
    only = {"op": op, "nth": 1} if variant.chooses else {}
    if variant.chooses:
        for_ns = round(numbers.call * SECOND_NS)
    elif variant.kind in ("timeout", "pause"):
        for_ns = round(numbers.read * 1.02 * SECOND_NS) + 10 * MS
    else:
        for_ns = BLINK_NS
    start_ns = max(at_ns - EARLY_NS, 0)
    most_ns = draft.load.for_ns - start_ns - 10 * MS
    name = f"fault_{len(draft.faults) + 1}"
    fault = Fault(name, variant.kind, start_ns, min(for_ns, most_ns), dict(variant.params), only)
    return replace(draft, faults=(*draft.faults, fault))


def always(draft: Draft, variant: Variant, op: str, numbers: Numbers) -> Draft:
    """`draft` with every request of `op` hit for a while; of any operation where the fault can't choose."""
    only = {"op": op} if variant.chooses and op else {}
    fault = Fault("fault_1", variant.kind, CROWD_BEFORE_NS, crowd_window_ns(numbers), dict(variant.params), only)
    return replace(draft, faults=(fault,))


def again(draft: Draft, variant: Variant, op: str, retried_ns: int, numbers: Numbers) -> Draft:
    """`draft`, which hits one request, with the call's second attempt hit too; it begins at `retried_ns`."""
    (first,) = draft.faults
    if not (variant.chooses and first.only):
        return once(draft, variant, op, retried_ns, numbers)
    second = replace(first, name="fault_2", kind=variant.kind, params=dict(variant.params), only={"op": op, "nth": 2})
    return replace(draft, faults=(first, second))
