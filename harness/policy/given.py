"""The attribute `policy` of an integration, in plain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from harness.errors import UsageError
from harness.policy.merge import DURATIONS, shared_key
from harness.units import TextError, duration_s


def given(policy: object, where: str) -> dict[str, Any]:
    """The nested mapping with durations in float seconds, sets and tuples as lists, and without None, which stands for
    what isn't said. Durations may be numbers of seconds, timedelta, or texts with a unit.

    Raises UsageError where it is no mapping, or where a time can't be read. `where`: whose it is, as
    app/kato.py:Client.
    """
    if not isinstance(policy, Mapping):
        what = f"policy of {where} is of type {type(policy).__name__}, not a mapping"
        raise UsageError(what, "give a dict with the keys of a scenario's `policy`")
    try:
        return {str(name): _plain(item, str(name)) for name, item in policy.items() if item is not None}
    except TextError as error:
        raise UsageError(f"policy of {where}: {error.what}", error.cure) from error


def _plain(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item, f"{key}.{name}") for name, item in value.items() if item is not None}
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str) and shared_key(key) in DURATIONS:
        return duration_s(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, "") for item in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)
