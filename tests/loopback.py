"""A KATO-like server on loopback whose next answers a test dictates, and a recorder that keeps attempts in a list.

Fates, one a request in order, then `ok` for ever: ok · a status (`503`, `429:2` with Retry-After) · drop (close
without an answer) · reset (the same with an RST) · hang (no answer) · slow:S (the answer after S seconds) ·
drip:S (the body's bytes S seconds apart) · truncate (half the body, then close) · garbage (a body that is no JSON) ·
moved (302 to the same path) · empty (200 without a body). What is observed is kept in `commits`, also when the answer
is lost.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    arrived_s: float


@dataclass
class Server:
    """Listens at `url`; `with Server() as kato` stops it."""

    fates: deque[str] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    commits: list[tuple[str, Any]] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Server:
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more and end what hangs."""
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def next(self, *fates: str) -> None:
        """Dictate the next answers."""
        self.fates.extend(fates)

    @property
    def closed_url(self) -> str:
        """A loopback address where nobody listens: connects are refused."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            return f"http://127.0.0.1:{closed.getsockname()[1]}"

    def _accept(self) -> None:
        while not self._stopping.is_set():
            if select.select([self._listener], [], [], 0.02)[0]:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            try:
                while (request := _read(reader)) is not None and not self._stopping.is_set():
                    self.seen.append(request)
                    if not self._answer(connection, request):
                        return
            except OSError:
                return  # the client went away

    def _answer(self, connection: socket.socket, request: Seen) -> bool:
        """Send what the next fate says; False when the connection ends with it."""
        fate, _, argument = (self.fates.popleft() if self.fates else "ok").partition(":")
        body = json.dumps(self._handle(request)).encode() if fate in _HANDLED else b""
        if fate in ("drop", "reset"):
            if fate == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if fate == "hang":
            self._stopping.wait(10)
            return False
        if fate == "slow":
            time.sleep(float(argument))
        if fate == "drip":
            connection.sendall(_head(200, len(body)))
            for byte in body:
                time.sleep(float(argument))
                connection.sendall(bytes([byte]))
            return True
        if fate == "truncate":
            connection.sendall(_head(200, len(body)) + body[: len(body) // 2])
            return False
        if fate == "moved":
            connection.sendall(_head(302, 0, f"location: {request.path}\r\n"))
        elif fate in ("ok", "slow", "garbage", "empty"):
            body = {"garbage": b"{]", "empty": b""}.get(fate, body)
            connection.sendall(_head(200, len(body)) + body)
        else:
            extra = f"retry-after: {argument}\r\n" if argument else ""
            connection.sendall(_head(int(fate), 2, extra) + b"{}")
        return True

    def _handle(self, request: Seen) -> dict[str, Any]:
        parts = request.path.strip("/").split("/")
        if parts == ["sessions"]:
            self.sessions.append(f"session-{next(self._numbers)}")
            return {"session_id": self.sessions[-1], "node_id": json.loads(request.body)["node_id"]}
        if parts[-1] == "observe":
            self.commits.append((parts[1], json.loads(request.body)))
            return {"status": "okay", "session_id": parts[1], "stm_length": len(self.commits)}
        if parts[-1] == "learn":
            return {"status": "learned", "pattern_name": "PTRN|0", "session_id": parts[1]}
        return {
            "predictions": [],
            "future_potentials": None,
            "session_id": parts[1] if len(parts) > 1 else "",
            "processor_id": None,
            "count": 0,
            "time": None,
            "unique_id": None,
        }


_HANDLED = ("ok", "drop", "reset", "hang", "slow", "drip", "truncate")


def _head(status: int, length: int, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{extra}\r\n".encode()


def _read(reader: Any) -> Seen | None:
    first = reader.readline().decode()
    if not first:
        return None
    method, path, _ = first.split(" ", 2)
    headers = {}
    while line := reader.readline().decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, body, time.monotonic())


@dataclass(frozen=True)
class Row:
    """One recorded attempt."""

    call: int
    attempt: int
    via: str
    result: str
    status: int
    start_ns: int
    headers_ns: int
    end_ns: int
    connection: int
    reused: bool
    detail: str = ""
    trace: str = ""


@dataclass
class Attempts:
    """A recorder that keeps every attempt as a row."""

    rows: list[Row] = field(default_factory=list)

    def attempt(self, *args: Any) -> None:
        self.rows.append(Row(*args))

    @property
    def results(self) -> list[tuple[str, int]]:
        """(result, status) of each attempt, in order of their ends."""
        return [(row.result, row.status) for row in self.rows]
