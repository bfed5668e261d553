"""A small HTTP server on loopback that answers canaries and counts what reached it, and a rig with a real Toxiproxy."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from harness.inject.ask import Address
from harness.inject.lease import Leases
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.toxiproxy import Api
from harness.stack import toxiproxy
from harness.stack.ports import free_port


class Handler(BaseHTTPRequestHandler):
    """Answers any GET or POST with JSON white space of the length asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # head and body in one piece, as the witness sends them

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        size = int(parse_qs(urlsplit(self.path).query).get("bytes", ["2"])[0])
        hit = self.headers.get("x-kato-canary") in self.server.broken  # type: ignore[attr-defined]
        self.send_response(503 if hit else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(size))
        self.end_headers()
        self.wfile.write(b"{" + b" " * (size - 2) + b"}")

    do_POST = do_GET  # noqa: N815 - the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Quiet about connections that the tests break on purpose; `paths` are the requests that arrived.

    Canaries that ask for an effect named in `broken` get 503.
    """

    daemon_threads = True
    paths: list[str]
    broken: set[str]

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def http_server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.paths, server.broken = [], set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Rig:
    """A client's way: `address` is our Toxiproxy listener before `server`."""

    server: Server
    api: Api
    plane: ToxiproxyPlane
    address: Address
    running: toxiproxy.Server


@contextmanager
def toxiproxy_rig(folder: Path) -> Iterator[Rig]:
    with http_server() as server:
        running = toxiproxy.start(folder / "toxiproxy.log", _without_url())
        leases = Leases(folder / "leases.jsonl")
        plane = ToxiproxyPlane(Api(running.url), leases, "test", running.restart)
        port = free_port()
        try:
            plane.listen("kato", f"127.0.0.1:{port}", f"127.0.0.1:{server.server_port}")
            yield Rig(server, plane.api, plane, ("127.0.0.1", port), running)
        finally:
            plane.close()
            leases.close()
            running.stop()


def _without_url() -> dict[str, str]:

    return {name: value for name, value in os.environ.items() if name != "TOXIPROXY_URL"}


class Pooled:
    """A keep-alive connection, as a client's pool holds it."""

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address, timeout=5)
        self.ask()

    def ask(self, size: int = 2) -> bytes:
        """One request and its whole reply; b"" at a clean end, OSError where the connection was cut before."""
        self.sock.sendall(f"GET /?bytes={size} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        data = b""
        while not data.endswith(b"}"):
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            data += piece
        return data

    def close(self) -> None:
        self.sock.close()
