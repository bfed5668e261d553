"""Listening to breakers that can be reached: pybreaker's, aiobreaker's and our own tell of each change of state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from harness.taxonomy import name_of

_TELLS = frozenset({"pybreaker.CircuitBreaker", "aiobreaker.CircuitBreaker", "harness.Breaker"})


class BreakerRecorder(Protocol):
    """What listening needs of a recorder; words of `model.BREAKER_STATES`."""

    def breaker(self, name: str, previous: str, state: str) -> None:
        """The breaker changed its state now."""
        ...


class Listener:
    """A listener in the shape that pybreaker and aiobreaker call; only changes of state matter here."""

    def __init__(self, recorder: BreakerRecorder, name: str) -> None:
        self._recorder = recorder
        self._name = name

    def before_call(self, *_: Any, **__: Any) -> None:
        """Not of interest."""

    def success(self, *_: Any) -> None:
        """Not of interest."""

    def failure(self, *_: Any) -> None:
        """Not of interest."""

    def state_change(self, breaker: Any, old: Any, new: Any) -> None:
        """The breaker went from `old` to `new`."""
        self._recorder.breaker(self._name, _word(old), _word(new))


def _word(state: Any) -> str:
    """closed, open or half_open: pybreaker's states have a name, aiobreaker's an enumeration's member."""
    inner = getattr(state, "state", state)
    name = str(getattr(inner, "name", inner)).lower().replace("-", "_")
    return name if name in ("closed", "open", "half_open") else "unknown"


def listen(recorder: BreakerRecorder, breakers: Iterable[Any]) -> int:
    """Record every change of state of those breakers that tell; how many do."""
    telling = [breaker for breaker in breakers if any(name_of(kind) in _TELLS for kind in type(breaker).__mro__)]
    for number, breaker in enumerate(telling):
        breaker.add_listener(Listener(recorder, getattr(breaker, "name", None) or f"breaker-{number}"))
    return len(telling)
