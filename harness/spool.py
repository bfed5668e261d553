"""The raw spool: fixed-width records of several tables in one append-only file (standard library only).

Layout: one header line of JSON padded with spaces to a multiple of RECORD_BYTES, then records of RECORD_BYTES each.
Byte 0 of a record is its table's tag. Texts are interned: the record holds an index, and a text record (tag 0)
with that index was written before it. A torn last record (the process died) is simply ignored by readers.
"""

from __future__ import annotations

import json
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 1
RECORD_BYTES = 72
TEXT_TAG = 0
TEXT_BYTES = 64
MOST_TEXTS = 1 << 16
"""Texts remembered at once; then all are forgotten, and written again where they come again: memory stays flat."""
_TEXT = struct.Struct("<BBHI64s")

SPANS, PROBES = "spans.jsonl", "probes.jsonl"
HOPS = {"request": "envoy-requests.jsonl", "attempt": "envoy-attempts.jsonl"}
"""Files of JSON lines beside the spools; those of hops by kind of row: one line a request of the client, or a try."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One table's record: field names with their struct codes, in order, after the tag byte.

    Fields in `texts` hold an index of an interned text (0: none); fields in `words` a code of a vocabulary of model.py.
    """

    table: str
    tag: int
    fields: tuple[tuple[str, str], ...]
    texts: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)

    def struct(self) -> struct.Struct:
        """The packed little-endian record, padded to RECORD_BYTES."""
        return struct.Struct("<" + self.codes)

    @property
    def codes(self) -> str:
        """Of the whole record: the tag's code, one a field, and the padding."""
        codes = "B" + "".join(code for _, code in self.fields)
        return f"{codes}{RECORD_BYTES - struct.calcsize('<' + codes)}x"


def halves(layout: Layout, field: str) -> tuple[struct.Struct, str]:
    """A record up to `field`, and the codes of the rest: what is alike in many records is packed once."""
    at = 1 + [name for name, _ in layout.fields].index(field)
    return struct.Struct("<" + layout.codes[:at]), layout.codes[at:]


CALLS = Layout(
    "calls",
    1,
    (
        ("op", "B"),
        ("outcome", "B"),
        ("error", "B"),
        ("status", "H"),
        ("worker", "B"),
        ("marked", "B"),
        ("session", "I"),
        ("node_id", "I"),
        ("user", "I"),
        ("detail", "I"),
        ("shape", "I"),
        ("call", "Q"),
        ("intended_ns", "q"),
        ("ready_ns", "q"),
        ("start_ns", "q"),
        ("end_ns", "q"),
        ("content", "I"),
    ),
    frozenset({"session", "node_id", "user", "detail", "shape"}),
    {"op": "OPERATIONS", "outcome": "OUTCOMES", "error": "ERRORS"},
)
"""`detail`: the exception chain from the raised one to its root. `shape`: keys and types of the result. `content`: the
observation's fingerprint (data.fingerprint), 0 where nothing was observed."""

ATTEMPTS = Layout(
    "attempts",
    2,
    (
        ("via", "B"),
        ("result", "B"),
        ("reused", "B"),
        ("status", "H"),
        ("attempt", "H"),
        ("connection", "I"),
        ("worker", "I"),
        ("detail", "I"),
        ("call", "Q"),
        ("start_ns", "q"),
        ("headers_ns", "q"),
        ("end_ns", "q"),
        ("trace", "I"),
    ),
    frozenset({"detail", "trace"}),
    {"via": "HOOKS", "result": "ERRORS"},
)
"""`result` is '' for a whole response (then `status` counts); `headers_ns` is 0 where none came. `trace`: the
traceparent that went along."""

ARRIVALS = Layout(
    "arrivals",
    3,
    (
        ("op", "B"),
        ("instance", "B"),
        ("futures", "B"),
        ("status", "H"),
        ("attempt", "H"),
        ("session", "I"),
        ("node_id", "I"),
        ("connection", "I"),
        ("fault", "I"),
        ("headers", "I"),
        ("payload", "I"),
        ("call", "Q"),
        ("arrive_ns", "q"),
        ("reply_ns", "q"),
        ("disconnect_ns", "q"),
        ("commit_seq", "Q"),
    ),
    frozenset({"session", "node_id", "fault", "headers"}),
    {"op": "OPERATIONS"},
)
"""`call` 0: unknown. `reply_ns` 0: cut. `commit_seq` 0: not committed, else 1, 2, … in commit order.
`payload`, for pairing by what was said: an observe's fingerprint (data.fingerprint), else the body's CRC-32 (of an
observe that nobody could read its last 16 bits).
`status` 0: no reply was begun. `futures`: one more than KATO's answer names predictions that expect something, 0 where
nobody counted; at most MOST_FUTURES."""

