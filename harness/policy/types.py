"""The policy's records. A field's name is its key in YAML; None means not known or absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeout:
    """Time-outs in seconds: per attempt (pool, connect, read, write) and `total` over the whole call."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait before re-try i (1, 2, …) is min(max, initial · multiplier^(i−1)) seconds, spread by `jitter`.

    jitter: none (exact), full (uniform 0..w), equal (w/2..w), decorrelated (initial..3·previous, at most max), added
    (w..w + spread seconds, at most max). `first`: the wait before re-try 1 where it isn't one of that series, which
    then begins with re-try 2: urllib3 and httpcore send the first one at once.
    """

    initial: float = 0.0
    multiplier: float = 2.0
    max: float | None = None
    jitter: str = "none"
    spread: float = 0.0
    first: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """Retry budget: re-tries at most `ratio` of calls, plus `min_per_second`."""

    ratio: float = 0.2
    min_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `max_attempts` attempts a call (not re-tries), on the errors in `on`, for the operations in `calls`.

    `calls` None: those that are idempotent. `retry_after`: honour or ignore. `reraise`: the last error is raised
    as it was, not wrapped.
    """

    max_attempts: int = 1
    on: tuple[str, ...] = ()
    calls: tuple[str, ...] | None = None
    backoff: Backoff | None = None
    retry_after: str | None = None
    budget: Budget | None = None
    reraise: bool | None = None


@dataclass(frozen=True, slots=True)
class Breaker:
    """Circuit breaker: opens after `fail_max` consecutive counted failures (or `failure_ratio` of at least
    `min_calls` in `window` seconds), stays open `reset_timeout` seconds, then lets `half_open_trials` through and
    closes after `success_threshold` successes. `counts`: the errors that are failures."""

    fail_max: int | None = None
    reset_timeout: float = 60.0
    counts: tuple[str, ...] = ("connect_error", "timeout", "reset", "protocol_error", "5xx")
    half_open_trials: int = 1
    success_threshold: int = 1
    failure_ratio: float | None = None
    window: float | None = None
    min_calls: int | None = None


@dataclass(frozen=True, slots=True)
class Fallback:
    """A degraded answer instead of an error; `marked`: `degraded(result)` tells it from a real one."""

    marked: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything an integration promises. `calls` holds per-operation policies, already merged over the rest."""

    timeout: Timeout | None = None
    retry: Retry | None = None
    breaker: Breaker | None = None
    fallback: Fallback | None = None
    sessions: str = "one_per_user"
    calls: Mapping[str, Policy] = field(default_factory=dict)

    def of(self, op: str) -> Policy:
        """The policy of one operation: its own where given, else this one."""
        return self.calls.get(op, self)


@dataclass(frozen=True, slots=True)
class Promise:
    """The effective policy with where each number came from, and what was declared and read for themselves.

    `sources` maps a dotted key (`timeout.read`) to declared, read or default; `declared` and `read` map dotted keys
    to plain values, so that finding K2 can lay them side by side.
    """

    policy: Policy
    sources: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, object] = field(default_factory=dict)
    read: Mapping[str, object] = field(default_factory=dict)
    scale: float = 1.0
