"""Settings of pybreaker, aiobreaker, circuitbreaker, and of hand-written breakers with telling names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from harness.policy.read_retry import canonical
from harness.taxonomy import words_under

_FAIL_MAX = ("fail_max", "failure_threshold", "max_failures", "fail_threshold", "threshold")
_RESET = ("reset_timeout", "recovery_timeout", "timeout_duration", "open_seconds", "open_for", "cooldown")
_OTHERS = ("success_threshold", "half_open_trials")

COUNTABLE = frozenset(
    {"connect_error", "connect_timeout", "read_timeout", "pool_timeout", "reset", "protocol_error", "4xx", "5xx"}
    | {"decode", "client_bug", "cancelled"}
)
"""Everything that could be counted; a breaker without exclusions counts it all."""


def read_breaker(breaker: Any) -> dict[str, Any]:
    """The `breaker` part of a policy, durations in seconds."""
    read = {
        "fail_max": _number(breaker, _FAIL_MAX),
        "reset_timeout": _seconds(breaker, _RESET),
        "counts": _counts(breaker),
    }
    read |= {name: _number(breaker, (name,)) for name in _OTHERS}
    return {key: value for key, value in read.items() if value is not None}


def _first(breaker: Any, names: tuple[str, ...]) -> Any:
    """The first attribute that is there, public or with an underscore."""
    both = [spelt for name in names for spelt in (name, f"_{name}")]
    return next((value for name in both if (value := getattr(breaker, name, None)) is not None), None)


def _number(breaker: Any, names: tuple[str, ...]) -> int | None:
    value = _first(breaker, names)
    return value if isinstance(value, int) else None


def _seconds(breaker: Any, names: tuple[str, ...]) -> float | None:
    value = _first(breaker, names)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, (int, float)) else None


def _counts(breaker: Any) -> list[str] | None:
    """The errors it counts, where exception classes say so; None where a predicate decides."""
    excluded = _first(breaker, ("excluded_exceptions",))
    if isinstance(excluded, (list, tuple)):
        if not all(isinstance(kind, type) for kind in excluded):
            return None
        return canonical(COUNTABLE - {word for kind in excluded for word in words_under(kind)})
    expected = _expected(getattr(breaker, "is_failure", None))
    if not expected:
        return None
    return canonical(COUNTABLE & {word for kind in expected for word in words_under(kind)})


def _expected(predicate: Any) -> tuple[type[BaseException], ...]:
    """circuitbreaker keeps its expected exceptions in the closure of `is_failure`."""
    cells = [cell.cell_contents for cell in getattr(predicate, "__closure__", None) or ()]
    kinds = [kind for cell in cells for kind in (cell if isinstance(cell, (tuple, list)) else (cell,))]
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseException))
