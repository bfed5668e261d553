"""A stand-in of the Consul agent's HTTP endpoints that discovery uses: register, deregister, health, blocking queries.

As documented for Consul 1.20 (HTTP API: agent/service, health, "Blocking Queries"); checks over HTTP are really made.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from harness.discovery.catalog import Catalog, Instance, registered, registration
from harness.units import TextError, duration_s

MOST_WAIT_S = 600.0
DEFAULT_WAIT_S = 300.0
"""Blocking queries wait 5 minutes unless they say otherwise, and 10 at most."""

CHECK_TICK_S = 0.02
PASSES = range(200, 300)


class ConsulStandIn:
    """The agent on a free loopback port until `stop`."""

    def __init__(self, node_address: str = "127.0.0.1", port: int = 0) -> None:
        self.catalog = Catalog(node_address)
        self.mode, self.slow_s = "", 0.0
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        self.port: int = self._server.server_address[1]
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="consul", daemon=True),
            threading.Thread(target=self._check, name="consul-checks", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def misbehave(self, mode: str, slow_s: float = 0.0) -> None:
        """Answer health queries with nobody (`missing`), 500 (`error`) or late (`slow`); '' ends that."""
        self.mode, self.slow_s = mode, slow_s

    def stop(self) -> None:
        """Refuse connections from now on."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._threads[1].join()

    def _check(self) -> None:
        """Ask every instance when its time has come, each in a thread, as the agent does."""
        due: dict[str, float] = {}
        while not self._stopped.wait(CHECK_TICK_S):
            now = time.monotonic()
            for instance in self.catalog.instances():
                if instance.check is not None and due.setdefault(instance.id, now + instance.check.interval_s) <= now:
                    due[instance.id] = now + instance.check.interval_s
                    threading.Thread(target=self._check_one, args=(instance,), daemon=True).start()

    def _check_one(self, instance: Instance) -> None:
        assert instance.check is not None
        self.catalog.checked(instance.id, passes(instance.check.url, instance.check.timeout_s))


def passes(url: str, timeout_s: float) -> bool:
    """Does a GET answer with 2xx in time? Consul looks at nothing else of the answer."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=timeout_s) as reply:
            return reply.status in PASSES
    except (OSError, urllib.error.URLError, http.client.HTTPException):
        return False


def register(url: str, instance: Instance) -> None:
    """Register an instance with the agent at `url`, real or not; raises OSError where that fails."""
    body = json.dumps(registration(instance)).encode()
    request = urllib.request.Request(f"{url}/v1/agent/service/register", body, method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5.0) as reply:
        reply.read()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    disable_nagle_algorithm = True

    def __init__(self, address: tuple[str, int], agent: ConsulStandIn) -> None:
        super().__init__(address, _Handler)
        self.agent = agent

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is none of our errors."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # One write a reply: Toxiproxy is slow to let go of replies that came in several pieces (inject/toxiproxy.py).
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        parts, agent = urlsplit(self.path), self.server.agent
        query = parse_qs(parts.query, keep_blank_values=True)
        path = parts.path.strip("/").split("/")
        if path[:3] in (["v1", "health", "service"], ["v1", "catalog", "service"]) and len(path) == 4:
            self._instances(path[3], query, checked=path[1] == "health")
        elif path == ["v1", "agent", "services"]:
            known = {instance.id: registration(instance) for instance in agent.catalog.instances()}
            self._answer(200, known)
        elif path == ["v1", "status", "leader"]:
            self._answer(200, "127.0.0.1:8300")
        else:
            self._answer(404, "no such endpoint")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, catalog = urlsplit(self.path).path.strip("/").split("/"), self.server.agent.catalog
        if path == ["v1", "agent", "service", "register"]:
            try:
                catalog.register(*registered(json.loads(body), duration_s))
            except (ValueError, TypeError, AttributeError, KeyError, TextError) as error:
                self._answer(400, f"Invalid registration: {error}")
                return
            self._answer(200, None)
        elif path[:4] == ["v1", "agent", "service", "deregister"] and len(path) == 5:
            found = catalog.deregister(path[4])
            self._answer(200 if found else 404, None if found else f'Unknown service ID "{path[4]}"')
        else:
            self._answer(404, "no such endpoint")

    def _instances(self, name: str, told: Mapping[str, list[str]], checked: bool) -> None:
        agent, query, tags = self.server.agent, {key: values[0] for key, values in told.items()}, told.get("tag", ())
        if agent.mode == "slow":
            time.sleep(agent.slow_s)
        if agent.mode == "error":
            self._answer(500, "No cluster leader")
            return
        index = agent.catalog.index
        if query.get("index", "").isdecimal() and int(query["index"]) > 0:
            index = agent.catalog.wait(int(query["index"]), _wait_s(query.get("wait", "")))
        passing = query.get("passing", "false") in ("", "1", "true")
        catalog, wanted = agent.catalog, frozenset(tags)
        known = catalog.health(name, passing, wanted) if checked else catalog.services(name, wanted)
        self._answer(200, [] if agent.mode == "missing" else known, index)

    def _answer(self, status: int, value: Any, index: int = 0) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if index:
            self.send_header("x-consul-index", str(index))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the run folder has what matters."""


def _wait_s(text: str) -> float:
    try:
        asked = duration_s(text) if text else DEFAULT_WAIT_S
    except TextError:
        asked = DEFAULT_WAIT_S
    return min(asked or DEFAULT_WAIT_S, MOST_WAIT_S)
