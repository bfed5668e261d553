"""Makes sure that the kernel has passed on what was sent over loopback before anybody says that nothing is ready.

The kernel queues loopback packets per processor and may leave the queue to a thread of its own, which a busy machine
lets wait. The queue is first in, first out: a datagram that comes back has driven everything before it out. A process
that stays on one processor has one queue.
"""

from __future__ import annotations

import os
import socket

from harness.simulate import native

ROUNDS = 3
"""A handshake is three packets, each sent by the arrival of the one before."""
LOST_S = 1.0


class Loopback:
    """A datagram socket that talks to itself."""

    def __init__(self) -> None:
        self._socket = native.SOCKET(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(self._socket.getsockname())
        self._socket.settimeout(LOST_S)

    def settle(self) -> None:
        """Return when everything that this process has sent so far is where it was sent to."""
        for _ in range(ROUNDS):
            self._socket.send(b"x")
            self._socket.recv(1)


def stay_on_one_processor(number: int) -> None:
    """Pin this process to one of those that it may use, the `number`-th modulo their count."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[number % len(allowed)]})
