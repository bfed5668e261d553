"""Loopback ports that stay ours while nobody listens on them."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from harness.errors import PartMissing, UsageError

FIRST = 10_240
DEFAULT_EPHEMERAL_FIRST = 32_768
TRIES = 200
LOCAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def ephemeral_first() -> int:
    """The lowest port that the kernel gives to outgoing connections (ip(7), ip_local_port_range)."""
    return int(LOCAL_RANGE.read_text().split()[0]) if LOCAL_RANGE.exists() else DEFAULT_EPHEMERAL_FIRST


def free_port(host: str = "127.0.0.1") -> int:
    """A port free now and outside the kernel's range for outgoing connections.

    A refused fault closes its listener for a while. In the outgoing range another connection could take the port
    meanwhile, and a client that redials it could be connected to itself (TCP simultaneous open).
    """
    below = max(ephemeral_first(), FIRST + 1_000)
    for port in random.sample(range(FIRST, below), TRIES):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if _binds(sock, host, port):
                return port
    raise PartMissing(f"no free port found on {host} between {FIRST} and {below}", "end what occupies them")


def own_addresses(count: int, host: str) -> tuple[tuple[str, int], ...]:
    """A loopback address each for `count` instances, all with one port, as pods behind one name have.

    `host` is where their listeners will be; raises UsageError where that is not loopback.
    """
    if host not in ("127.0.0.1", "localhost"):
        raise UsageError(f"names need loopback addresses, and Toxiproxy is at {host}", "unset TOXIPROXY_URL")
    port = free_port("0.0.0.0")
    return tuple((f"127.0.0.{2 + number}", port) for number in range(count))


def _binds(sock: socket.socket, host: str, port: int) -> bool:
    try:
        sock.bind((host, port))
    except OSError:
        return False
    return True
