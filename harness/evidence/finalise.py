"""The finaliser: raw spools to Parquet tables, in a plain process after the run (design, "Spool").

It also completes what no single process knew: the phase of each call, and which call an arrival without a header
belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import model
from harness.evidence.beside import read_probes, read_spans
from harness.evidence.clocks import hosts_of
from harness.evidence.histograms import write_histograms
from harness.evidence.history import SCHEMA, History, empty, table
from harness.evidence.hops import read_hops
from harness.evidence.pairing import by_call, pair_arrivals, without_misnamed
from harness.evidence.parquet import read_table, write_table
from harness.evidence.phases import phases_of_calls
from harness.evidence.spools import Spool, read_spool
from harness.evidence.table import Shelf, Table, Words
from harness.faults import KINDS
from harness.model import Span
from harness.spool import ARRIVALS, ATTEMPTS, BREAKER, CALLS, MESSAGES, SAMPLES, Layout

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
    return _history(folder, manifest, lambda name, rows: rows)


def _history(folder: Path, manifest: Mapping[str, Any], keep: Keep) -> History:
    # a process that died before its first flush left an empty file
    spools = [read_spool(path) for path in sorted(folder.glob("*.raw")) if path.stat().st_size]
    phases = tuple(Span(p["name"], p["start_ns"], p["end_ns"]) for p in manifest.get("phases", ()))
    calls = keep("calls", _calls(_joined(CALLS, spools), phases))
    breaker = _breaker_spans(_joined(BREAKER, spools).sorted_by("time_ns"), int(manifest.get("end_ns") or 0))
    arrivals, attempts = without_misnamed(
        _joined(ARRIVALS, spools).sorted_by("arrive_ns"), _joined(ATTEMPTS, spools).sorted_by("start_ns"), calls
    )
    arrivals = pair_arrivals(arrivals, calls, _uncertainty_ns(folder))
    history = History(
        calls=calls,
        attempts=keep("attempts", by_call(attempts, calls, "start_ns")),
        arrivals=keep("arrivals", by_call(arrivals, calls, "arrive_ns")),
        hops=keep("hops", read_hops(folder, manifest)),
        canary=keep("canary", table("canary", _json_rows("canary", folder / "canary.jsonl"))),
        breaker=keep("breaker", breaker),
        samples=keep("samples", _joined(SAMPLES, spools).sorted_by("time_ns")),
        messages=keep("messages", _joined(MESSAGES, spools).sorted_by("time_ns")),
        spans=keep("spans", read_spans(folder, manifest)),
        probes=keep("probes", read_probes(folder)),
        phases=phases,
        facts=manifest.get("facts", {}),
    )
    return replace(history, faults=keep("faults", _faults(_json_rows("faults", folder / "faults.jsonl"), history)))


def _calls(rows: Table, phases: Sequence[Span]) -> Table:
    calls = rows.sorted_by("intended_ns", "call")
    return Table({**calls.columns, "phase": phases_of_calls(calls["intended_ns"], phases)})


def _uncertainty_ns(folder: Path) -> int:
    return max((host["uncertainty_ns"] for host in hosts_of(folder)), default=0)


def _faults(columns: dict[str, list[Any]], history: History) -> Table:
    """The faults with the time at which the client first felt each (harness/faults)."""
    rows = list(table("faults", columns).rows())
    felt = [KINDS[row["kind"]].felt(history, row) for row in rows]
    return table("faults", {**columns, "felt_ns": felt})


def _joined(layout: Layout, spools: Iterable[Spool]) -> Table:
    """One table over all spools, with texts and vocabulary codes turned into category columns."""
    parts = [(spool, spool.records(layout)) for spool in spools]
    if not parts:
        return Table({**empty(layout.table).columns} if layout.table != "breaker" else _no_changes())
    columns: dict[str, Any] = {}
    for field, _ in layout.fields:
        arrays = [records[field] for _, records in parts]
        if field in layout.texts:
            columns[field] = _texts(arrays, [spool.texts for spool, _ in parts])
        elif field in layout.words:
            columns[field] = Words(np.concatenate(arrays), getattr(model, layout.words[field]))
        else:
            dtype = np.float64 if arrays[0].dtype.kind == "f" else np.int64
            columns[field] = np.concatenate(arrays).astype(dtype)
    if "op" in columns:
        columns["op"] = _renamed(columns["op"])
    if "outcome" in columns:
        columns["outcome"] = _renamed(columns["outcome"])
    return Table(columns)


def _renamed(words: Words) -> Words:
    return Words(words.codes, tuple("" if name == "none" else name for name in words.names))


def _texts(arrays: list[np.ndarray[Any, Any]], texts: list[list[str]]) -> Words:
    """Each spool's own text indices as codes into one list of names."""
    names: dict[str, int] = {"": 0}
    coded = []
    for array, own in zip(arrays, texts, strict=True):
        mapping = np.array([names.setdefault(text, len(names)) for text in own], dtype=np.int32)
        coded.append(mapping[np.minimum(array, len(own) - 1)])
    return Words(np.concatenate(coded), tuple(names)).compact()


def _no_changes() -> dict[str, Any]:
    nothing = np.zeros(0, np.int64)
    words = Words(nothing.astype(np.int32), model.BREAKER_STATES)
    blank = Words(nothing.astype(np.int32), ("",))
    return {"state": words, "previous": words, "worker": nothing, "breaker": blank, "time_ns": nothing}


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
