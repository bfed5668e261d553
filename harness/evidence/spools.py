"""Reads raw spool files (harness/spool.py) into numpy record arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidRun
from harness.evidence.clocks import clock_beside
from harness.spool import FORMAT, LAYOUTS, RECORD_BYTES, TEXT_BYTES, TEXT_TAG, Layout

LENGTHS = frozenset({"lag_ns"})
"""Columns in ns that are no moments."""

_NUMPY = {"B": "u1", "H": "<u2", "I": "<u4", "Q": "<u8", "q": "<i8", "d": "<f8"}
_TEXT = np.dtype([("tag", "u1"), ("length", "u1"), ("part", "<u2"), ("index", "<u4"), ("piece", f"V{TEXT_BYTES}")])


@dataclass(frozen=True, slots=True)
class Spool:
    """One file: which process wrote it, its interned texts, and a record array per table."""

    process: str
    texts: list[str]
    tables: dict[str, NDArray[Any]]


def record_type(layout: Layout) -> np.dtype[Any]:
    """The numpy type of a layout's record, padding included."""
    names = ["tag", *(name for name, _ in layout.fields)]
    formats = ["u1", *(_NUMPY[code] for _, code in layout.fields)]
    sizes = [np.dtype(fmt).itemsize for fmt in formats]
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_BYTES})


def read_spool(path: Path) -> Spool:
    """All whole records of a spool, in times of our clock; raises InvalidRun for a file that is none or of another
    format."""
    raw = path.read_bytes()
    try:
        header = json.loads(raw[: raw.index(b"\n")])
        known = header["format"] == FORMAT and header["record_bytes"] == RECORD_BYTES
    except (ValueError, KeyError, TypeError):
        raise InvalidRun(f"{path} is not a spool file", "the run folder is damaged; run again") from None
    if not known:
        raise InvalidRun(
            f"{path} has spool format {header['format']}, this version reads {FORMAT}",
            "use the version of kato-harness that wrote it (its manifest.json names it)",
        )
    start = -(-(raw.index(b"\n") + 1) // RECORD_BYTES) * RECORD_BYTES
    count = (len(raw) - start) // RECORD_BYTES
    records = (
        np.frombuffer(raw, np.dtype(f"V{RECORD_BYTES}"), count, start) if count > 0 else np.zeros(0, f"V{RECORD_BYTES}")
    )
    tags = records.view("u1").reshape(-1, RECORD_BYTES)[:, 0] if count > 0 else np.zeros(0, "u1")
    texts = _texts(records[tags == TEXT_TAG].view(_TEXT))
    tables = {
        layout.table: on_our_clock(records[tags == layout.tag].view(record_type(layout)), path, layout)
        for layout in LAYOUTS
    }
    return Spool(header["process"], texts, tables)


def on_our_clock(records: NDArray[Any], spool: Path, layout: Layout) -> NDArray[Any]:
    """The records with their times as our clock would have shown them."""
    clock = clock_beside(spool)
    if clock is None or not len(records):
        return records
    shifted = records.copy()
    for name, _ in layout.fields:
        if name.endswith("_ns") and name not in LENGTHS:
            shifted[name] = clock.ours(records[name])
    return shifted


def _texts(records: NDArray[Any]) -> list[str]:
    pieces: list[list[bytes]] = [[]]
    for record in records:
        index = int(record["index"])
        while len(pieces) <= index:
            pieces.append([])
        pieces[index].append(record["piece"].tobytes()[: record["length"]])
    return [b"".join(parts).decode("utf-8", "replace") for parts in pieces]
