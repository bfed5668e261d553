"""The OTLP receiver: what exporters send, in every encoding, becomes rows; what is none is refused."""

from __future__ import annotations

import gzip
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.beside import read_spans
from harness.otlp import Receiver
from harness.spool import SPANS

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    running = Receiver(tmp_path / SPANS)
    yield running
    running.stop()


def export(old_names: bool = False) -> Any:
    """An export request of one call with a failed client span."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("test")
    told: dict[str, Any] = {"http.request.method": "GET", "http.response.status_code": 503}
    told |= {"http.request.resend_count": 1}
    if old_names:
        told = {"http.method": "GET", "http.status_code": 503, "http.resend_count": 1}
    with tracer.start_as_current_span("kato.predict"), tracer.start_as_current_span("GET", kind=SpanKind.CLIENT) as one:
        one.set_attributes(told)
        one.set_status(Status(StatusCode.ERROR))
    return encode_spans(kept.get_finished_spans())


def rows(folder: Path) -> list[dict[str, Any]]:
    """What was stored, on a clock one hour behind the wall's."""
    return list(read_spans(folder, {"wall_offset_ns": 3_600_000_000_000}).rows())


def post(receiver: Receiver, body: bytes, path: str = "/v1/traces", **headers: str) -> int:
    given = {"content-type": "application/x-protobuf"} | {k.replace("_", "-"): v for k, v in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{receiver.port}{path}", body, given)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("old_names", [False, True])
def test_an_export_becomes_rows(tmp_path: Path, receiver: Receiver, old_names: bool) -> None:
    """Ids, parent, kind, status and HTTP attributes, under the stable names or the old ones."""
    assert post(receiver, export(old_names).SerializeToString()) == 200
    call, attempt = sorted(rows(tmp_path), key=lambda row: row["kind"], reverse=True)
    assert (call["kind"], attempt["kind"]) == ("internal", "client")
    assert attempt["parent"] == call["span"] and attempt["trace"] == call["trace"]
    assert (attempt["status"], attempt["http_status"], attempt["resend"], attempt["method"]) == ("error", 503, 1, "GET")
    assert attempt["service"] == "shop"
    assert abs(attempt["start_ns"] - (time.time_ns() - 3_600_000_000_000)) < 3_600_000_000_000


def test_gzip_and_json_are_taken_too(tmp_path: Path, receiver: Receiver) -> None:
    """OTLP's JSON has ids in hexadecimal."""
    body = export().SerializeToString()
    assert post(receiver, gzip.compress(body), content_encoding="gzip") == 200
    span = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "GET", "kind": 3, "status": {"code": 2}}
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    assert post(receiver, text.encode(), content_type="application/json") == 200
    stored = rows(tmp_path)
    assert len(stored) == 3
    assert {"trace": "0a" * 16, "span": "0b" * 8, "status": "error"}.items() <= stored[0].items()


def test_grpc_is_taken_too(tmp_path: Path, receiver: Receiver) -> None:
    """The same message over HTTP/2."""
    import grpc
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

    with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        TraceServiceStub(channel).Export(export(), timeout=30)
    assert len(rows(tmp_path)) == 2


def test_what_is_no_export_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    """With the status that the protocol has for it, and nothing stored."""
    assert post(receiver, b"\xff\xff\xff") == 400
    assert post(receiver, b"not json", content_type="application/json") == 400
    assert post(receiver, b"[1]", content_type="application/json") == 400
    assert post(receiver, b"x", content_encoding="gzip") == 400
    assert post(receiver, b"", content_type="text/plain") == 415
    assert post(receiver, b"", path="/v2/traces") == 404
    assert post(receiver, b"", path="/v1/metrics") == 200
    assert rows(tmp_path) == []
