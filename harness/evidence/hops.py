"""The sidecar's own view: Envoy's access logs (JSON lines) as the table `hops`, on the run's clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.evidence.history import SCHEMA, table
from harness.evidence.table import Table
from harness.spool import HOPS

NO_INSTANCE = -1


def read_hops(folder: Path, manifest: Mapping[str, Any]) -> Table:
    """The hops of a spool folder in order of their start. The manifest's fact `endpoints` names the instances by
    address, its `wall_offset_ns` puts Envoy's wall-clock times on the monotonic clock."""
    instances = manifest.get("facts", {}).get("endpoints", {})
    offset_ns = int(manifest.get("wall_offset_ns") or 0)
    rows = [_row(kind, line, instances, offset_ns) for kind, file in HOPS.items() for line in _lines(folder / file)]
    columns = {name: [row.get(name, 0) for row in rows] for name in SCHEMA["hops"]}
    return table("hops", columns).sorted_by("start_ns") if rows else table("hops", {})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Whole lines; a torn last one is left out."""
    for line in path.read_text().split("\n")[:-1] if path.exists() else ():
        yield json.loads(line)


def _row(kind: str, line: Mapping[str, Any], instances: Mapping[str, int], offset_ns: int) -> dict[str, Any]:
    call, _, attempt = (line["call"] or "0.0").partition(".")
    start_ns = int(line["start_ns"]) - offset_ns
    return {
        "kind": kind,
        "call": int(call),
        "attempt": int(attempt),
        "route": int(line["route"] or NO_INSTANCE),
        "try": int(line["try"] or 0),
        "tries": int(line["attempts"] or 0),
        "start_ns": start_ns,
        "end_ns": start_ns + int(line["duration_ms"] or 0) * 1_000_000,
        "method": line["method"] or "",
        "status": int(line["status"] or 0),
        "flags": "" if line["flags"] == "-" else line["flags"] or "",
        "details": line["details"] or "",
        "cluster": line["cluster"] or "",
        "instance": instances.get(line["upstream"] or "", NO_INSTANCE),
    }
