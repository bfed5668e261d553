"""A tiny HTTP/1.1 upstream for mesh tests: does what `x-fail` asks for and counts attempts by `x-id`."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator


class Upstream:
    """Counts requests by their `x-id` header; answers with the status in `x-fail`, cuts the connection for `reset`,
    and never answers `silent`. `forced` overrides what requests ask for."""

    def __init__(self, forced: str = "") -> None:
        self.hits: Counter[str] = Counter()
        self.first_attempts = 0
        self.forced = forced
        self.port = 0

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._request(reader, writer):
                pass
        writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        self.hits[headers.get("x-id", "")] += 1
        self.first_attempts += headers.get("x-envoy-attempt-count") == "1"
        asked = self.forced or headers.get("x-fail", "200")
        if asked == "silent":
            await reader.read()
        if asked in ("silent", "reset"):
            return False
        writer.write(f"HTTP/1.1 {asked} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        return True


@contextlib.contextmanager
def upstreams(*asked: Upstream) -> Iterator[tuple[Upstream, ...]]:
    """Upstreams that listen on free ports while the block runs."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    readies = [threading.Event() for _ in asked]

    def run() -> None:
        asyncio.set_event_loop(loop)
        tasks = [each.serve(ready, stop) for each, ready in zip(asked, readies, strict=True)]
        loop.run_until_complete(asyncio.gather(*tasks))
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert all(ready.wait(5) for ready in readies)
    try:
        yield asked
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
