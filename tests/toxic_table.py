"""The script that each case of toxic_cases plays on a way to KATO: a real Toxiproxy's or a modelled one.

Nothing here knows which of the two it is, so that what differs is the way and not the script. Run as a program it
plays the whole table on the modelled way in virtual time and writes what it observed as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from dataclasses import asdict, dataclass
from typing import Protocol
from urllib.parse import parse_qs

from standin_kato import StandInKato
from toxic_cases import CASES, SMALL, Case

from harness.model import Fault
from harness.twin.http import Request
from harness.twin.kato.messages import Answer

PATIENCE_S = 0.75
WATCH_S = 0.45
SETTLE_S = 0.4


class Way(Protocol):
    """A way to KATO: where it is entered, and what it is told."""

    @property
    def address(self) -> tuple[str, int]: ...

    def apply(self, fault: Fault) -> None: ...

    def clear(self, fault: Fault) -> None: ...

    def counts(self) -> tuple[int, int, int]:
        """Requests that arrived, what was committed, connections at the witness."""
        ...


class SizedKato(StandInKato):
    """Commits every POST; the reply's body has as many bytes as the query says."""

    def handle(self, request: Request) -> Answer:
        size = int(parse_qs(request.query)["bytes"][0])
        return Answer(200, b"x" * size, committed=request.method == "POST")


@dataclass(frozen=True)
class Exchange:
    """What one request came to: a word, the status, bytes of the body, seconds."""

    outcome: str
    status: int = 0
    got: int = 0
    took_s: float = 0.0


@dataclass(frozen=True)
class Observation:
    """What a case showed. `after`: what became of the connection, and when; `again`: a second request on it;
    `anew`: one on a fresh connection once the fault was gone; `left_s`: how long the witness kept connections."""

    first: Exchange
    after: Exchange
    again: Exchange
    anew: Exchange
    arrived: int
    committed: int
    left_s: float


NONE = Exchange("-")


class Script:
    """The faults of one case: `step` at `step_s` after the beginning clears the one or adds the other."""

    def __init__(self, case: Case, way: Way) -> None:
        self._case = case
        self._way = way
        self._fault = case.fault
        self._stepped = self._cleared = False
        way.apply(self._fault)
        self.step_at_s = time.monotonic() + min(case.clear_s, case.more_s)
        if case.more_s == 0:
            self.step()

    def step(self) -> None:
        if self._stepped:
            return
        self._stepped = True
        if self._case.more is not None:
            self._way.apply(self._case.more)
        else:
            self._clear_first()

    def clear(self) -> None:
        if self._stepped and self._case.more is not None:
            self._way.clear(self._case.more)
        self._stepped = True
        self._clear_first()

    def _clear_first(self) -> None:
        if not self._cleared:
            self._cleared = True
            self._way.clear(self._fault)


def play(case: Case, way: Way) -> Observation:
    """One case from a clean way to a clean way."""
    sock = socket.create_connection(way.address, PATIENCE_S) if case.pooled else None
    if sock is not None:
        assert exchange(sock, SMALL, SMALL).outcome == ""
    script = Script(case, way)
    first = after = again = NONE
    try:
        sock = sock or socket.create_connection(way.address, PATIENCE_S)
        first = exchange(sock, case.up, case.down, case.close, script)
    except OSError as error:
        first = Exchange(_word(error))
    if sock is not None and first.outcome in ("", "read_timeout"):
        after = watch(sock, script)
    script.clear()
    if sock is not None and after.outcome == "open":
        again = watch(sock) if first.outcome else exchange(sock, SMALL, SMALL)
    fresh = socket.create_connection(way.address, PATIENCE_S)
    anew = exchange(fresh, SMALL, SMALL)
    fresh.close()
    if sock is not None:
        sock.close()
    left_s = _settled(way)
    arrived, committed, _ = way.counts()
    return Observation(first, after, again, anew, arrived, committed, left_s)


def _settled(way: Way) -> float:
    """How long the witness keeps connections that the client has closed (s), looked at for SETTLE_S at most."""
    closed_s = time.monotonic()
    while way.counts()[2] and time.monotonic() - closed_s < SETTLE_S:
        time.sleep(0.01)
    left_s = time.monotonic() - closed_s
    time.sleep(0.05)
    return left_s


def exchange(sock: socket.socket, up: int, down: int, close: bool = False, script: Script | None = None) -> Exchange:
    """One POST and what comes back within PATIENCE_S; the script takes its step meanwhile."""
    begun_s = time.monotonic()
    head = f"POST /any?bytes={down} HTTP/1.1\r\nhost: kato\r\ncontent-length: {up}\r\n"
    data = b""
    try:
        sock.sendall(head.encode() + (b"connection: close\r\n" if close else b"") + b"\r\n" + b"y" * up)
        while not _whole(data, down):
            piece = _receive(sock, begun_s + PATIENCE_S, script)
            if not piece:
                return Exchange("closed", *_parsed(data), time.monotonic() - begun_s)
            data += piece
    except OSError as error:
        return Exchange(_word(error), *_parsed(data), time.monotonic() - begun_s)
    return Exchange("", *_parsed(data), time.monotonic() - begun_s)


def watch(sock: socket.socket, script: Script | None = None) -> Exchange:
    """What becomes of an idle connection within WATCH_S: open, closed, reset, or data."""
    begun_s = time.monotonic()
    try:
        piece = _receive(sock, begun_s + WATCH_S, script)
    except TimeoutError:
        return Exchange("open")
    except OSError as error:
        return Exchange(_word(error), took_s=time.monotonic() - begun_s)
    return Exchange("data" if piece else "closed", took_s=time.monotonic() - begun_s)


def _receive(sock: socket.socket, until_s: float, script: Script | None) -> bytes:
    if script is not None:
        left_s = script.step_at_s - time.monotonic()
        if left_s <= 0:
            script.step()
        elif script.step_at_s < until_s:
            sock.settimeout(left_s)
            try:
                return sock.recv(1 << 16)
            except TimeoutError:
                script.step()
    sock.settimeout(max(until_s - time.monotonic(), 0.001))
    return sock.recv(1 << 16)


def _whole(data: bytes, down: int) -> bool:
    _, found, body = data.partition(b"\r\n\r\n")
    return bool(found) and len(body) >= down


def _parsed(data: bytes) -> tuple[int, int]:
    head, found, body = data.partition(b"\r\n\r\n")
    return (int(head.split()[1]), len(body)) if found else (0, 0)


def _word(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "read_timeout"
    if isinstance(error, ConnectionRefusedError):
        return "connect_error"
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return "reset"
    raise error


def modelled() -> None:
    """Play the table in virtual time."""
    from harness.simulate import gevent_loop

    gevent_loop.install()
    from harness.simulate.gevent_server import HubListener, HubTimers
    from harness.simulate.world import World
    from harness.twin.exchange import Arrivals
    from harness.twin.profiles import INSTANT

    class Modelled:
        def __init__(self) -> None:
            self.world = World(HubTimers(), Arrivals(None), INSTANT, 1, time.time, SizedKato())
            listener = HubListener(self.world.proxy.connect)
            self.world.proxy.listening = listener.listen
            listener.listen(True)
            self.address = (listener.host, listener.port)
            self.apply, self.clear = self.world.begin, self.world.end

        def counts(self) -> tuple[int, int, int]:
            witness = self.world.witness
            return witness.arrived, witness.commits, len(witness.connections)

    json.dump([asdict(play(case, Modelled())) for case in CASES], sys.stdout)


if __name__ == "__main__":
    modelled()
