"""The receiver: OTLP over HTTP (protobuf or JSON, also gzip) and over gRPC, in threads of the parent, on loopback."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from harness.errors import PartMissing
from harness.otlp.decode import BadExportError, parse, rows_of

TRACES = "/v1/traces"
ACCEPTED = ("/v1/metrics", "/v1/logs")
"""Taken and thrown away, so that an SDK that exports everything isn't told 404."""
MOST_BYTES = 64 << 20
JSON_TYPE, PROTOBUF_TYPE = "application/json", "application/x-protobuf"


class Receiver:
    """Takes spans until stopped; each is a line in `file`. `port` is HTTP's, `grpc_port` gRPC's (0: not asked for)."""

    def __init__(self, file: Path, host: str = "127.0.0.1", grpc: bool = True) -> None:
        _need_proto()
        self._file = file
        self._writing = threading.Lock()
        self.spans = 0
        self._http = _Server((host, 0), self)
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="otlp", daemon=True)
        self._thread.start()
        self._grpc: Any = None
        self.grpc_port = 0
        if grpc:
            self._grpc, self.grpc_port = _serve_grpc(host, self)

    def take(self, body: bytes, json_encoded: bool = False) -> None:
        """One export request; raises BadExportError."""
        self.store(parse(body, json_encoded))

    def store(self, message: Any) -> None:
        """Append the spans of an ExportTraceServiceRequest to the file."""
        rows = list(rows_of(message, time.monotonic_ns()))
        text = "".join(json.dumps(row) + "\n" for row in rows)
        with self._writing, self._file.open("a") as file:
            file.write(text)
            self.spans += len(rows)

    def stop(self) -> None:
        """Take no more."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        if self._grpc is not None:
            self._grpc.stop(None).wait(5)


def _need_proto() -> None:
    try:
        import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401
    except ImportError:
        what = "the OTLP receiver needs opentelemetry-proto, which isn't there"
        raise PartMissing(what, "pip install 'kato-harness[tracing]'") from None


def _serve_grpc(host: str, receiver: Receiver) -> tuple[Any, int]:
    import grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import add_TraceServiceServicer_to_server

    class Service:
        """The one method of OTLP's trace service."""

        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
            receiver.store(request)
            return messages.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(Service(), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port(f"{host}:0")
    server.start()
    return server, port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is none of our errors."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > MOST_BYTES:
            self.close_connection = True
            self._answer(413, "too large")
            return
        kind = self.headers.get_content_type()
        body = self.rfile.read(length)
        if self.path not in (TRACES, *ACCEPTED):
            self._answer(404, f"OTLP's paths are {', '.join((TRACES, *ACCEPTED))}")
        elif kind not in (JSON_TYPE, PROTOBUF_TYPE):
            self._answer(415, f"send {PROTOBUF_TYPE} or {JSON_TYPE}")
        else:
            self._take(body, kind)

    def do_GET(self) -> None:
        """A small answer for whoever asks whether the receiver is there."""
        self._answer(200, "")

    def _take(self, body: bytes, kind: str) -> None:
        try:
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == TRACES:
                self.server.receiver.take(body, kind == JSON_TYPE)
        except (BadExportError, OSError, EOFError, zlib.error) as error:
            self._answer(400, str(error))
            return
        # an empty ExportTraceServiceResponse: no bytes in protobuf, an empty object in JSON
        self._answer(200, "", b"{}" if kind == JSON_TYPE else b"", kind)

    def _answer(self, status: int, words: str, body: bytes | None = None, kind: str = "text/plain") -> None:
        content = words.encode() if body is None else body
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the run folder has what matters."""
