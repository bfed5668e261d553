"""A witness without sockets: wires that note what goes out, timers on a clock that the test moves."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standin_kato import StandInKato

from harness.spool import LAYOUTS, RECORD_BYTES, TEXT_TAG, SpoolWriter
from harness.twin.connection import Connection
from harness.twin.embedded import Embedded
from harness.twin.exchange import Arrivals
from harness.twin.profiles import INSTANT, Profile
from harness.twin.witness import Witness

MS = 1_000_000


@dataclass
class ManualTimer:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


class ManualTimers:
    """Time stands still until `advance`."""

    def __init__(self) -> None:
        self._now_ns = 1_000_000_000
        self._order = itertools.count()
        self._due: list[tuple[int, int, ManualTimer]] = []

    def now_ns(self) -> int:
        return self._now_ns

    def call_at(self, due_ns: int, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(callback)
        heapq.heappush(self._due, (due_ns, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        end_ns = self._now_ns + round(seconds * 1e9)
        while self._due and self._due[0][0] <= end_ns:
            due_ns, _, timer = heapq.heappop(self._due)
            self._now_ns = max(self._now_ns, due_ns)
            if timer.callback is not None:
                timer.callback()
        self._now_ns = end_ns


@dataclass
class NotingWire:
    """What the client would see: `sent` bytes, and `ended` = "", "close" or "reset"."""

    sent: bytearray = field(default_factory=bytearray)
    ended: str = ""
    reading: bool = True

    def send(self, data: bytes) -> None:
        self.sent += data

    def close(self) -> None:
        self.ended = self.ended or "close"

    def reset(self) -> None:
        self.ended = "reset"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Client:
    """One connection to the witness under test."""

    def __init__(self, witness: Witness) -> None:
        self.wire = NotingWire()
        self.connection: Connection = witness.connect(self.wire)

    def post(self, path: str, body: bytes = b"", **headers: str) -> None:
        self.connection.receive(request_bytes("POST", path, body, **headers))

    def get(self, path: str, **headers: str) -> None:
        self.connection.receive(request_bytes("GET", path, **headers))

    def observe(self, session: str = "s1", body: bytes = b"{}", **headers: str) -> None:
        self.post(f"/sessions/{session}/observe", body, **headers)

    def taken(self) -> bytes:
        """What came since the last look."""
        sent = bytes(self.wire.sent)
        self.wire.sent.clear()
        return sent

    def statuses(self) -> list[int]:
        """The status of each reply since the last look."""
        return [int(part[:3]) for part in self.taken().split(b"HTTP/1.1 ")[1:]]


class Rig:
    """A witness over the stand-in KATO with one session, s1."""

    def __init__(self, folder: Path, profile: Profile = INSTANT, kato: Any = None, seed: int = 0) -> None:
        self.timers = ManualTimers()
        self.path = folder / "witness.raw"
        self._spool = SpoolWriter(self.path, "witness")
        self.kato = kato or StandInKato()
        self.warnings: list[str] = []
        self.witness = Witness(self.timers, Arrivals(self._spool))
        self.witness.backend = Embedded(self.witness, self.kato, profile, seed, self.warnings.append)
        opener = self.client()
        opener.post("/sessions")
        self.timers.advance(60)
        opener.connection.lost()
        self.opened = self.witness.arrived

    def client(self) -> Client:
        return Client(self.witness)

    def rule(self, kind: str, only: Mapping[str, Any] | None = None, name: str = "rule", **params: Any) -> None:
        self.witness.rules.add(name, kind, params, only or {}, seed=7)

    def arrivals(self) -> list[dict[str, Any]]:
        """The recorded arrivals, the session's opening apart."""
        self._spool.flush()
        return read_spool(self.path)["arrivals"][self.opened :]


def request_bytes(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """One request on the wire; `x_user_id="a"` is the header x-user-id."""
    lines = [f"{method} {path} HTTP/1.1", "host: kato", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read_spool(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of every table of a raw spool file, texts resolved."""
    data = path.read_bytes()
    layouts = {layout.tag: (layout, layout.struct()) for layout in LAYOUTS}
    tables: dict[str, list[dict[str, Any]]] = {layout.table: [] for layout in LAYOUTS}
    texts: dict[int, bytes] = {0: b""}
    assert json.loads(data[: data.index(b"\n")])["record_bytes"] == RECORD_BYTES
    for at in range(-(-(data.index(b"\n") + 1) // RECORD_BYTES) * RECORD_BYTES, len(data), RECORD_BYTES):
        record = data[at : at + RECORD_BYTES]
        if record[0] == TEXT_TAG:
            size, index = record[1], int.from_bytes(record[4:8], "little")
            texts[index] = texts.get(index, b"") + record[8 : 8 + size]
            continue
        layout, struct = layouts[record[0]]
        row = dict(zip((name for name, _ in layout.fields), struct.unpack(record)[1:], strict=True))
        for name in layout.texts:
            row[name] = texts[row[name]].decode()
        tables[layout.table].append(row)
    return tables
