"""Is an answer the recorded one? Values that the request decides must be equal, the others of the same kind.

Free are identifiers, times, and figures of the host and of other traffic (the monitoring endpoints). Predictions and
futures that rank equally may come in any order: KATO takes them from a set. Floats may differ by 1e-6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.conform.contract import ANY_BODY, Expected

FLOAT_TOLERANCE = 1e-6
TTL_TOLERANCE_S = 5

_MONITORING = re.compile(
    r"/(health|status|metrics(/.*)?|stats|concurrency|connection-pools|cache/stats|distributed-stm/stats|sessions/count)"
)
_TIMES = frozenset(("created_at", "expires_at", "timestamp", "last_accessed"))
_FIGURES = frozenset(("uptime_seconds", "time_ms"))
_MADE_ID = re.compile(r"(seq-)?obs-[0-9a-f]{32}")
_MADE_SESSION = re.compile(r"session-[0-9a-f]{32}-\d+")
_TIMED_WORDS = re.compile(r"(?<=patterns in )[\d.]+(?=ms)")
_RANKED = {"predictions": "potential", "future_potentials": "aggregate_potential"}


def differences(path: str, expected: Expected, status: int, headers: Mapping[str, str], body: Any) -> list[str]:
    """What is not as recorded, one sentence each; empty where the answer conforms."""
    found = []
    if status != expected.status:
        found.append(f"status {status}, not {expected.status}")
    wanted = {"content-type": expected.content_type, **expected.headers}
    for name, value in wanted.items():
        if value and headers.get(name) != value:
            found.append(f"{name} is {headers.get(name)!r}, not {value!r}")
    if expected.body is ANY_BODY:
        return found
    if isinstance(expected.body, Mapping) and isinstance(body, Mapping) and _new_session(expected.body, body, path):
        body = {**body, "session_id": expected.body["session_id"]}
    same = _of_same_kind if _MONITORING.fullmatch(path.partition("?")[0]) and status == 200 else _equal
    found.extend(same("body", expected.body, body))
    return found


def _new_session(expected: Mapping[str, Any], got: Mapping[str, Any], path: str) -> bool:
    """Both opened a session, whose identifier no later step names."""
    made = (str(body.get("session_id")) for body in (expected, got))
    return path.partition("?")[0] == "/sessions" and all(_MADE_SESSION.fullmatch(name) for name in made)


def _equal(at: str, expected: Any, got: Any) -> Iterator[str]:
    name = at.rpartition(".")[2]
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        yield from _same_keys(at, expected, got)
        for key in expected.keys() & got.keys():
            yield from _equal(f"{at}.{key}", expected[key], got[key])
    elif isinstance(expected, list) and isinstance(got, list):
        yield from _equal_lists(at, expected, got)
    elif name in _TIMES or name in _FIGURES:
        yield from _of_same_kind(at, expected, got)
    elif not _same_value(name, expected, got):
        yield f"{at} is {_short(got)}, not {_short(expected)}"


def _same_value(name: str, expected: Any, got: Any) -> bool:
    if isinstance(expected, str) and isinstance(got, str):
        if _MADE_ID.fullmatch(expected):
            return _MADE_ID.fullmatch(got) is not None
        return _TIMED_WORDS.sub("", expected) == _TIMED_WORDS.sub("", got)
    if _is_number(expected) and _is_number(got):
        if name == "ttl_seconds":
            return bool(abs(expected - got) <= TTL_TOLERANCE_S)
        return expected == got or _close(expected, got)
    return type(expected) is type(got) and bool(expected == got)


def _close(expected: float, got: float) -> bool:
    try:
        return math.isclose(expected, got, rel_tol=FLOAT_TOLERANCE, abs_tol=FLOAT_TOLERANCE)
    except OverflowError:  # an integer beyond every float
        return False


def _equal_lists(at: str, expected: Sequence[Any], got: Sequence[Any]) -> Iterator[str]:
    if len(expected) != len(got):
        yield f"{at} has {len(got)} items, not {len(expected)}"
        return
    rank = _RANKED.get(at.rpartition(".")[2])
    if rank is not None and all(isinstance(item, Mapping) and rank in item for item in (*expected, *got)):
        expected, got = _in_one_order(expected, rank), _in_one_order(got, rank)
    for number, (wanted, given) in enumerate(zip(expected, got, strict=True)):
        yield from _equal(f"{at}.{number}", wanted, given)


def _in_one_order(items: Sequence[Mapping[str, Any]], rank: str) -> list[Mapping[str, Any]]:
    """Runs of equal rank sorted by what they are about; the runs stay where they are."""
    run = 0
    keyed = []
    for at, item in enumerate(items):
        if at and not _same_value(rank, items[at - 1][rank], item[rank]):
            run += 1
        keyed.append((run, str(item.get("name")), str(item.get("future")), at))
    return [items[key[-1]] for key in sorted(keyed)]


def _of_same_kind(at: str, expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        yield from _same_keys(at, expected, got)
        for key in expected.keys() & got.keys():
            yield from _of_same_kind(f"{at}.{key}", expected[key], got[key])
    elif isinstance(expected, list) and isinstance(got, list):
        if expected and got:
            yield from _of_same_kind(f"{at}.0", expected[0], got[0])
    elif _kind(expected) != _kind(got) and None not in (expected, got):
        yield f"{at} is a {_kind(got)}, not a {_kind(expected)}"


def _same_keys(at: str, expected: Mapping[str, Any], got: Mapping[str, Any]) -> Iterator[str]:
    missing, unknown = sorted(expected.keys() - got.keys()), sorted(got.keys() - expected.keys())
    if missing:
        yield f"{at} lacks {', '.join(missing)}"
    if unknown:
        yield f"{at} has {', '.join(unknown)} besides"


def _kind(value: Any) -> str:
    return "number" if _is_number(value) else type(value).__name__


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
