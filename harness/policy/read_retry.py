"""tenacity's and stamina's settings: how often, on what, with which waits."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from harness.model import ERRORS
from harness.taxonomy import name_of, words_under


def read_retry(retrying: Any) -> dict[str, Any]:
    """The `retry` part of a policy from a tenacity Retrying or what stamina's decorator keeps."""
    settings = getattr(retrying, "_t_kw", None)
    if settings is not None:
        read = _tenacity(settings["stop"], None, settings["retry"], settings["reraise"])
        backoff = _stamina_waits(retrying)
    else:
        read = _tenacity(retrying.stop, retrying.wait, retrying.retry, retrying.reraise)
        backoff = read.pop("backoff", None)
    return read | ({"backoff": backoff} if backoff else {})


def _tenacity(stop: Any, wait: Any, retry: Any, reraise: Any) -> dict[str, Any]:
    attempts, on = _attempts(stop), _errors(retry)
    backoff = _waits(wait, attempts or 4)
    known = {"max_attempts": attempts, "on": canonical(on) if on else None, "backoff": backoff}
    return {key: value for key, value in known.items() if value is not None} | {"reraise": bool(reraise)}


def canonical(words: Iterable[str]) -> list[str]:
    """Error words in the vocabulary's order, both time-outs of a connection as `timeout`."""
    found = set(words)
    if {"connect_timeout", "read_timeout"} <= found:
        found = found - {"connect_timeout", "read_timeout"} | {"timeout"}
    order = ["timeout", *ERRORS]
    return sorted(found, key=lambda word: order.index(word) if word in order else len(order))


def _is(thing: Any, name: str) -> bool:
    return any(name_of(kind) == f"tenacity.{name}" for kind in type(thing).__mro__)


def _attempts(stop: Any) -> int | None:
    """The most attempts that a stop allows; None where it bounds something else."""
    if _is(stop, "stop_after_attempt"):
        return int(stop.max_attempt_number)
    bounds = [bound for inner in getattr(stop, "stops", ()) if (bound := _attempts(inner)) is not None]
    if _is(stop, "stop_all"):
        return max(bounds) if len(bounds) == len(stop.stops) else None
    return min(bounds, default=None)


def _errors(retry: Any) -> set[str] | None:
    """The error words that a retry repeats on; None for a predicate, which only running it would tell."""
    if _is(retry, "retry_any") or _is(retry, "retry_all"):
        inner = [words for each in retry.retries if (words := _errors(each)) is not None]
        join = set.intersection if _is(retry, "retry_all") else set.union
        return join(*inner) if inner else None
    kinds = getattr(retry, "exception_types", None)
    if kinds is None:
        return None
    words = _words(kinds)
    return _words(Exception) - words if _is(retry, "retry_if_not_exception_type") else words


def _words(kinds: Any) -> set[str]:
    return {word for kind in (kinds if isinstance(kinds, tuple) else (kinds,)) for word in words_under(kind)}


def _waits(wait: Any, attempts: int) -> dict[str, Any] | None:
    """A back-off from a wait: its own numbers where it is random, else the waits that can come, as a series."""
    if wait is None:
        return None
    if _is(wait, "wait_combine"):
        return _sum([_waits(inner, attempts) for inner in wait.wait_funcs])
    if _is(wait, "wait_random_exponential"):
        return _series(wait.multiplier, wait.exp_base, wait.max, "full")
    if _is(wait, "wait_exponential_jitter"):
        # called `initial` before tenacity 9.2
        first = wait.multiplier if hasattr(wait, "multiplier") else wait.initial
        return _added(_series(first, wait.exp_base, wait.max, "none"), wait.jitter)
    if _is(wait, "wait_random"):
        return _uniform(float(wait.wait_random_min), float(wait.wait_random_max))
    return _fitted(wait, attempts) if _fixed(wait) else None


def _uniform(least: float, most: float) -> dict[str, Any]:
    """A wait drawn between two bounds: 0 to w, or w and what may be added to it."""
    return _added(_series(least, 1.0, None, "none"), most - least) if least else _series(most, 1.0, None, "full")


def _fixed(wait: Any) -> bool:
    """Whether the waits follow from the attempt's number alone, so that they can be asked for."""
    if _is(wait, "wait_chain"):
        return all(_fixed(inner) for inner in wait.strategies)
    return any(_is(wait, name) for name in ("wait_fixed", "wait_incrementing", "wait_exponential"))


def _fitted(wait: Any, attempts: int) -> dict[str, Any]:
    waits = [float(wait(SimpleNamespace(attempt_number=number))) for number in range(1, max(attempts, 2))]
    growth = waits[1] / waits[0] if len(waits) > 1 and waits[0] > 0 else 1.0
    longest = getattr(wait, "max", None)
    return _series(waits[0], growth, longest if isinstance(longest, (int, float)) else None, "none")


def _series(initial: float, multiplier: float, longest: Any, jitter: str) -> dict[str, Any]:
    series: dict[str, Any] = {"initial": float(initial), "multiplier": float(multiplier), "jitter": jitter}
    bounded = isinstance(longest, (int, float)) and longest < 1e9  # tenacity writes "no bound" as sys.maxsize / 2
    return series | ({"max": float(longest)} if bounded else {})


def _sum(parts: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Waits added up: what is drawn between fixed bounds comes on top of one wait that grows, or of none. Of other
    sums the longest wait is known alone."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    grows = [part for part in known if part["multiplier"] != 1.0 and part["jitter"] != "full"]
    steady = [_bounds(part) for part in known if part["multiplier"] == 1.0]
    least, spread = sum(low for low, _ in steady), sum(high - low for low, high in steady)
    if len(steady) == len(known):
        return _added(_series(least, 1.0, None, "none"), spread)
    if len(grows) == 1 and len(steady) == len(known) - 1 and not least:
        whole = {"max": grows[0]["max"] + spread} if "max" in grows[0] else {}
        return _added(grows[0] | whole, spread + grows[0].get("spread", 0.0))
    jitter = "full" if any(part["jitter"] != "none" for part in known) else "none"
    longest = sum(part["max"] for part in known) if all("max" in part for part in known) else None
    most = sum(part["initial"] + part.get("spread", 0.0) for part in known)
    return _series(most, max(part["multiplier"] for part in known), longest, jitter)


def _bounds(part: dict[str, Any]) -> tuple[float, float]:
    """The shortest and the longest wait of one that doesn't grow."""
    first = part["initial"]
    return (0.0 if part["jitter"] == "full" else first), first + part.get("spread", 0.0)


def _added(series: dict[str, Any], spread: float) -> dict[str, Any]:
    """The series with up to `spread` seconds more of each wait; a longest wait is that of both."""
    return series | ({"jitter": "added", "spread": float(spread)} if spread else {})


def _stamina_waits(context: Any) -> dict[str, Any]:
    """stamina: min(max, initial · base^(n−1) + a random part up to `jitter`)."""
    plain = _series(context._wait_initial, context._wait_exp_base, context._wait_max, "none")
    return _added(plain, context._wait_jitter)
