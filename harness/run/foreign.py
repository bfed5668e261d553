"""Traffic that something else generates: calls told from arrivals, so that data laws and SLOs can judge them.

A call is an arrival, or several: the same operation and body on the same session again, after one that ended without
an answer or with a 5xx, is the same call sent again. Its times are those that the witness saw.
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.load.recorder import Recorder
from harness.model import OPERATIONS
from harness.spool import ARRIVALS, RECORD_BYTES, TEXT_TAG

FIELDS = tuple(name for name, _ in ARRIVALS.fields)
AGAIN_WITHIN_NS = 60_000_000_000
"""The same request that comes later than this after a failed one is a new call."""

_TEXT = struct.Struct("<BBHI64s")
_arrival = ARRIVALS.struct()


@dataclass(slots=True)
class Arrival:
    """One request at the witness: its record, and where that stands in the file."""

    at: int
    values: list[int]
    session: str
    node_id: str

    def __getitem__(self, name: str) -> int:
        return self.values[FIELDS.index(name) + 1]

    def __setitem__(self, name: str, value: int) -> None:
        self.values[FIELDS.index(name) + 1] = value

    @property
    def failed(self) -> bool:
        """No whole answer, or one that says that KATO failed."""
        return not self["reply_ns"] or self["status"] >= 500

    @property
    def end_ns(self) -> int:
        """When the client had its answer, or its connection ended."""
        return self["reply_ns"] or self["disconnect_ns"] or self["arrive_ns"]


@dataclass(slots=True)
class Call:
    """The arrivals of one call, in order."""

    arrivals: list[Arrival] = field(default_factory=list)

    @property
    def outcome(self) -> tuple[str, str]:
        """Outcome and error of the last arrival."""
        last = self.arrivals[-1]
        if not last["reply_ns"]:
            return "timeout", "read_timeout"
        if last["status"] < 400:
            return "ok", ""
        return "error", "4xx" if last["status"] < 500 else "5xx"


def tell_calls(spool: Path) -> Counter[str]:
    """Write the calls of the witness's spool file beside it and their numbers into it; how many ended how."""
    source = spool / "witness.raw"
    raw = bytearray(source.read_bytes())
    arrivals = sorted(_arrivals(raw), key=lambda arrival: arrival["arrive_ns"])
    calls = grouped(arrivals)
    recorder = Recorder(spool / "generator-foreign.raw", "foreign")
    for number, call in enumerate(calls, 1):
        _record(recorder, number, call)
        for attempt, arrival in enumerate(call.arrivals, 1):
            arrival["call"], arrival["attempt"] = number, attempt
            _arrival.pack_into(raw, arrival.at, *arrival.values)
    recorder.close()
    source.write_bytes(raw)
    return Counter(call.outcome[0] for call in calls)


def grouped(arrivals: Sequence[Arrival]) -> list[Call]:
    """The calls of arrivals in order of time; requests that are no operation of a client are left out."""
    calls: list[Call] = []
    failed: dict[tuple[int, str, int], Call] = {}
    for arrival in arrivals:
        if OPERATIONS[arrival["op"]] == "other":
            continue
        key = (arrival["op"], arrival.session if arrival.session else arrival.node_id, arrival["payload"])
        call = failed.pop(key, None)
        if call is None or arrival["arrive_ns"] - call.arrivals[-1].end_ns > AGAIN_WITHIN_NS:
            call = Call()
            calls.append(call)
        call.arrivals.append(arrival)
        if arrival.failed:
            failed[key] = call
    return calls


def _record(recorder: Recorder, number: int, call: Call) -> None:
    first, last = call.arrivals[0], call.arrivals[-1]
    outcome, error = call.outcome
    begin_ns = first["arrive_ns"]
    recorder.call(
        number,
        OPERATIONS[first["op"]],
        first.session,
        first.node_id,
        first.session,
        begin_ns,
        begin_ns,
        begin_ns,
        last.end_ns,
        outcome,
        error,
        last["status"],
    )


def _arrivals(raw: bytes | bytearray) -> Iterator[Arrival]:
    start = _header_bytes(raw)
    texts: dict[int, str] = {0: ""}
    for at in range(start, len(raw) - RECORD_BYTES + 1, RECORD_BYTES):
        if raw[at] == TEXT_TAG:
            _, size, part, index, piece = _TEXT.unpack_from(raw, at)
            texts[index] = (texts[index] if part else "") + piece[:size].decode("utf-8", "replace")
        elif raw[at] == ARRIVALS.tag:
            values = list(_arrival.unpack_from(raw, at))
            session, node = (values[FIELDS.index(name) + 1] for name in ("session", "node_id"))
            yield Arrival(at, values, texts.get(session, ""), texts.get(node, ""))


def _header_bytes(raw: bytes | bytearray) -> int:
    end = raw.index(b"\n") + 1
    json.loads(raw[:end])
    return -(-end // RECORD_BYTES) * RECORD_BYTES
