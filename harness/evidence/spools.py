"""Reads raw spool files (harness/spool.py) into numpy record arrays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidRun
from harness.evidence.clocks import clock_beside
from harness.evidence.table import CHUNK
from harness.spool import FORMAT, RECORD_BYTES, TEXT_BYTES, TEXT_TAG, Layout

LENGTHS = frozenset({"lag_ns"})
"""Columns in ns that are no moments."""

_NUMPY = {"B": "u1", "H": "<u2", "I": "<u4", "Q": "<u8", "q": "<i8", "d": "<f8"}
_TEXT = np.dtype([("tag", "u1"), ("length", "u1"), ("part", "<u2"), ("index", "<u4"), ("piece", f"V{TEXT_BYTES}")])


@dataclass(frozen=True, slots=True)
class Spool:
    """One file: which process wrote it, its interned texts, where its records begin, and how many there are by tag."""

    path: Path
    process: str
    texts: list[str]
    start: int
    counts: NDArray[np.int64]

    def records(self, layout: Layout) -> NDArray[Any]:
        """Its records of one table, in times of our clock."""
        found = np.zeros(self.counts[layout.tag], record_type(layout))
        self.fill(found, layout)
        return found

    def fill(self, found: NDArray[Any], layout: Layout) -> None:
        """Put them where there is room for so many."""
        at = 0
        for chunk, tags in _chunks(self.path, self.start):
            mine = chunk[tags == layout.tag].view(found.dtype)[: len(found) - at]  # a live process writes on
            found[at : at + len(mine)] = on_our_clock(mine, self.path, layout)
            at += len(mine)


def record_type(layout: Layout) -> np.dtype[Any]:
    """The numpy type of a layout's record, padding included."""
    names = ["tag", *(name for name, _ in layout.fields)]
    formats = ["u1", *(_NUMPY[code] for _, code in layout.fields)]
    sizes = [np.dtype(fmt).itemsize for fmt in formats]
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": RECORD_BYTES})


def read_spool(path: Path) -> Spool:
    """A spool's head and texts; raises InvalidRun for a file that is none or of another format."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        header = json.loads(line)
        known = header["format"] == FORMAT and header["record_bytes"] == RECORD_BYTES
    except (ValueError, KeyError, TypeError):
        raise InvalidRun(f"{path} is not a spool file", "the run folder is damaged; run again") from None
    if not known:
        raise InvalidRun(
            f"{path} has spool format {header['format']}, this version reads {FORMAT}",
            "use the version of kato-harness that wrote it (its manifest.json names it)",
        )
    start = -(-len(line) // RECORD_BYTES) * RECORD_BYTES
    counts, pieces = np.zeros(256, np.int64), [np.zeros(0, _TEXT)]
    for chunk, tags in _chunks(path, start):
        counts += np.bincount(tags, minlength=256)
        pieces.append(chunk[tags == TEXT_TAG].view(_TEXT))
    return Spool(path, header["process"], _texts(np.concatenate(pieces)), start, counts)


def _chunks(path: Path, start: int) -> Iterator[tuple[NDArray[Any], NDArray[np.uint8]]]:
    """The whole records of a spool with their tags, so many at a time; a torn last one is left out."""
    with path.open("rb") as file:
        file.seek(start)
        while len(chunk := np.fromfile(file, np.dtype(f"V{RECORD_BYTES}"), CHUNK)):
            yield chunk, chunk.view("u1").reshape(-1, RECORD_BYTES)[:, 0]


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
