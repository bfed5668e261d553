"""Which call the current greenlet, thread or task works for (standard library only)."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

NOTHING: Mapping[str, str] = {}


class Frame:
    """One call in progress: its id and operation, how many attempts it has begun, and how many of them `served` it with
    a 2xx.

    `headers` are its user's: they go on each of its requests. `over`: it has ended, and what a task or thread that it
    started still does (a worker that serves all calls, a replay) is no work of its own.
    """

    __slots__ = ("attempts", "call", "headers", "op", "over", "served")

    def __init__(self, call: int, headers: Mapping[str, str] = NOTHING, op: str = "") -> None:
        self.call = call
        self.op = op
        self.headers = headers
        self.attempts = 0
        self.served = 0
        self.over = False


CURRENT: ContextVar[Frame | None] = ContextVar("kato_harness_call", default=None)


def working_for() -> Frame | None:
    """The call in progress that this context works for."""
    frame = CURRENT.get()
    return None if frame is None or frame.over else frame
