"""What is known of an integration before it is made, and the protocol that it keeps once it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """An integration by name: where its factory is, where it runs, and what it declares.

    `module` is a dotted name or the path of a .py file. `runtime`: gevent (in the Locust process), threads or asyncio
    (in a host process). `policy` has durations in unscaled seconds; it is empty for a client that isn't ours.
    """

    name: str
    module: str
    factory: str
    runtime: str = "threads"
    policy: Mapping[str, Any] = field(default_factory=dict)
    doc: str = ""

    @property
    def where(self) -> str:
        """`module:factory`, for messages."""
        return f"{self.module}:{self.factory}"


class Integration(Protocol):
    """A KATO client under test; its methods may be `async def` instead, all of them.

    Optional besides: `open_session(node_id) -> str` (absent: the client owns its sessions, and `session_id` is the
    user's id), `learn(session_id)`, `policy` (what it promises), `degraded(result) -> bool` (is this the fallback?),
    `symbols(result) -> list[str]` (which symbols a prediction's answer names) and `inspect` (objects to read promises
    from).
    """

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Send one observation; what KATO or the client's fallback answered."""
        ...

    def predict(self, session_id: str) -> Any:
        """Ask for predictions; what KATO or the client's fallback answered."""
        ...

    def close(self) -> None:
        """Give up every connection."""
        ...


CALLED_WITH: Mapping[str, tuple[str, ...]] = {
    "open_session": ("node_id",),
    "observe": ("session_id", "observation"),
    "predict": ("session_id",),
    "learn": ("session_id",),
}
"""The arguments that the harness passes, by position."""