BREAKER = Layout(
    "breaker",
    4,
    (("state", "B"), ("previous", "B"), ("worker", "I"), ("breaker", "I"), ("time_ns", "q")),
    frozenset({"breaker"}),
    {"state": "BREAKER_STATES", "previous": "BREAKER_STATES"},
)
"""State changes that a listener on a reachable breaker heard."""

SAMPLES = Layout(
    "samples",
    5,
    (
        ("process", "I"),
        ("descriptors", "I"),
        ("threads", "I"),
        ("time_ns", "q"),
        ("lag_ns", "q"),
        ("rss", "q"),
        ("cpu", "d"),
        ("busy", "d"),
        ("in_integration", "d"),
        ("sockets", "I"),
        ("in_flight", "I"),
    ),
    frozenset({"process"}),
)
"""One a second and process: `cpu` share of one core, worst loop lag, of the busy native samples the share that were
inside integration code, sockets (0: not counted), and the calls in flight as the arrival clock counts them."""

MESSAGES = Layout(
    "messages",
    6,
    (
        ("event", "B"),
        ("flag", "B"),
        ("count", "H"),
        ("connection", "I"),
        ("queue", "I"),
        ("message", "I"),
        ("call", "Q"),
        ("number", "Q"),
        ("time_ns", "q"),
    ),
    frozenset({"queue", "message"}),
    {"event": "MESSAGE_EVENTS"},
)
"""`call` is that of the publish, 0 for a message of nobody's; then `message` is its id.

`flag`: redelivered (delivered), in confirm mode (output), by the broker (closed). `count`: earlier deliveries that the
broker counted (delivered), the heartbeat agreed on in s (connected), persistent (output), deliveries in hand (closed).
`number`: the delivery's or the publish's number on its channel."""

MOST_FUTURES = 255

LAYOUTS = (CALLS, ATTEMPTS, ARRIVALS, BREAKER, SAMPLES, MESSAGES)


class SpoolWriter:
    """Appends records to a buffer and the buffer to one file at each `flush`; never seeks, never rewrites."""

    def __init__(self, path: Path, process: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._texts: dict[str, int] = {"": 0}
        self._written = 1
        self._adding = threading.Lock()
        header = json.dumps({"format": FORMAT, "record_bytes": RECORD_BYTES, "process": process}) + "\n"
        self._buffer = bytearray(header.encode().ljust(-(-len(header) // RECORD_BYTES) * RECORD_BYTES, b" "))
        self.append = self._buffer.extend
        """Take one packed record (bytes of RECORD_BYTES)."""

    def text(self, value: str) -> int:
        """The index of an interned text, writing its text records the first time it is seen."""
        index = self._texts.get(value)
        return index if index is not None else self._add_text(value)

    def _add_text(self, value: str) -> int:
        raw = value.encode("utf-8", "backslashreplace")
        with self._adding:
            index = self._texts.get(value, self._written)
            if index == self._written:
                for part, at in enumerate(range(0, len(raw), TEXT_BYTES)):
                    piece = raw[at : at + TEXT_BYTES]
                    self._buffer.extend(_TEXT.pack(TEXT_TAG, len(piece), part, index, piece))
                if len(self._texts) >= MOST_TEXTS:
                    self._texts = {"": 0}
                self._texts[value] = index
                self._written += 1
        return index

    def flush(self) -> None:
        """Write what is buffered with plain writes; raises OSError when the disk is full."""
        # threads append meanwhile: take what is there now and cut exactly that off, each in one step of the interpreter
        view = bytes(self._buffer)
        del self._buffer[: len(view)]
        while view:
            view = view[os.write(self._file, view) :]

    def close(self) -> None:
        """Flush and close; the writer is unusable afterwards."""
        self.flush()
        os.close(self._file)
