"""Watches a run while it goes on: the steady state before the first fault, and the conditions that end it early."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import Span
from harness.scenario import Scenario, Timeline

if TYPE_CHECKING:
    from harness.evidence.history import History

STEADY_BEFORE_NS = 300_000_000
"""The steady state is judged this long before the first fault, so that a fault can still be held back."""
EVERY_NS = 1_000_000_000
NOT_STEADY = "the steady state does not hold, so no fault was applied"


class Watcher:
    """Asked four times a second; answers with why the run must end now, or with nothing."""

    def __init__(self, scenario: Scenario, timeline: Timeline, spool: Path, start_ns: int) -> None:
        self._conditions = scenario.guards.abort_if
        self._steady = scenario.steady_state
        self._slos = [{"name": name, "expr": slo.expr, "severity": slo.severity} for name, slo in scenario.slos.items()]
        self._spool = spool
        self._phases = _moved(timeline.phases, start_ns)
        first_ns = min((fault.at_ns for fault in timeline.faults), default=timeline.end_ns)
        self._steady_at_ns = start_ns + first_ns - STEADY_BEFORE_NS
        self._next_ns = start_ns

    def __call__(self) -> str:
        """Words, or '' while all is well."""
        if not self._steady and not self._conditions:
            return ""
        from harness.slo.live import abort_reason, unsteady  # late: numpy would delay the first request

        now_ns = time.monotonic_ns()
        if self._steady and now_ns >= self._steady_at_ns:
            words = unsteady(self._steady, self._slos, self._so_far(now_ns))
            self._steady = ()
            if words:
                return f"{NOT_STEADY}: {'; '.join(words)}"
        if self._conditions and now_ns >= self._next_ns:
            self._next_ns = now_ns + EVERY_NS
            reason = abort_reason(self._conditions, self._so_far(now_ns), now_ns)
            return f"abort_if {reason}" if reason else ""
        return ""

    def _so_far(self, now_ns: int) -> History:
        from harness.evidence.live import recent_calls

        phases = tuple(
            replace(span, end_ns=min(span.end_ns, now_ns)) for span in self._phases if span.start_ns < now_ns
        )
        return recent_calls(self._spool, phases)


def _moved(phases: Sequence[Span], by_ns: int) -> tuple[Span, ...]:
    return tuple(Span(span.name, span.start_ns + by_ns, span.end_ns + by_ns) for span in phases)
