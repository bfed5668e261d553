"""What canary requests prove: predicates over probes that several kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.faults.kind import Probe

TIMER_SHARE = 0.95
"""A delay counts as seen from this share of it on: timers of two processes never agree to the millisecond."""

CUT = ("reset", "protocol_error")
"""How a client sees a connection that ended before the whole reply."""

Effective = Callable[[Mapping[str, Any], Sequence[Probe]], bool]


def outcome_in(*words: str) -> Effective:
    """Some probe ended in one of these words."""
    return lambda params, probes: any(probe.outcome in words for probe in probes)


def took_at_least(seconds: Callable[[Mapping[str, Any]], float]) -> Effective:
    """Some probe lasted at least that long, whatever became of it."""
    return lambda params, probes: any(probe.took_s >= seconds(params) * TIMER_SHARE for probe in probes)


def reply_like(matches: Callable[[Mapping[str, Any], Probe], bool]) -> Effective:
    """Some probe got a status line and matches."""
    return lambda params, probes: any(probe.status and matches(params, probe) for probe in probes)
