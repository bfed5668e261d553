"""Which call the current greenlet, thread or task works for (standard library only)."""

from __future__ import annotations

from contextvars import ContextVar


class Frame:
    """One call in progress: its id, how many attempts it has begun, and whether one of them got a 2xx."""

    __slots__ = ("attempts", "call", "succeeded")

    def __init__(self, call: int) -> None:
        self.call = call
        self.attempts = 0
        self.succeeded = False


CURRENT: ContextVar[Frame | None] = ContextVar("kato_harness_call", default=None)
