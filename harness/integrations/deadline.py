"""A total deadline for synchronous clients: no step of a call waits longer than what is left of it.

httpx and requests bound each read, never their sum: a dripped answer takes as long as it likes. Here the current
call's deadline travels in a context variable, and every wait on a socket is cut to what is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DUE: ContextVar[float | None] = ContextVar("kato_deadline", default=None)


class DeadlineError(TimeoutError):
    """The call's total time is used up."""


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Everything inside ends within `seconds` (None: no bound of its own); an outer deadline still holds."""
    due, outer = None if seconds is None else time.monotonic() + seconds, _DUE.get()
    token = _DUE.set(min((d for d in (due, outer) if d is not None), default=None))
    try:
        yield
    finally:
        _DUE.reset(token)


def left() -> float | None:
    """Seconds until the deadline, never negative; None where there is none."""
    due = _DUE.get()
    return None if due is None else max(0.0, due - time.monotonic())


def cut(limit: float | None) -> float | None:
    """A time-out of `limit` seconds cut to what is left; raises DeadlineError when nothing is."""
    remaining = left()
    if remaining is None:
        return limit
    if remaining <= 0.0:
        raise DeadlineError("the call's deadline has passed")
    return remaining if limit is None else min(limit, remaining)
