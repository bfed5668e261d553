"""`python -m harness.twin.balancer`: gives each request to one of several instances, where no mesh does.

Bytes are passed on as they come; they are parsed only to know where a request begins and a reply ends, so that what
an instance does to a reply or its connection happens to the client too. A refused connection is the exception: the
next instance is asked, and where none accepts the client gets 503, as from any load balancer. Pipelined requests,
which no client of ours makes, follow the one before them.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import cast
from zlib import crc32

import httptools

from harness.channel import Channel, inherited
from harness.twin.drivers import BACKLOG
from harness.twin.http import encode_head

Address = tuple[str, int]

NOBODY = b"no instance accepts a connection"
"""What the client is told with 503 when every instance refuses."""

_LINGER_0 = struct.pack("ii", 1, 0)


class Chooser:
    """Which instance gets a request; `pending` is how many each has in progress."""

    def __init__(self, policy: str, count: int) -> None:
        self.pending = [0] * count
        self._choose = self._policies()[policy]
        self._turn = -1

    def choose(self, path: str) -> int:
        """The instance for a request to `path`."""
        return self._choose(path)

    def _policies(self) -> Mapping[str, Callable[[str], int]]:
        return {
            "round_robin": self._next,
            "session_hash": self._by_session,
            "least_pending": self._least,
            "first": lambda path: 0,
        }

    def _next(self, path: str) -> int:
        self._turn = (self._turn + 1) % len(self.pending)
        return self._turn

    def _by_session(self, path: str) -> int:
        parts = path.split("/")
        known = len(parts) > 3 and parts[1] == "sessions"
        return crc32(parts[2].encode()) % len(self.pending) if known else self._next(path)

    def _least(self, path: str) -> int:
        """The least busy one; among equals the one whose turn it is."""
        first, count = self._next(path), len(self.pending)
        return min(((first + step) % count for step in range(count)), key=self.pending.__getitem__)


POLICIES = ("round_robin", "session_hash", "least_pending", "first")


class Client(asyncio.Protocol):
    """One connection of a client, with a link to each instance that it has met."""

    def __init__(self, chooser: Chooser, instances: Sequence[Address]) -> None:
        self.transport: asyncio.Transport
        self._chooser = chooser
        self._instances = instances
        self._links: dict[int, Link] = {}
        self._busy: Link | None = None
        self._held = b""
        self._refused = 0
        self._asking = False
        self._awaiting = False
        self._path = b""
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.close()
            return
        if self._busy is not None:
            self._busy.send(self._held)
            self._held = b""

    def connection_lost(self, error: Exception | None) -> None:
        self._release()
        for link in tuple(self._links.values()):
            link.drop()

    def pause_writing(self) -> None:
        if self._busy is not None:
            self._busy.hold(True)

    def resume_writing(self) -> None:
        if self._busy is not None:
            self._busy.hold(False)

    def on_message_begin(self) -> None:
        self._path = b""
        self._asking = True

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_headers_complete(self) -> None:
        if self._busy is None:
            self._refused = 0
            self._give_to(self._chooser.choose(self._path.decode("latin-1")))

    def on_message_complete(self) -> None:
        self._asking = False
        if not self._awaiting:
            self._release()

    def _give_to(self, number: int) -> None:
        link = self._links.get(number)
        if link is None:
            link = self._links[number] = Link(self, number, self._instances[number])
        self._busy, self._awaiting = link, True
        self._chooser.pending[number] += 1

    def _release(self) -> None:
        if self._busy is not None:
            self._chooser.pending[self._busy.number] -= 1
            self._busy = None

    def replied(self) -> None:
        """The reply is whole."""
        self._awaiting = False
        if not self._asking:
            self._release()

    def refused(self, link: Link, unsent: bytes) -> None:
        """The instance does not accept connections: ask the next one, or tell the client that there is none."""
        del self._links[link.number]
        if self._busy is not link:
            return
        self._release()
        self._refused += 1
        if self._refused < len(self._instances):
            self._give_to((link.number + 1) % len(self._instances))
            self._busy.send(unsent)
        else:
            self._awaiting = False
            self.transport.write(encode_head(503, {"content-type": "text/plain"}, len(NOBODY)) + NOBODY)
            if self._asking:
                self.transport.close()

    def ended(self, link: Link, error: Exception | None) -> None:
        """The instance ended the connection; where a reply is due, the client's ends likewise."""
        self._links.pop(link.number, None)
        if self._busy is link and self._awaiting and error is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
            self.transport.abort()
        elif self._busy is link and self._awaiting:
            self.transport.close()
        elif self._busy is link:
            self._release()


class Link(asyncio.Protocol):
    """A client connection's own connection to one instance."""

    def __init__(self, client: Client, number: int, address: Address) -> None:
        self.number = number
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._unsent = b""
        self._dropped = False
        self._broken = False
        self._parser = httptools.HttpResponseParser(self)
        self._opening = asyncio.get_running_loop().create_task(self._open(address))

    async def _open(self, address: Address) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, *address)
        except OSError:
            if not self._dropped:
                self._client.refused(self, self._unsent)

    def send(self, data: bytes) -> None:
        """Pass on, now or once the connection is open."""
        if self._transport is None:
            self._unsent += data
        else:
            self._transport.write(data)

    def hold(self, flag: bool) -> None:
        """Stop reading while the client doesn't keep up."""
        if self._transport is not None:
            self._transport.pause_reading() if flag else self._transport.resume_reading()

    def drop(self) -> None:
        """The client is gone."""
        self._dropped = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._dropped:
            self._transport.abort()
            return
        self._transport.write(self._unsent)
        self._unsent = b""

    def data_received(self, data: bytes) -> None:
        self._client.transport.write(data)
        if self._broken:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._broken = True  # the client sees what it is; only its end is unknown now, until the connection's

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._client.replied()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._dropped:
            self._client.ended(self, error)

    def pause_writing(self) -> None:
        self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        self._client.transport.resume_reading()


async def serve(instances: Sequence[Address], policy: str, control: Channel) -> None:
    """Balance until the control channel ends; its first message is the port."""
    loop = asyncio.get_running_loop()
    chooser = Chooser(policy, len(instances))
    server = await loop.create_server(lambda: Client(chooser, instances), "127.0.0.1", 0, backlog=BACKLOG)
    ended = asyncio.Event()
    loop.add_reader(control.fileno(), ended.set)
    control.send({"event": "ready", "port": server.sockets[0].getsockname()[1], "pid": os.getpid()})
    await ended.wait()
    server.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run until the control channel ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", action="append", required=True, help="host:port of an instance; repeat it")
    parser.add_argument("--policy", choices=POLICIES, default="round_robin")
    parser.add_argument("--control-fd", type=int, required=True)
    arguments = parser.parse_args(argv)
    instances = [(host, int(port)) for host, _, port in (each.rpartition(":") for each in arguments.to)]
    gc.freeze()
    asyncio.run(serve(instances, arguments.policy, inherited(arguments.control_fd)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
