"""A breaker under load in virtual time, pure: calls and attempts as recorded, and the states as a listener saw them."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harness.evidence.history import History, table
from harness.model import Span

MS = 1_000_000
S = 1_000 * MS


@dataclass(frozen=True)
class Plan:
    """What is simulated: `down` are [from, to) seconds in which KATO answers `how` (503, or an error word)."""

    seed: int = 1
    rate: float = 20.0
    length_s: float = 30.0
    baseline_s: float = 5.0
    down: Sequence[tuple[float, float]] = ((5.0, 12.0),)
    how: str = "connect_error"
    fail_max: int = 5
    reset_s: float = 3.0
    success_threshold: int = 1
    trials: int = 1
    service_s: float = 0.02
    failing_s: float = 0.005
    fallback: bool = False
    poisson: bool = True
    workers: int = 1
    counts: Callable[[str], bool] = lambda how: True
    """Whether the simulated breaker counts a failure of this kind; one that it doesn't is a success to it."""
    reject_s: float = 0.00005
    """How long a rejection takes."""
    reopens: bool = True
    """Whether a failed trial opens it again."""
    recovers: bool = True
    """Whether it ever lets a trial through."""
    resets: bool = True
    """Whether a success sets the count of failures back."""


@dataclass
class _Breaker:
    plan: Plan
    worker: int
    state: str = "closed"
    failures: int = 0
    successes: int = 0
    running: int = 0
    opened_ns: int = 0
    changes: list[tuple[int, str]] = field(default_factory=list)

    def change(self, now_ns: int, state: str) -> None:
        self.state = state
        self.changes.append((now_ns, state))
        self.failures = self.successes = self.running = 0

    def admit(self, now_ns: int) -> bool:
        if self.state == "open":
            if not self.plan.recovers or now_ns < self.opened_ns + int(self.plan.reset_s * S):
                return False
            self.change(now_ns, "half_open")
        if self.state == "half_open":
            if self.running >= self.plan.trials:
                return False
            self.running += 1
        return True

    def ended(self, now_ns: int, failed: bool, since_ns: int) -> None:
        if self.changes and since_ns < self.changes[-1][0] and self.state != "closed":
            return  # a late answer of a call that was let in before
        if self.state == "half_open":
            self.running -= 1
        if not failed:
            self.failures = 0 if self.plan.resets else self.failures
            if self.state == "half_open":
                self.successes += 1
                if self.successes >= self.plan.success_threshold:
                    self.change(now_ns, "closed")
            return
        self.failures += 1
        if self.state == "half_open" and not self.plan.reopens:
            self.change(now_ns, "closed")
        elif self.state == "half_open" or self.failures >= self.plan.fail_max:
            self.opened_ns = now_ns
            self.change(now_ns, "open")


def simulate(plan: Plan) -> tuple[History, list[tuple[int, str, int, int]]]:
    """The history, and the listener's (worker, state, from_ns, to_ns)."""
    rng = random.Random(plan.seed)
    breakers = [_Breaker(plan, worker) for worker in range(plan.workers)]
    rows: dict[str, list[object]] = {
        name: [] for name in ("call", "op", "start_ns", "end_ns", "outcome", "error", "worker")
    }
    tries: dict[str, list[object]] = {
        name: [] for name in ("call", "attempt", "start_ns", "end_ns", "result", "status", "worker")
    }
    ends: list[tuple[int, int, bool, int, int]] = []
    now_ns, call = 0, 0
    while True:
        gap = rng.expovariate(plan.rate) if plan.poisson else 1 / plan.rate
        now_ns += max(int(gap * S), 1)
        if now_ns >= plan.length_s * S:
            break
        while ends and ends[0][0] <= now_ns:
            end_ns, worker, failed, since_ns, _ = heapq.heappop(ends)
            breakers[worker].ended(end_ns, failed, since_ns)
        call += 1
        breaker = breakers[call % plan.workers]
        down = any(a * S <= now_ns < b * S for a, b in plan.down)
        if not breaker.admit(now_ns):
            took, outcome, error = (
                int(plan.reject_s * S),
                "degraded" if plan.fallback else "rejected",
                "" if plan.fallback else "breaker_open",
            )
        else:
            took = int((plan.failing_s if down else plan.service_s * rng.uniform(0.5, 1.5)) * S)
            failed_as = plan.how if down else ""
            status = int(failed_as) if failed_as.isdecimal() else 0 if down else 200
            outcome, error = ("ok", "") if not down else ("error", f"{status // 100}xx" if status else plan.how)
            if down and plan.fallback:
                outcome, error = "degraded", ""
            result = "" if status else failed_as
            _append(tries, call, 1, now_ns, now_ns + took, result, status, breaker.worker)
            heapq.heappush(ends, (now_ns + took, breaker.worker, down and plan.counts(plan.how), now_ns, call))
        _append(rows, call, "observe", now_ns, now_ns + took, outcome, error, breaker.worker)
    while ends:
        end_ns, worker, failed, since_ns, _ = heapq.heappop(ends)
        breakers[worker].ended(end_ns, failed, since_ns)
    quiet_ns = int(plan.baseline_s * S)
    phases = (Span("baseline", 0, quiet_ns), Span("recovery", quiet_ns, int(plan.length_s * S)))
    rows["ready_ns"] = rows["intended_ns"] = rows["start_ns"]
    rows["phase"] = ["baseline" if start < quiet_ns else "recovery" for start in rows["start_ns"]]
    history = History(
        calls=table("calls", rows), attempts=table("attempts", tries), phases=phases, facts={"hooks": ["httpx"]}
    )
    return history, [span for breaker in breakers for span in _spans(breaker, int(plan.length_s * S))]


def _append(columns: dict[str, list[object]], *values: object) -> None:
    for column, value in zip(columns.values(), values, strict=True):
        column.append(value)


def _spans(breaker: _Breaker, end_ns: int) -> list[tuple[int, str, int, int]]:
    edges = [(0, "closed"), *(change for change in breaker.changes if change[0] < end_ns)]
    tos = [at for at, _ in edges[1:]] + [end_ns]
    return [(breaker.worker, state, at, to) for (at, state), to in zip(edges, tos, strict=True)]
