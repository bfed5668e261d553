"""The newest run under a folder as Prometheus text: calls by outcome, and which faults act, while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.evidence.live import recent_calls
from harness.model import OUTCOMES

TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text exposition format."""


def newest(runs: Path) -> Path | None:
    """The run folder that was begun last, at any depth of two; None where there is none."""
    spools = [path for pattern in ("spool", "*/spool", "*/*/spool") for path in runs.glob(pattern)]
    return max(spools, key=lambda path: path.stat().st_ctime_ns).parent if spools else None


def exposition(runs: Path) -> str:
    """All metrics of the newest run; without one only that there is none."""
    run = newest(runs)
    lines = [
        "# TYPE kato_harness_run gauge",
        f"kato_harness_run{_labels(run=run.name if run else '')} {int(bool(run))}",
    ]
    if run is not None:
        lines += ["# TYPE kato_harness_fault_active gauge", *_faults(run)]
        lines += ["# TYPE kato_harness_recent_calls gauge", *_calls(run)]
    return "\n".join(lines) + "\n"


def _faults(run: Path) -> Iterator[str]:
    """1 from the moment a fault was applied until it was cleared."""
    path = run / "spool" / "faults.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        row = json.loads(line)
        acts = int(bool(row["applied_ns"]) and not row["cleared_ns"])
        yield f"kato_harness_fault_active{_labels(fault=row['name'], kind=row['kind'], run=run.name)} {acts}"


def _calls(run: Path) -> Iterator[str]:
    """The calls near the end of the spools (see evidence.live), by outcome."""
    outcomes = recent_calls(run / "spool", ()).calls["outcome"]
    for word in OUTCOMES[1:]:
        count = int(outcomes.among(word).sum())
        yield f"kato_harness_recent_calls{_labels(outcome=word, run=run.name)} {count}"


def _labels(**values: str) -> str:
    told = (f'{name}="{_escaped(value)}"' for name, value in values.items())
    return "{" + ",".join(told) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exporter(runs: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server of GET /metrics; its caller runs and closes it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.partition("?")[0] in ("/metrics", "/health")
            body = exposition(runs).encode() if known else b"see /metrics\n"
            self.send_response(200 if known else 404)
            self.send_header("content-type", TYPE)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer((host, port), Handler)
