"""What all connections of a consumer have in hand between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.messaging.identity import names


@dataclass(slots=True)
class Hands:
    """A consumer may publish on another connection than it consumes on.

    `open`: unsettled messages by (connection, channel) and tag; `given`: every message that was ever delivered;
    `queues`: the names of those that were declared, `polled` of those that were asked for a message.
    """

    open: dict[tuple[int, int], dict[int, str]] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    polled: set[str] = field(default_factory=set)

    def of(self, connection: int, channel: int) -> dict[int, str]:
        """The unsettled messages of a channel, by tag."""
        return self.open.setdefault((connection, channel), {})

    def gone(self, connection: int) -> int:
        """The connection has ended; how many unsettled messages went back."""
        mine = [where for where in self.open if where[0] == connection]
        return sum(len(self.open.pop(where)) for where in mine)

    def cause(self, properties: Any, connection: int) -> str:
        """The message that a publish is about: the one it names, or the only one in hand; '' where nobody can tell."""
        for name in names(properties):
            if name in self.given:
                return name
        mine = [held for where, held in self.open.items() if where[0] == connection and held]
        held = mine or [held for held in self.open.values() if held]
        return next(iter(held[0].values())) if len(held) == 1 and len(held[0]) == 1 else ""
