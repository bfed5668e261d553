"""Which call the current greenlet, thread or task works for (standard library only)."""

from __future__ import annotations

from contextvars import ContextVar


class Frame:
    """One call in progress: its id and how many attempts it has begun."""

    __slots__ = ("attempts", "call")

    def __init__(self, call: int) -> None:
        self.call = call
        self.attempts = 0


CURRENT: ContextVar[Frame | None] = ContextVar("kato_harness_call", default=None)
