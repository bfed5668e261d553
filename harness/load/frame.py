"""Which call the current greenlet, thread or task works for (standard library only)."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar

NOTHING: Mapping[str, str] = {}


class Frame:
    """One call in progress: its id and operation, how many attempts it has begun, and whether one of them got a 2xx.

    `headers` are its user's: they go on each of its requests.
    """

    __slots__ = ("attempts", "call", "headers", "op", "succeeded")

    def __init__(self, call: int, headers: Mapping[str, str] = NOTHING, op: str = "") -> None:
        self.call = call
        self.op = op
        self.headers = headers
        self.attempts = 0
        self.succeeded = False


CURRENT: ContextVar[Frame | None] = ContextVar("kato_harness_call", default=None)
