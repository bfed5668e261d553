"""Where the client is told that KATO is, and what comes with that place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.faults import Ask, Probe
from harness.inject.registry import RegistryPlane

Address = tuple[str, int]
Facts = Mapping[str, Any]
Look = Callable[[Ask], Probe]


@dataclass(frozen=True, slots=True)
class Front:
    """Where the client is told that KATO is; `orders` adds to what the generators are told.

    `facts` are known at once, `closing` are asked for at the end of the load. Where the client asks a registry,
    `registry` carries its faults and `look` proves them; `registry_at` is the proxy before it.
    """

    base_url: str
    orders: Facts = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
    closing: Callable[[], Facts] = dict
    registry: RegistryPlane | None = None
    registry_at: Address | None = None
    look: Look | None = None


def at(address: Address) -> str:
    """host:port."""
    return f"{address[0]}:{address[1]}"
