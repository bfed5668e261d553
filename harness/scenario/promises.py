"""Numbers of the policy for expressions: what the client promises, else what the integration guide would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.model import OPERATIONS
from harness.policy import Policy, scaled
from harness.policy.backoff import interval_s
from harness.policy.merge import flatten

GUIDE: Mapping[str, Any] = {
    "timeout": {"connect": 10.0, "read": 10.0, "write": 10.0, "pool": 10.0, "total": 30.0},
    "retry": {
        "max_attempts": 3,
        "backoff": {"initial": 2.0, "multiplier": 2.0, "max": 10.0},
        "budget": {"ratio": 0.2, "min_per_second": 10.0},
    },
    "breaker": {
        "fail_max": 5, "reset_timeout": 60.0, "half_open_trials": 1, "success_threshold": 1,
        "failure_ratio": 0.5, "window": 60.0, "min_calls": 10,
    },
}  # fmt: skip
"""Stands in for promises that a client doesn't make, so that one scenario runs on every client. Time-outs, breaker
and back-off are the integration guide's examples; budget and ratios, which it lacks, are those of design.md."""

_NUMBERS: Mapping[str, float] = flatten(GUIDE)
_TWICE: Mapping[str, float] = flatten(scaled(GUIDE, 2.0))


def known() -> tuple[str, ...]:
    """Every name that an expression may use, without `calls.<op>.`."""
    return tuple(f"policy.{name}" for name in _NUMBERS)


def key_of(path: str) -> str | None:
    """The dotted key that `policy.…` means, without `calls.<op>`; None when there is none."""
    parts = path.split(".")[1:]
    if parts[:1] == ["calls"] and len(parts) > 2 and parts[1] in OPERATIONS[1:]:
        parts = parts[2:]
    name = ".".join(parts)
    return name if name in _NUMBERS else None


def is_duration(key: str) -> bool:
    """True when the number is a time: scaling a policy changes it."""
    return _TWICE[key] != _NUMBERS[key]


def number_of(policy: Policy, path: str, scale: float) -> tuple[float, bool]:
    """The value of `policy.…` (seconds for times) and whether it is assumed for want of a promise."""
    key = key_of(path)
    if key is None:
        raise KeyError(path)
    op = path.split(".")[2] if path.startswith("policy.calls.") else ""
    mine = policy.of(op) if op else policy
    value: Any = mine
    for part in key.split("."):
        value = getattr(value, part, None)
    if value is not None:
        return float(value), False
    derived = _derived(mine, key)
    if derived is not None:
        return derived, False
    return _NUMBERS[key] * (scale if is_duration(key) else 1.0), True


def _derived(policy: Policy, key: str) -> float | None:
    """What follows from other promises: total from the attempts, one step of an attempt from the total, one attempt
    where no retry is promised, and no window where no breaker looks at a ratio."""
    if key == "retry.max_attempts" and policy.retry is None:
        return 1.0
    if key == "breaker.window" and (policy.breaker is None or policy.breaker.failure_ratio is None):
        return 0.0
    if policy.timeout is None or not key.startswith("timeout."):
        return None
    return longest_call_s(policy) if key == "timeout.total" else policy.timeout.total


def longest_call_s(policy: Policy) -> float | None:
    """The longest a call may last (s): `total`, else attempts × (pool + connect + read) + Σ back-off (laws.md, T1)."""
    timeout = policy.timeout
    if timeout is None or timeout.total is not None:
        return timeout.total if timeout else None
    if timeout.read is None:
        return None
    attempts = policy.retry.max_attempts if policy.retry else 1
    one = (timeout.pool or 0.0) + (timeout.connect or timeout.read) + timeout.read
    return attempts * one + sum(_wait_s(policy, retry) for retry in range(1, attempts))


def _wait_s(policy: Policy, retry: int) -> float:
    backoff = policy.retry.backoff if policy.retry else None
    return interval_s(backoff, retry)[1] if backoff is not None else 0.0


def longest_timeout_s(policy: Policy) -> float:
    """The longest call that any operation promises (s); 0 where nothing is promised."""
    policies = [policy, *policy.calls.values()]
    return max((bound for each in policies if (bound := longest_call_s(each)) is not None), default=0.0)
