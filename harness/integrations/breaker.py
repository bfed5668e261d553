"""A circuit breaker that holds no lock during the call, for threads and greenlets alike.

Closed: calls pass, consecutive failures are counted. Open: calls are refused at once for `reset_timeout` seconds of
monotonic time. Half-open: `trials` calls pass at a time, the others are refused; `success_threshold` successes close
it, a failure opens it again. A call that began before the last change of state changes nothing by how it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"


class BreakerOpenError(Exception):
    """The call was refused without an attempt."""


class StateListener(Protocol):
    """Hears of changes; `old` and `new` have the state's name as `name`, as pybreaker's have."""

    def state_change(self, breaker: Any, old: State, new: State) -> None:
        """The breaker went from `old` to `new`."""
        ...


class State:
    """A state's name, in the shape that listeners of pybreaker know."""

    def __init__(self, name: str) -> None:
        self.name = name


class Breaker:
    """See the module. `counts(error)` is True for a failure, False for an answer of a healthy server, None for what
    says nothing about the server (a full pool, a cancellation, a bug)."""

    def __init__(
        self,
        fail_max: int,
        reset_timeout: float,
        counts: Callable[[BaseException], bool | None],
        trials: int = 1,
        success_threshold: int = 1,
        clock: Callable[[], float] = lambda: time.monotonic(),
    ) -> None:
        self.fail_max = fail_max
        self.reset_timeout = reset_timeout
        self.half_open_trials = trials
        self.success_threshold = success_threshold
        self._counts = counts
        self._clock = clock
        self._lock = threading.Lock()
        self._state = CLOSED
        self._generation = 0
        self._failures = 0
        self._successes = 0
        self._trials = 0
        self._opened_at = 0.0
        self._listeners: list[StateListener] = []

    @property
    def current_state(self) -> str:
        """closed, open or half_open."""
        return self._state

    def add_listener(self, listener: StateListener) -> None:
        """Tell `listener` of every change from now on."""
        self._listeners.append(listener)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns or raises; BreakerOpenError when it may not be tried now."""
        generation = self._admit()
        try:
            result = function(*arguments)
        except BaseException as error:
            self._settle(generation, self._counts(error))
            raise
        self._settle(generation, False)
        return result

    def _admit(self) -> int:
        """The generation that the call belongs to; raises BreakerOpenError."""
        with self._lock:
            if self._state == OPEN and self._clock() - self._opened_at >= self.reset_timeout:
                self._go(HALF_OPEN)
            if self._state == OPEN:
                raise BreakerOpenError("open")
            if self._state == HALF_OPEN:
                if self._trials >= self.half_open_trials:
                    raise BreakerOpenError("half-open, its trial is under way")
                self._trials += 1
            return self._generation

    def _settle(self, generation: int, failed: bool | None) -> None:
        with self._lock:
            if generation != self._generation:
                return
            if self._state == HALF_OPEN:
                self._trials -= 1
            if failed:
                self._failures += 1
                if self._state == HALF_OPEN or self._failures >= self.fail_max:
                    self._opened_at = self._clock()
                    self._go(OPEN)
            elif failed is False:
                self._failures = 0
                self._successes += 1
                if self._state == HALF_OPEN and self._successes >= self.success_threshold:
                    self._go(CLOSED)

    def _go(self, state: str) -> None:
        old, self._state = self._state, state
        self._generation += 1
        self._failures = self._successes = self._trials = 0
        for listener in self._listeners:
            listener.state_change(self, State(old), State(state))
