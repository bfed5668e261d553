"""The finaliser: raw spools to Parquet tables, in a plain process after the run (design, "Spool").

It also completes what no single process knew: the phase of each call, and which call an arrival without a header
belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.beside import read_probes, read_spans
from harness.evidence.clocks import hosts_of
from harness.evidence.histograms import write_histograms
from harness.evidence.history import SCHEMA, History, table
from harness.evidence.hops import read_hops
from harness.evidence.ids import by_call
from harness.evidence.pairing import pair_arrivals, without_misnamed, without_names
from harness.evidence.parquet import read_table, write_table
from harness.evidence.phases import phases_of_calls
from harness.evidence.records import joined
from harness.evidence.shelf import Shelf
from harness.evidence.spools import read_spool
from harness.evidence.table import Table
from harness.faults import KINDS
from harness.model import Span
from harness.spool import ARRIVALS, ATTEMPTS, BREAKER, CALLS, MESSAGES, SAMPLES

Keep = Callable[[str, Table], Table]
"""Puts a finished table where it is to lie, and gives it back as it is read from there."""


def finalise(folder: Path, manifest: Mapping[str, Any], shelf: Shelf) -> History:
    """Write `tables/*.parquet` from `spool/`, one after the other, and give the History that they hold."""
    target = folder / "tables"
    target.mkdir(exist_ok=True)

    def keep(name: str, rows: Table) -> Table:
        path = target / f"{name}.parquet"
        write_table(path, rows)
        return read_table(path, name, shelf)

    history = _history(folder / "spool", manifest, keep)
    write_histograms(folder, history.calls)
    return history


def from_spools(folder: Path, manifest: Mapping[str, Any]) -> History:
    """The History of a spool folder, in memory; torn last records and unknown tables are left out."""
    return _history(folder, manifest, lambda name, rows: rows.where(slice(None)))  # whose columns are made once


def _history(folder: Path, manifest: Mapping[str, Any], keep: Keep) -> History:
    # a process that died before its first flush left an empty file
    spools = [read_spool(path) for path in sorted(folder.glob("*.raw")) if path.stat().st_size]
    phases = tuple(Span(p["name"], p["start_ns"], p["end_ns"]) for p in manifest.get("phases", ()))
    calls = keep("calls", _calls(joined(CALLS, spools), phases))
    breaker = _breaker_spans(joined(BREAKER, spools).sorted_by("time_ns"), int(manifest.get("end_ns") or 0))
    messages = keep("messages", joined(MESSAGES, spools).sorted_by("time_ns"))
    arrivals, misnamed = _arrivals(joined(ARRIVALS, spools), calls, messages, _uncertainty_ns(folder), keep)
    attempts = without_names(joined(ATTEMPTS, spools).sorted_by("start_ns"), misnamed)
    history = History(
        calls=calls,
        attempts=keep("attempts", by_call(attempts, calls, "start_ns")),
        arrivals=arrivals,
        hops=keep("hops", read_hops(folder, manifest)),
        canary=keep("canary", table("canary", _json_rows("canary", folder / "canary.jsonl"))),
        breaker=keep("breaker", breaker),
        samples=keep("samples", joined(SAMPLES, spools).sorted_by("time_ns")),
        messages=messages,
        spans=keep("spans", read_spans(folder, manifest)),
        probes=keep("probes", read_probes(folder)),
        phases=phases,
        facts=manifest.get("facts", {}),
    )
    return replace(history, faults=keep("faults", _faults(_json_rows("faults", folder / "faults.jsonl"), history)))


def _calls(rows: Table, phases: Sequence[Span]) -> Table:
    return rows.having(phase=phases_of_calls(rows["intended_ns"], phases)).sorted_by("intended_ns", "call")


def _arrivals(
    rows: Table, calls: Table, messages: Table, uncertainty_ns: int, keep: Keep
) -> tuple[Table, NDArray[np.int64]]:
    """The arrivals, paired and kept, and the names under which others' attempts were sent."""
    named, misnamed = without_misnamed(rows.sorted_by("arrive_ns"), calls)
    paired = pair_arrivals(named, calls, uncertainty_ns, messages)
    return keep("arrivals", by_call(paired, calls, "arrive_ns")), misnamed


def _uncertainty_ns(folder: Path) -> int:
    return max((host["uncertainty_ns"] for host in hosts_of(folder)), default=0)


def _faults(columns: dict[str, list[Any]], history: History) -> Table:
    """The faults with the time at which the client first felt each (harness/faults)."""
    rows = list(table("faults", columns).rows())
    felt = [KINDS[row["kind"]].felt(history, row) for row in rows]
    return table("faults", {**columns, "felt_ns": felt})


def _breaker_spans(changes: Table, end_ns: int) -> Table:
    """Listener's state changes as spans, one list a worker and breaker; the last one ends with the run."""
    rows: dict[str, list[Any]] = {"source": [], "state": [], "from_ns": [], "to_ns": [], "worker": []}
    open_spans: dict[tuple[int, str], int] = {}
    for change in changes.rows():
        key = (change["worker"], change["breaker"])
        if key in open_spans:
            rows["to_ns"][open_spans[key]] = change["time_ns"]
        open_spans[key] = len(rows["state"])
        for name, value in zip(rows, ("listener", change["state"], change["time_ns"], end_ns, key[0]), strict=True):
            rows[name].append(value)
    return table("breaker", rows)


def _json_rows(name: str, path: Path) -> dict[str, list[Any]]:
    """Columns of a JSONL file that the parent wrote; a torn last line is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {key: [_plain(row.get(key), kind) for row in rows] for key, kind in SCHEMA[name].items()}


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return "" if kind == "word" else 0
    return json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else value
