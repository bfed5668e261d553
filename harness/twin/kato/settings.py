"""The environment variables that KATO 3.10 reads and that change its answers, with their types, defaults and ranges.

Source: `contracts/3.10/settings.json`. A value that KATO refuses at its start is refused here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from harness.errors import UsageError

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_TRUE = frozenset(("1", "true", "t", "yes", "y", "on"))
_FALSE = frozenset(("0", "false", "f", "no", "n", "off"))


@dataclass(frozen=True, slots=True)
class Settings:
    """One field a variable, by KATO's name in lower case; times in seconds."""

    service_name: str = "kato"
    log_level: str = "INFO"
    redis_url: str = "redis://localhost:6379"
    max_pattern_length: int = 0
    persistence: int = 5
    recall_threshold: float = 0.1
    stm_mode: str = "CLEAR"
    indexer_type: str = "VI"
    max_predictions: int = 100
    sort_symbols: bool = True
    process_predictions: bool = True
    use_token_matching: bool = True
    rank_sort_algo: str = "potential"
    session_ttl: int = 3600
    session_auto_extend: bool = True
    session_count_cache_ttl_seconds: float = 5.0
    metrics_cache_ttl_seconds: float = 5.0
    uvicorn_workers: int = 1
    uvicorn_limit_concurrency: int = 100
    uvicorn_backlog: int = 2048
    uvicorn_limit_max_requests: str = "unlimited"


_RANGES: Mapping[str, tuple[float, float]] = {
    "max_pattern_length": (0, float("inf")),
    "persistence": (1, 100),
    "recall_threshold": (0.0, 1.0),
    "max_predictions": (1, 10000),
    "session_ttl": (60, 86400),
}
_CHOICES: Mapping[str, tuple[str, ...]] = {"log_level": _LEVELS, "stm_mode": ("CLEAR", "ROLLING")}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment; variables that KATO doesn't read are ignored, names match in any case.

    Raises UsageError for a value with which KATO would not start.
    """
    given = {name.lower(): value for name, value in environment.items()}
    values = {
        field.name: _value(field.name, given[field.name], getattr(Settings(), field.name))
        for field in fields(Settings)
        if field.name in given
    }
    return Settings(**values)


def _value(name: str, text: str, default: Any) -> Any:
    try:
        value = _parsed(text, default)
    except ValueError:
        raise _refused(name, text, f"a {type(default).__name__}") from None
    low, high = _RANGES.get(name, (0.0, 0.0))
    if name in _RANGES and not low <= value <= high:
        raise _refused(name, text, f"{low} to {high}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise _refused(name, text, f"one of {', '.join(_CHOICES[name])}")
    return value


def _parsed(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        word = text.lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(text)
        return word in _TRUE
    return type(default)(text)


def _refused(name: str, text: str, wanted: str) -> UsageError:
    return UsageError(f"KATO does not start with {name.upper()}={text!r}", f"set {name.upper()} to {wanted}")
