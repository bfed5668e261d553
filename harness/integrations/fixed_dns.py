"""The guide's client by DNS name, corrected: it looks the name up in the background, keeps the last good answer, takes
turns over the addresses, and leaves an address that the name no longer has."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from harness.integrations.members import Address
from harness.integrations.spread import Spread

REFRESH_S = 5.0
"""The TTL of cluster names where CoreDNS is left as it comes; getaddrinfo does not tell it."""

PAUSE_S = 1.0


class NameWatch:
    """Looks a name up, at most once each `refresh_s`."""

    def __init__(self, host: str, port: int, refresh_s: float) -> None:
        self._host = host
        self._port = port
        self._refresh_s = refresh_s
        self._due = 0.0

    def __call__(self) -> list[Address]:
        time.sleep(max(0.0, self._due - time.monotonic()))
        self._due = time.monotonic() + self._refresh_s
        found = socket.getaddrinfo(self._host, self._port, socket.AF_INET, socket.SOCK_STREAM)
        return [(str(address[0]), int(address[1])) for *_, address in found]


def make(
    base_url: str, policy: Mapping[str, Any], headers: Mapping[str, str] | None = None, scale: float = 1.0
) -> Spread:
    """The integration `fixed-dns`; durations of `policy` in seconds."""
    parts = urlsplit(base_url)
    watch = NameWatch(parts.hostname or "", parts.port or 80, REFRESH_S * scale)
    return Spread(watch, PAUSE_S * scale, policy, headers or {})
