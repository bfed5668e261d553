"""The History that laws see: the tables of one run with its phases, in memory as columns.

Table columns are those of the design's "Tables"; every time is int64 ns on the run's monotonic clock and 0 where the
design says null; `call` 0 is unknown. `History.literal` builds one from text, so that a law's test reads as its case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.evidence.table import Column, Mask, Table, Words
from harness.model import Span

SCHEMA: Mapping[str, Mapping[str, str]] = {
    "calls": {
        "call": "int", "user": "word", "session": "word", "node_id": "word", "op": "word", "intended_ns": "int",
        "ready_ns": "int", "start_ns": "int", "end_ns": "int", "outcome": "word", "error": "word", "status": "int",
        "phase": "word", "worker": "int", "marked": "int", "detail": "word", "shape": "word", "content": "int",
    },
    "attempts": {
        "call": "int", "attempt": "int", "start_ns": "int", "headers_ns": "int", "end_ns": "int", "result": "word",
        "status": "int", "connection": "int", "reused": "int", "via": "word", "worker": "int", "detail": "word",
        "trace": "word",
    },
    "arrivals": {
        "call": "int", "attempt": "int", "session": "word", "node_id": "word", "op": "word", "instance": "int",
        "connection": "int", "arrive_ns": "int", "reply_ns": "int", "disconnect_ns": "int", "status": "int",
        "commit_seq": "int", "fault": "word", "headers": "word", "payload": "int", "futures": "int",
        "paired_by": "word",
    },
    "hops": {
        "kind": "word", "call": "int", "attempt": "int", "route": "int", "try": "int", "tries": "int",
        "start_ns": "int", "end_ns": "int", "method": "word", "status": "int", "flags": "word", "details": "word",
        "cluster": "word", "instance": "int",
    },
    "faults": {
        "name": "word", "kind": "word", "where": "word", "params": "word", "planned_ns": "int", "requested_ns": "int",
        "applied_ns": "int", "effective_ns": "int", "felt_ns": "int", "cleared_ns": "int",
    },
    "canary": {"listener": "word", "start_ns": "int", "end_ns": "int", "outcome": "word"},
    "breaker": {"source": "word", "state": "word", "from_ns": "int", "to_ns": "int", "worker": "int"},
    "samples": {
        "process": "word", "time_ns": "int", "cpu": "float", "rss": "int", "descriptors": "int", "threads": "int",
        "lag_ns": "int", "busy": "float", "in_integration": "float", "sockets": "int",
        "in_flight": "int",
    },
    "messages": {
        "event": "word", "flag": "int", "count": "int", "connection": "int", "queue": "word", "message": "word",
        "call": "int", "number": "int", "time_ns": "int",
    },
    "spans": {
        "trace": "word", "span": "word", "parent": "word", "name": "word", "kind": "word", "service": "word",
        "start_ns": "int", "end_ns": "int", "status": "word", "http_status": "int", "resend": "int", "method": "word",
        "received_ns": "int",
    },
    "probes": {
        "probe": "word", "path": "word", "start_ns": "int", "end_ns": "int", "status": "int", "error": "word",
        "said": "word",
    },
}  # fmt: skip
"""Column kinds of every table: int (int64), float (float64), word (category).

`spans` is what the client's exporter sent to the collector: ids in hexadecimal, `kind` and `status` in OpenTelemetry's
lower-case words. `probes` are an orchestrator's look at readiness and liveness; `said` is the status in the body.
`hops` is what a mesh's sidecar logged: rows of kind `request` (one of the client, `tries` sent for it) and `attempt`
(the `try`-th of them, to `instance`, −1: none); `route` is the place in the fact `mesh.routes`, `flags` are Envoy's.
"""


def empty(name: str) -> Table:
    """The table `name` with no rows."""
    return table(name, {})


def table(name: str, values: Mapping[str, Any]) -> Table:
    """A table of the schema from lists or arrays by column; absent columns are zeros, or empty words."""
    size = max((len(column) for column in values.values()), default=0)
    return Table({key: _column(kind, values.get(key), size) for key, kind in SCHEMA[name].items()})


def filled(kind: str, size: int) -> Column:
    """A column of that kind without evidence: zeros, or empty words."""
    if kind == "word":
        return Words(np.zeros(size, np.int32), ("",))
    return np.zeros(size, np.int64 if kind == "int" else np.float64)


def _column(kind: str, values: Any, size: int) -> Column:
    if values is None:
        return filled(kind, size)
    if kind == "word":
        return values if isinstance(values, Words) else Words.of([str(value) for value in values])
    return np.asarray(values, np.int64 if kind == "int" else np.float64)


@dataclass(frozen=True, slots=True)
class History:
    """All evidence of one run. `phases` are in time order; `facts` is the manifest's part that laws may ask
    (oracle, leftovers, generator health, target kind, judged processes)."""

    calls: Table
    attempts: Table = field(default_factory=lambda: empty("attempts"))
    arrivals: Table = field(default_factory=lambda: empty("arrivals"))
    hops: Table = field(default_factory=lambda: empty("hops"))
    faults: Table = field(default_factory=lambda: empty("faults"))
    canary: Table = field(default_factory=lambda: empty("canary"))
    breaker: Table = field(default_factory=lambda: empty("breaker"))
    samples: Table = field(default_factory=lambda: empty("samples"))
    messages: Table = field(default_factory=lambda: empty("messages"))
    spans: Table = field(default_factory=lambda: empty("spans"))
    probes: Table = field(default_factory=lambda: empty("probes"))
    phases: tuple[Span, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def phase(self, name: str) -> tuple[Span, ...]:
        """The spans of that name (a repeated fault has several)."""
        return tuple(span for span in self.phases if span.name == name)

    def calls_in(self, name: str) -> Mask:
        """True for calls whose *intended* start lies in a phase of that name."""
        return self.calls["phase"].among(name)  # type: ignore[no-any-return]

    @staticmethod
    def literal(phases: tuple[Span, ...] = (), facts: Mapping[str, Any] | None = None, **texts: str) -> History:
        """A history from text tables: first line the column names, then a row a line, `-` for null.

        Times may be written in ms with the column named `*_ms`, which becomes `*_ns`.
        """
        tables = {name: _parse(name, text) for name, text in texts.items()}
        return History(**({"calls": empty("calls")} | tables), phases=phases, facts=facts or {})


def _parse(name: str, text: str) -> Table:
    head, *rows = [line.split() for line in text.strip().splitlines() if line.strip()]
    cells = dict(zip(head, zip(*rows, strict=True), strict=True)) if rows else {}
    values: dict[str, Any] = {}
    for key, column in cells.items():
        target = key.removesuffix("_ms") + "_ns" if key.endswith("_ms") else key
        if target not in SCHEMA[name]:
            raise KeyError(f"table {name} has no column {target}; it has {', '.join(SCHEMA[name])}")
        factor = 1_000_000 if key.endswith("_ms") else 1
        kind = SCHEMA[name][target]
        values[target] = [_cell(cell, kind, factor) for cell in column]
    return table(name, values)


def _cell(cell: str, kind: str, factor: int) -> Any:
    if kind == "word":
        return "" if cell == "-" else cell
    return 0 if cell == "-" else float(cell) * factor if kind == "float" else round(float(cell) * factor)
