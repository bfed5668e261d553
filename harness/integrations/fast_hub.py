"""Exchanges that the hub carries: the answer's callback checks it and goes on, and no greenlet is switched to.

What isn't answered at once, whole and as usual a greenlet finishes like any other exchange.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from msgspec import DecodeError

from harness.integrations.fast_wait import LATE, HubWait
from harness.integrations.fast_wire import RECEIVE_BYTES, Connection

_END = b"\r\n\r\n"
_MOST_HEADS = 1024
_SIZES: dict[bytes, int] = {}
"""The size of the body by the whole head, of answers that the parser has read: those of a second have the same few."""


class HubConnection(Connection):
    """A connection whose answers the hub may hear; `free` takes it back after a usual one.

    `asked`: whether the hub will tell, so the whole `request` is on its way.
    """

    __slots__ = ("_decode", "_free", "_hearing", "_hub", "_turn", "asked", "request")

    def __init__(self, address: tuple[str, int], timeout: float, free: Callable[[HubConnection], None]) -> None:
        super().__init__(address, timeout)
        assert isinstance(self.wait, HubWait)
        self._hub = self.wait
        self._hearing = self._heard
        self._free = free

    def ask(self, request: bytes, due: float, decode: Callable[[bytes], Any], turn: Callable[[bool], object]) -> None:
        """Send the request and have the hub tell `turn`, by `due`, whether a usual answer came that `decode` takes."""
        self.request, self._decode, self._turn = request, decode, turn
        if self.size:
            self.clear()
        self.started_ns = 0
        try:
            self.sent = os.write(self.descriptor, request)
        except BlockingIOError:
            self.sent = 0
        except OSError as error:
            self.failed = error
        self.asked = self.failed is None and self.sent == len(request)
        if self.asked:
            self._hub.call(due, self._hearing)

    def _heard(self, readable: bool) -> None:
        hub = self._hub
        if not hub.due:  # closed while idle, or something that nobody asked for: the next who takes it looks
            hub.over()
            return
        hub.due = 0.0
        try:
            if not readable:
                raise TimeoutError(LATE)
            data = os.read(self.descriptor, RECEIVE_BYTES)
            at = data.find(_END) + len(_END)
            body: bytes | None = data[at:]
            if _SIZES.get(data[:at]) == len(data) - at:
                self.started_ns = time.monotonic_ns()
            else:
                body = self._parsed(data, at)
        except Exception as error:  # noqa: BLE001 - whatever it is, `finish` raises it
            self.failed, body = error, None
        if body is None:
            self._turn(False)
            return
        try:
            self._decode(body)
        except DecodeError:
            self.content[:] = (body,)
            self.status, self.done, self.kept_alive, self.size = 200, True, True, len(body)
            self._turn(False)
            return
        self._free(self)
        self._turn(True)

    def _parsed(self, data: bytes, at: int) -> bytes | None:
        """The body, if this is a whole 200 after which the connection stays open."""
        self.hear(data)
        if not (self.done and self.kept_alive and self.status == 200):
            return None
        body = b"".join(self.content)
        if body == data[at:]:  # so the head alone says how long the body is
            if len(_SIZES) >= _MOST_HEADS:
                _SIZES.clear()
            _SIZES[data[:at]] = len(body)
        return body
