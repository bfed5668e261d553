"""What the fast path asks of an integration that takes its calls prepared (standard library only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable


class Exchange(Protocol):
    """An attempt that the hub carries: when it was sent, and if it was answered as usual, the head of its record and
    when the answer's headers were there."""

    start_ns: int
    row: bytes
    started_ns: int


@runtime_checkable
class Direct(Protocol):
    """An integration that records its attempts by itself."""

    in_hub: bool
    """Whether `begin` and `later` work."""

    def head(self, op: str, session_id: str, headers: Mapping[str, str]) -> bytes:
        """What the requests of an operation of a session begin with; the call's number follows, then a `tail`."""
        ...

    def tail(self, observation: Mapping[str, Any] | None) -> bytes:
        """What a request that observes something ends with, or one without a body."""
        ...

    def direct(self, op: str, head: bytes, tail: bytes, call: int, start_ns: int) -> tuple[bytes, int]:
        """A call's one attempt: the head of its record, empty where it is recorded, and the time of the headers."""
        ...

    def begin(
        self, op: str, head: bytes, tail: bytes, call: int, now_ns: int, turn: Callable[[int], object]
    ) -> Exchange | None:
        """`direct` without a greenlet, where that goes: the hub tells `turn` when it was answered (monotonic ns), or
        0 where it wasn't answered as usual.

        Nothing is recorded then yet; else `finish` has to be called.
        """
        ...

    def later(self, due_ns: int, turn: Callable[[int], object]) -> None:
        """Have the hub tell `turn` the time, once another has come (monotonic ns)."""
        ...

    def finish(self, begun: Any, op: str, call: int) -> tuple[bytes, int]:
        """The rest of what was begun; gives what `direct` does."""
        ...
