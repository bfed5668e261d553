"""From an ExportTraceServiceRequest to rows of the table `spans` (OTLP specification 1.x, trace/v1/trace.proto).

Semantic conventions: the stable names (http.request.method, http.response.status_code, http.request.resend_count), and
the old ones where only those are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

STATUS = ("unset", "ok", "error")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_IDS = ("traceId", "spanId", "parentSpanId")
_HTTP_STATUS = ("http.response.status_code", "http.status_code")
_METHOD = ("http.request.method", "http.method")
_RESEND = ("http.request.resend_count", "http.resend_count")


class BadExportError(ValueError):
    """What was sent is no ExportTraceServiceRequest."""


def parse(body: bytes, json_encoded: bool = False) -> Any:
    """The message in a request's body; raises BadExportError."""
    from google.protobuf.json_format import Parse, ParseError
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    message = ExportTraceServiceRequest()
    try:
        if json_encoded:
            Parse(_ids_in_base64(body), message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except (DecodeError, ParseError, ValueError, TypeError) as error:
        raise BadExportError(f"no ExportTraceServiceRequest: {error}") from None
    return message


def _ids_in_base64(body: bytes) -> str:
    """OTLP's JSON writes ids in hexadecimal, protobuf's JSON in base64 (OTLP, "JSON Protobuf Encoding")."""
    import base64
    import json

    def mend(value: Any) -> Any:
        if isinstance(value, list):
            return [mend(each) for each in value]
        if not isinstance(value, dict):
            return value
        return {
            name: base64.b64encode(bytes.fromhex(each)).decode() if name in _IDS else mend(each)
            for name, each in value.items()
        }

    return json.dumps(mend(json.loads(body)))


def rows_of(message: Any, received_ns: int) -> Iterator[dict[str, Any]]:
    """The spans of an export as rows; their times are the client's wall clock (`*_wall_ns`)."""
    for resource in message.resource_spans:
        service = _attributes(resource.resource.attributes).get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _row(span, str(service), received_ns)


def _row(span: Any, service: str, received_ns: int) -> dict[str, Any]:
    told = _attributes(span.attributes)
    return {
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": KINDS[span.kind] if span.kind < len(KINDS) else "unspecified",
        "service": service,
        "start_wall_ns": span.start_time_unix_nano,
        "end_wall_ns": span.end_time_unix_nano,
        "status": STATUS[span.status.code] if span.status.code < len(STATUS) else "unset",
        "http_status": _number(told, _HTTP_STATUS),
        "resend": _number(told, _RESEND),
        "method": str(next((told[name] for name in _METHOD if name in told), "")),
        "received_ns": received_ns,
    }


def _attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "bool_value", "int_value", "double_value") else ""


def _number(told: Mapping[str, Any], names: Iterable[str]) -> int:
    found = next((told[name] for name in names if name in told), 0)
    return int(found) if isinstance(found, (int, float)) else 0
