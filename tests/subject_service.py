"""A service under test for the tests: POST /remember on its port observes at KATO, with the caller's headers passed on.

python subject_service.py PORT; GET /health says that it is up. After POST /die it ends with exit code 3.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KATO = os.environ["KATO_URL"]
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer(200, {"up": True})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/die":
            self._answer(200, {})
            threading.Timer(0.05, os._exit, (3,)).start()
            return
        try:
            session = body.get("session") or self._kato("/sessions", {"node_id": body["user"]})["session_id"]
            if "strings" in body:
                self._kato(f"/sessions/{session}/observe", {"strings": body["strings"], "vectors": [], "emotives": {}})
            self._answer(200, {"session": session})
        except OSError:
            self._answer(502, {"error": "KATO"})

    def _kato(self, path: str, payload: dict[str, object]) -> dict[str, str]:
        headers = {"content-type": "application/json", "x-kato-attempt": self.headers.get("x-kato-attempt", "")}
        request = urllib.request.Request(KATO + path, json.dumps(payload).encode(), headers)
        with DIRECT.open(request, timeout=2) as reply:
            answer: dict[str, str] = json.load(reply)
            return answer

    def _answer(self, status: int, payload: dict[str, object]) -> None:
        body = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
