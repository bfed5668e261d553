"""The words of the harness as frozen records and closed vocabularies (standard library only).

Times are int nanoseconds on CLOCK_MONOTONIC when named `*_ns`, and durations in ns when named `*_for_ns`.
The vocabularies are ordered: a word's position is its code in the raw spool, so words are only ever appended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

RUN_FORMAT = 1
"""Of the run folder, as its manifest names it."""

OPERATIONS = ("other", "open_session", "observe", "predict", "learn")
"""What a call asks for; `other` only for arrivals that are none of these (health, stm)."""

OUTCOMES = ("none", "ok", "error", "timeout", "rejected", "degraded", "cancelled", "overflow")
"""What became of a call; each issued call has exactly one but `none`."""

ERRORS = (
    "",
    "connect_error",
    "connect_timeout",
    "read_timeout",
    "pool_timeout",
    "reset",
    "protocol_error",
    "4xx",
    "5xx",
    "decode",
    "breaker_open",
    "retry_exhausted",
    "client_bug",
    "cancelled",
)
"""Why a call or attempt was not ok; also the words of `on` and `counts` in a policy (there also status codes
and `timeout` for connect_timeout and read_timeout)."""

HOOKS = ("none", "httpx", "httpx_async", "urllib3", "aiohttp", "fast", "probe")
"""Which transport hook recorded an attempt."""

ATTEMPT_HEADER = "x-kato-attempt"
"""Carries `<call>.<attempt>` on every hooked request; a forwarding witness strips it."""

CANARY_HEADER = "x-kato-canary"
"""Marks the harness's own proof requests; the witness answers them itself and never counts them."""

MESSAGE_EVENTS = (
    "none",
    "connected",
    "closed",
    "delivered",
    "acked",
    "requeued",
    "dropped",
    "output",
    "output_confirmed",
    "output_refused",
    "collected",
    "dead",
    "left",
    "left_dead",
    "beat",
    "copy",
    "copy_confirmed",
    "copy_refused",
)
"""What became of a message, or of a consumer's connection, as seen between the consumer and the broker (connected to
output_refused, beat; copy: the consumer published it again), at the end of its way (collected, dead), or in a queue
after the run (left, left_dead)."""

FAILED = frozenset({"error", "failed", "failure", "rejected"})
"""Words by which a result says of itself that nothing was done."""

WORTH = FAILED | {"degraded", "fallback", "cache", "cached", "stale", "unavailable"}
"""Words by which a result says how much it is worth; its shape shows them as they are."""

ORIGINS = frozenset({
    "source", "origin", "provenance", "provider", "via", "from", "served_by", "served_from", "status", "state", "mode",
    "quality",
})  # fmt: skip
"""Fields that say where a result comes from or how it came about; its shape shows what words they hold."""

UNLEARNED = "unlearned: "
"""Begins the detail of a call whose answer named what its user had never shown to KATO."""

UNNAMED = "named nothing"
"""The detail of a call whose answer named no symbol at all."""

TRACE_HEADER = "traceparent"
"""W3C Trace Context: `00-<trace id>-<span id>-<flags>` in hexadecimal."""

BREAKER_STATES = ("unknown", "closed", "open", "half_open")

Status = Literal["pass", "fail", "warn", "inconclusive", "not_exercised", "not_applicable", "invalid"]
Severity = Literal["gate", "warn", "info"]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time [start_ns, end_ns) with a name: a phase of a run."""

    name: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault: its kind and parameters, and its window as offsets (ns) from the start of the run."""

    name: str
    kind: str
    at_ns: int
    for_ns: int
    params: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, Any] = field(default_factory=dict)

    @property
    def until_ns(self) -> int:
        """End of the window as an offset from the start of the run (ns)."""
        return self.at_ns + self.for_ns


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of load: the rate goes linearly from `start_rate` to `end_rate` (calls/s) in `for_ns`."""

    start_rate: float
    end_rate: float
    for_ns: int


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered. Open model: `stages`. Closed model: `users` > 0 and `think_mean_ns`.

    `arrivals` is constant or poisson (closed model: the spread of think times, constant or exponential).
    `replay` is a file of recorded arrivals, of which `stages` give the rates then.
    `mix` gives weights per operation. `events` bounds the observes of one session (0: none).
    """

    stages: tuple[Stage, ...]
    arrivals: str = "constant"
    users: int = 0
    think_mean_ns: int = 0
    think_spread: str = "constant"
    sessions: int = 20
    strategy: str = "one_per_user"
    events: int = 0
    ttl_s: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    mix: Mapping[str, float] = field(default_factory=lambda: {"observe": 1.0})
    data: str = "product_views"
    feed: str = ""
    feed_order: str = "file"
    users_are: tuple[Mapping[str, Any], ...] = ()
    node_prefix: str = "kh-"
    warmup_for_ns: int = 0
    replay: str = ""

    @property
    def for_ns(self) -> int:
        """How long load is offered (ns)."""
        return sum(stage.for_ns for stage in self.stages)


class PlannedCall(NamedTuple):
    """One call of the plan: its id (1, 2, …; unique in the run), when it is meant to start, on which session.

    A tuple, because it is made three times as fast as a frozen dataclass.
    """

    call: int
    offset_ns: int
    session: int
    op: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one law says of one run. `witnesses` are at most five rows, each a mapping with at least a call id."""

    law: str
    name: str
    status: Status
    reason: str
    cure: str = ""
    measured: str = ""
    bound: str = ""
    required: bool = True
    severity: Severity = "gate"
    accepted: str | None = None
    scaled: bool = False
    law_rev: int = 1
    phase: str = ""
    witnesses: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SloResult:
    """One SLO judged: the expression as written, what was measured with its sample size, and the verdict."""

    name: str
    expression: str
    status: Status
    measured: str
    reason: str
    severity: Severity = "gate"
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A static finding: which rule, where (file:line or dotted key), why it matters and the cure."""

    rule: str
    where: str
    reason: str
    cure: str
    severity: str = "warn"
