"""The guide's Consul client, corrected: blocking queries in the background, the last good answer kept, real turns.

Node.Address stands in where Service.Address is empty (consul#4599); a refused instance is passed over at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.integrations.guide_consul import agent_at
from harness.integrations.members import Address
from harness.integrations.spread import Spread

WAIT_S = 30.0
"""How long one blocking query may wait for a change."""

PAUSE_S = 1.0
"""Between look-ups that fail."""

ANSWERS_S = 2.0
"""What an agent may take besides the wait that it was asked for."""


class ConsulWatch:
    """Asks for the passing instances; the second look-up and later ones return when they changed."""

    def __init__(self, registry: str, scale: float) -> None:
        self._agent = agent_at(registry, connections_timeout=ANSWERS_S)
        self._wait = f"{max(WAIT_S * scale, 1.0):g}s"
        self._index: str | None = None

    def __call__(self) -> list[Address]:
        more = {} if self._index is None else {"index": self._index, "wait": self._wait}
        index, services = self._agent.health.service("kato", passing=True, **more)
        # an index that goes back means that the agent began anew (Consul's documentation, "Blocking Queries")
        self._index = None if self._index is not None and int(index) < int(self._index) else index
        return [(s["Service"]["Address"] or s["Node"]["Address"], s["Service"]["Port"]) for s in services]


def make(
    base_url: str,
    policy: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    registry: str = "",
    scale: float = 1.0,
) -> Spread:
    """The integration `fixed-consul`; `registry` is the agent's URL, `base_url` is not used."""
    return Spread(ConsulWatch(registry, scale), PAUSE_S * scale, policy, headers or {})
