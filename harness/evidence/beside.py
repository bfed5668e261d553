"""What parts beside the load left as lines of JSON: exported spans and the orchestrator's probes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.evidence.history import SCHEMA, table
from harness.evidence.table import Table
from harness.spool import PROBES, SPANS


def read_spans(folder: Path, manifest: Mapping[str, Any]) -> Table:
    """The table `spans`, in order of start; the manifest's `wall_offset_ns` puts wall times on the run's clock."""
    offset_ns = int(manifest.get("wall_offset_ns") or 0)
    rows = _lines(folder / SPANS)
    for row in rows:
        row["start_ns"], row["end_ns"] = row["start_wall_ns"] - offset_ns, row["end_wall_ns"] - offset_ns
    return _table("spans", rows)


def read_probes(folder: Path) -> Table:
    """The table `probes`, in order of start."""
    return _table("probes", _lines(folder / PROBES))


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = {key: [row[key] for row in rows] for key in SCHEMA[name]}
    return table(name, columns).sorted_by("start_ns") if rows else table(name, {})


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines; a torn last one is left out."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]
