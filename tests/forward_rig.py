"""Witnesses in front of targets, for tests of forwarding on real sockets."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_server import RawServer
from witness_rig import read_spool

from harness.twin.serve import ServedWitness, serve_in_thread


class Front:
    """Witnesses in front of targets; `arrivals` stops the latest one and reads what it wrote."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._paths = (folder / f"{number}.raw" for number in itertools.count())
        self._stack = stack
        self.witness: ServedWitness
        self.path: Path

    def before(self, url: str) -> http.client.HTTPConnection:
        self.path = next(self._paths)
        self.witness = self._stack.enter_context(serve_in_thread(target=url, spool=self.path))
        return self.client()

    def client(self) -> http.client.HTTPConnection:
        client = http.client.HTTPConnection("127.0.0.1", self.witness.port, timeout=10)
        self._stack.callback(client.close)
        return client

    def server(self, handle: Callable[[socket.socket], None]) -> http.client.HTTPConnection:
        return self.before(self._stack.enter_context(RawServer(handle)).url)

    def arrivals(self) -> list[dict[str, Any]]:
        self.witness.stop()
        return read_spool(self.path)["arrivals"]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with contextlib.ExitStack() as stack:
        yield Front(tmp_path, stack)


def ask(client: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    client.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return client.getresponse().read()
