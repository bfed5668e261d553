"""A run folder, read: its manifest and its History. An unfinished folder is finalised first."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InvalidRun, UsageError
from harness.evidence.finalise import finalise
from harness.evidence.history import SCHEMA, History
from harness.evidence.parquet import read_table
from harness.evidence.shelf import Shelf
from harness.model import RUN_FORMAT, Span

READABLE = (RUN_FORMAT,)
"""Run folder formats that this version reads: the current one and the one before it."""

AT_HAND_BYTES = 192e6
"""Columns of a run that are kept at hand: of 3.6 million calls the six of numbers that laws ask for together. Reading
one again takes a twentieth of a second."""

APART_BYTES, _M_MMAP_THRESHOLD = 8 << 20, -3
"""Arrays of this size and more lie apart from the heap, and are the system's again when they are let go."""

SPARE_BYTES, _M_TRIM_THRESHOLD = 32 << 20, -1
"""What the heap keeps of what was let go: the chunks of a long calculation, each of which would be zeroed anew."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: where it lies, what its manifest says, and its evidence."""

    folder: Path
    manifest: Mapping[str, Any]
    history: History


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run folder; raises UsageError when it is none, InvalidRun for a format that can't be read."""
    path = folder / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise UsageError(
            f"{folder} is not a run folder: it has no manifest.json", "give a folder that `kato-harness run` wrote"
        ) from None
    except ValueError as error:
        raise InvalidRun(f"{path} is not JSON ({error})", "the run folder is damaged; run again") from None
    if manifest.get("format") not in READABLE:
        writer = manifest.get("run", {}).get("harness", "another version")
        raise InvalidRun(
            f"{folder} has run format {manifest.get('format')}, this version reads {READABLE}",
            f"use kato-harness {writer}",
        )
    return manifest


def read_run(folder: Path) -> Run:
    """The run in `folder`, finalised first where it ended before that."""
    manifest = read_manifest(folder)
    tables = folder / "tables"
    _lay_apart()
    shelf = Shelf(AT_HAND_BYTES)
    if not all((tables / f"{name}.parquet").exists() for name in SCHEMA):
        return Run(folder, manifest, finalise(folder, manifest, shelf))
    columns = {name: read_table(tables / f"{name}.parquet", name, shelf) for name in SCHEMA}
    phases = tuple(Span(p["name"], p["start_ns"], p["end_ns"]) for p in manifest.get("phases", ()))
    return Run(folder, manifest, History(**columns, phases=phases, facts=manifest.get("facts", {})))


def _lay_apart() -> None:
    """Fix glibc's thresholds (mallopt(3)): else they grow with each array let go, and columns leave holes in the
    heap."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, APART_BYTES)
        mallopt(_M_TRIM_THRESHOLD, SPARE_BYTES)
