"""What the fast path asks of an integration that takes its calls prepared (standard library only)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class Exchange(Protocol):
    """An attempt that the hub carries, on one connection.

    Its `request`; when that was sent, when the answer's headers were there and when it was found right (`start_ns`,
    `started_ns`, `end_ns`), and then the head of the attempt's record (`row`). `job` and `owner` are the caller's own.
    """

    request: bytes
    start_ns: int
    started_ns: int
    end_ns: int
    row: bytes
    job: Any
    owner: Any


class Hub(Protocol):
    """The calls of an integration that need no greenlet."""

    def begin(self, op: str, now_ns: int) -> Exchange | None:
        """Take a connection for a call; None where none is free that was used for such a call before."""
        ...

    def becomes(self, exchange: Exchange, op: str) -> None:
        """Have an exchange's next call be one of another operation."""
        ...

    def put(self, exchange: Exchange) -> None:
        """Have an exchange's request sent, soon."""
        ...

    def free(self, exchange: Exchange) -> None:
        """Give the connection of an exchange that was answered as usual to others."""
        ...

    def later(self, due_ns: int, then: Callable[[], object]) -> None:
        """Have the hub call `then` when a time has come (monotonic ns)."""
        ...


@runtime_checkable
class Direct(Protocol):
    """An integration that records its attempts by itself."""

    def head(self, op: str, session_id: str, headers: Mapping[str, str]) -> bytes:
        """What the requests of an operation of a session begin with; the call's number follows, then a `tail`."""
        ...

    def tail(self, observation: Mapping[str, Any] | None) -> bytes:
        """What a request that observes something ends with, or one without a body."""
        ...

    def direct(self, op: str, request: bytes, call: int, start_ns: int) -> tuple[bytes, int]:
        """A call's one attempt: the head of its record, empty where it is recorded, and the time of the headers."""
        ...

    def hub(self, answered: Callable[[Sequence[Any]], object], unusual: Callable[[Any], object]) -> Hub | None:
        """What carries calls without a greenlet, where there is a hub.

        It tells `answered` of exchanges whose answers were found right and of which nothing is recorded yet, and
        `unusual` of one that has to be finished.
        """
        ...

    def finish(self, begun: Any, op: str, call: int) -> tuple[bytes, int]:
        """The rest of what the hub has begun and wasn't answered as usual; gives what `direct` does."""
        ...
