"""AMQP 0-9-1 as it passes by: the few methods that say what becomes of a message, from either side's bytes.

Sources: the specification of AMQP 0-9-1 (frames: section 2.3; class and method numbers: its XML), and RabbitMQ's
extensions confirm.select and basic.nack.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pamqp import commands, frame

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = 0xCE
PREFACE = b"AMQP"
MOST_FRAME = 1 << 24
MOST_BODY = 1 << 16
"""So much of a message's body is looked at."""
_head = struct.Struct(">BHI")

WANTED = frozenset(
    {
        (10, 31),  # connection.tune-ok
        (10, 50),  # connection.close
        (50, 10),  # queue.declare
        (60, 20),  # basic.consume
        (60, 21),  # basic.consume-ok
        (60, 40),  # basic.publish
        (60, 60),  # basic.deliver
        (60, 70),  # basic.get
        (60, 71),  # basic.get-ok
        (60, 80),  # basic.ack
        (60, 90),  # basic.reject
        (60, 120),  # basic.nack
        (85, 10),  # confirm.select
        (90, 10),  # tx.select
        (90, 21),  # tx.commit-ok
        (90, 30),  # tx.rollback
        (20, 40),  # channel.close
    }
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One method on a channel, or with `beat` a heartbeat; `properties` and `body` (its first MOST_BODY bytes) follow
    methods that carry a message."""

    channel: int
    method: Any = None
    properties: Any = None
    beat: bool = False
    body: bytes = b""


@dataclass(slots=True)
class _Content:
    """A message on its way: the method that carries it, and what is still to come of its body (bytes)."""

    method: Any
    properties: Any = None
    missing: int = 0
    body: bytearray = field(default_factory=bytearray)


class FrameReader:
    """Takes one direction's bytes and gives what passes; bytes that are no AMQP end the looking, never the passing."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun: dict[int, _Content] = {}
        self.lost = False

    def feed(self, data: bytes) -> Iterator[Seen]:
        """What the new bytes complete, in order."""
        if self.lost:
            return
        self._buffer += data
        if self._buffer[:4] == PREFACE[: len(self._buffer)]:
            if len(self._buffer) < 8:
                return
            del self._buffer[:8]
        at = 0
        while len(self._buffer) - at >= 8:
            kind, channel, size = _head.unpack_from(self._buffer, at)
            if size > MOST_FRAME or kind not in (1, 2, 3, 8):
                self.lost = True
                break
            if len(self._buffer) - at < size + 8:
                break
            if self._buffer[at + 7 + size] != END:
                self.lost = True
                break
            if kind == HEARTBEAT:
                yield Seen(channel, beat=True)
            elif kind == BODY:
                yield from self._body(channel, bytes(self._buffer[at + 7 : at + 7 + size]))
            else:
                yield from self._looked_at(kind, channel, bytes(self._buffer[at : at + size + 8]))
            at += size + 8
        del self._buffer[:at]

    def _looked_at(self, kind: int, channel: int, raw: bytes) -> Iterator[Seen]:
        if kind == METHOD and struct.unpack_from(">HH", raw, 7) not in WANTED:
            return
        if kind == HEADER and channel not in self._begun:
            return
        _, _, found = frame.unmarshal(raw)
        if kind == HEADER:
            content = self._begun[channel]
            content.properties = getattr(found, "properties", None)
            content.missing = int(getattr(found, "body_size", 0))
            yield from self._whole(channel)
        elif isinstance(found, (commands.Basic.Publish, commands.Basic.Deliver, commands.Basic.GetOk)):
            self._begun[channel] = _Content(found)
        else:
            yield Seen(channel, found)

    def _body(self, channel: int, part: bytes) -> Iterator[Seen]:
        content = self._begun.get(channel)
        if content is not None:
            content.missing -= len(part)
            content.body += part[: MOST_BODY - len(content.body)]
            yield from self._whole(channel)

    def _whole(self, channel: int) -> Iterator[Seen]:
        """The message, once all of it has passed."""
        content = self._begun[channel]
        if content.missing <= 0:
            del self._begun[channel]
            yield Seen(channel, content.method, content.properties, body=bytes(content.body))
