"""A run for a team's own dashboards: OTLP in its file format, and Prometheus text.

OTLP: lines of JSON, first a TracesData (the run, its phases and fault windows as spans), then a MetricsData (verdicts
and counts as gauges), as the OpenTelemetry collector's otlpjsonfile receiver reads them. Times are wall-clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.evidence import Run
    from harness.laws.judge import Judgement

SERVICE = "kato-harness"
STATUSES = ("pass", "fail", "warn", "inconclusive", "not_exercised", "not_applicable", "invalid")
ERROR = 2
"""STATUS_CODE_ERROR of OTLP's Status."""


def otlp(run: Run, judgement: Judgement) -> bytes:
    """Two lines of JSON."""
    resource = {"attributes": _attributes({"service.name": SERVICE, **_names(run)})}
    scope = {"name": SERVICE, "version": str(run.manifest.get("run", {}).get("harness", ""))}
    spans = {"resource": resource, "scopeSpans": [{"scope": scope, "spans": list(_spans(run, judgement))}]}
    metrics = {"resource": resource, "scopeMetrics": [{"scope": scope, "metrics": list(_metrics(run, judgement))}]}
    lines = ({"resourceSpans": [spans]}, {"resourceMetrics": [metrics]})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def prometheus(run: Run, judgement: Judgement) -> bytes:
    """Prometheus's text exposition format, for the node exporter's textfile collector or a push gateway."""
    lines = []
    for name, doc, rows in _gauges(run, judgement):
        lines += [f"# HELP {name} {doc}", f"# TYPE {name} gauge"]
        lines += [f"{name}{_labels({**_names(run), **labels})} {value:g}" for labels, value in rows]
    return ("\n".join(lines) + "\n").encode()


def _names(run: Run) -> dict[str, str]:
    told = run.manifest.get("run", {})
    return {"scenario": str(told.get("name", "")), "integration": str(told.get("integration", ""))}


Rows = list[tuple[Mapping[str, str], float]]


def _gauges(run: Run, judgement: Judgement) -> Iterator[tuple[str, str, Rows]]:
    """(name, meaning, rows of labels and value)."""
    verdicts: Rows = [
        ({"law": v.law, "name": v.name, "status": status, "required": str(v.required).lower()}, v.status == status)
        for v in judgement.verdicts
        for status in STATUSES
        if v.status == status or status in ("pass", "fail")
    ]
    offset_ns = int(run.manifest.get("wall_offset_ns") or 0)
    windows: Rows = []
    for fault in run.history.faults.rows():
        for edge in ("applied", "effective", "cleared"):
            at_ns = fault[f"{edge}_ns"]
            if at_ns:
                labels = {"fault": fault["name"], "kind": fault["kind"], "edge": edge}
                windows.append((labels, (at_ns + offset_ns) / 1e9))
    calls: Rows = [
        ({"outcome": word}, float(count))
        for word, count in run.manifest.get("accounting", {}).items()
        if isinstance(count, int)
    ]
    slos: Rows = [({"slo": slo.name, "severity": slo.severity}, slo.status == "pass") for slo in judgement.slos]
    yield "kato_harness_exit_code", "Exit code of the run's judgement.", [({}, judgement.exit_code)]
    yield "kato_harness_verdict", "1 for the status that a law came to.", verdicts
    yield "kato_harness_slo_held", "1 where an objective held.", slos
    yield "kato_harness_calls", "Calls by outcome.", calls
    yield "kato_harness_fault_timestamp_seconds", "When a fault was applied, effective and cleared.", windows


def _labels(labels: Mapping[str, str]) -> str:
    def escaped(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items()) + "}"


def _spans(run: Run, judgement: Judgement) -> Iterator[dict[str, Any]]:
    """The run as the root, its phases and faults below it; a failed verdict is an event of the root."""
    manifest = run.manifest
    told = manifest.get("run", {})
    offset_ns, trace = int(manifest.get("wall_offset_ns") or 0), _digest(str(told.get("id", "")), 16)
    ends = (int(manifest.get("start_ns") or 0) + offset_ns, int(manifest.get("end_ns") or 0) + offset_ns)
    root = _digest(f"{told.get('id')}/run", 8)
    events = [
        {
            "timeUnixNano": str(ends[1]),
            "name": f"verdict {v.law} {v.status}",
            "attributes": _attributes({"kato.law": v.law, "kato.status": v.status, "kato.reason": v.reason}),
        }
        for v in judgement.verdicts
        if v.status in ("pass", "fail", "warn", "inconclusive", "invalid")
    ]
    status = {"code": ERROR, "message": f"exit {judgement.exit_code}"} if judgement.exit_code else {}
    yield _span(trace, root, "", f"run {told.get('name', '')}", *ends, {"kato.exit_code": judgement.exit_code}) | {
        "events": events,
        "status": status,
    }
    for number, phase in enumerate(run.history.phases):
        span = _digest(f"{told.get('id')}/phase/{number}", 8)
        yield _span(trace, span, root, f"phase {phase.name}", phase.start_ns + offset_ns, phase.end_ns + offset_ns, {})
    for number, fault in enumerate(run.history.faults.rows()):
        if fault["applied_ns"]:
            span = _digest(f"{told.get('id')}/fault/{number}", 8)
            known = {"kato.fault.kind": fault["kind"], "kato.fault.params": fault["params"]}
            end_ns = (fault["cleared_ns"] or ends[1] - offset_ns) + offset_ns
            yield _span(trace, span, root, f"fault {fault['name']}", fault["applied_ns"] + offset_ns, end_ns, known)


def _span(
    trace: str, span: str, parent: str, name: str, start_ns: int, end_ns: int, attributes: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "traceId": trace,
        "spanId": span,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(end_ns),
        "attributes": _attributes(attributes),
    }


def _metrics(run: Run, judgement: Judgement) -> Iterator[dict[str, Any]]:
    at_ns = int(run.manifest.get("end_ns") or 0) + int(run.manifest.get("wall_offset_ns") or 0)
    for name, doc, rows in _gauges(run, judgement):
        points = [
            {"timeUnixNano": str(at_ns), "asDouble": float(value), "attributes": _attributes(labels)}
            for labels, value in rows
        ]
        if points:
            yield {"name": name.replace("_", "."), "description": doc, "gauge": {"dataPoints": points}}


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}}
        for key, value in values.items()
    ]


def _digest(text: str, size: int) -> str:
    """An id of `size` bytes in hexadecimal, the same for the same run however often it is drawn."""
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()
