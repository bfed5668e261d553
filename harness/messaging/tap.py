"""The witness of a queue: between Toxiproxy and the broker, it passes bytes on and writes down what they mean.

    python -m harness.messaging.tap BROKER_PORT SPOOL CONTROL_FD

Sends {"event": "ready", "port"}; obeys {"do": "hold"} (acks no longer pass; answers "held" when one was held, or after
`within` s), {"do": "release"} (what was held is dropped with its connection), {"do": "queues"} (answers "queues" with
the `names` of those that the consumer declared, and those that it `polled`), {"do": "stop"}. End of file: it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

from pamqp import commands

from harness.channel import Channel, inherited
from harness.messaging.hands import Hands
from harness.messaging.ledger import Ledger
from harness.messaging.log import MessageLog

FLUSH_S = 0.25
CHUNK = 1 << 16
ACKS = (commands.Basic.Ack, commands.Basic.Nack, commands.Basic.Reject)


class Tap:
    """Passes connections on to the broker at `upstream` (a port of loopback)."""

    def __init__(self, upstream: int, log: MessageLog) -> None:
        self._upstream = upstream
        self._log = log
        self._connections = 0
        self.hands = Hands()
        self._holding = False
        self.held = asyncio.Event()
        self._held_writers: set[asyncio.StreamWriter] = set()

    def hold(self) -> None:
        """From the next settlement on, nothing more of that client passes."""
        self._holding = True
        self.held.clear()

    def release(self) -> None:
        """End the connections whose settlement was held back; others go on."""
        self._holding = False
        for writer in self._held_writers:
            writer.transport.abort()
        self._held_writers.clear()

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """One connection of a consumer, to its end."""
        self._connections += 1
        ledger = Ledger(self._connections, self._log.event, self.hands)
        try:
            broker, to_broker = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            to_client.transport.abort()
            return
        up = asyncio.create_task(self._pass(client, to_broker, ledger, to_client))
        down = asyncio.create_task(self._answer(broker, to_client, ledger))
        done, rest = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        ledger.closed(by_broker=down in done)
        for task in rest:
            task.cancel()
        for writer in (to_broker, to_client):
            with contextlib.suppress(OSError):
                writer.close()

    async def _pass(
        self, client: asyncio.StreamReader, to_broker: asyncio.StreamWriter, ledger: Ledger, back: asyncio.StreamWriter
    ) -> None:
        while data := await _read(client):
            said = ledger.read_client(data)
            if self._holding and (back in self._held_writers or any(isinstance(seen.method, ACKS) for seen in said)):
                self._held_writers.add(back)
                self.held.set()
                continue
            ledger.client_said(said)
            to_broker.write(data)
            await to_broker.drain()

    async def _answer(self, broker: asyncio.StreamReader, to_client: asyncio.StreamWriter, ledger: Ledger) -> None:
        while data := await _read(broker):
            ledger.broker_said(data)
            to_client.write(data)
            await to_client.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""


async def run(upstream: int, spool: Path, channel: Channel) -> None:
    """Serve until told to stop."""
    log = MessageLog(spool, "tap")
    tap = Tap(upstream, log)
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    flushing = asyncio.create_task(_flush(log))
    channel.send({"event": "ready", "port": server.sockets[0].getsockname()[1]})
    try:
        while (order := await asyncio.to_thread(channel.receive)) is not None and order["do"] != "stop":
            await _obey(tap, order, channel)
    finally:
        server.close()
        flushing.cancel()
        log.close()


async def _obey(tap: Tap, order: dict[str, Any], channel: Channel) -> None:
    if order["do"] == "hold":
        tap.hold()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(tap.held.wait(), float(order["within"]))
        channel.send({"event": "held", "any": tap.held.is_set()})
    elif order["do"] == "release":
        tap.release()
        channel.send({"event": "released"})
    elif order["do"] == "queues":
        channel.send({"event": "queues", "names": sorted(tap.hands.queues), "polled": sorted(tap.hands.polled)})


async def _flush(log: MessageLog) -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        log.flush()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), Path(sys.argv[2]), inherited(int(sys.argv[3]))))
