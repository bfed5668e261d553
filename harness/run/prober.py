"""An orchestrator's probes beside the load: readiness and liveness, each at its period, as lines of JSON."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.run.front import Address
from harness.scenario.topology import Probes
from harness.spool import PROBES

STATUS = ("status", "state", "health", "result")
FLAGS = ("healthy", "ready", "ok", "up", "alive", "live")
SHORT = 30
"""Characters of a plain text that may be a status."""

TCP = "tcp"
"""Instead of a path: a connection is enough, as Kubernetes' tcpSocket has it."""


class Prober:
    """Asks from `start` until `close`; a probe that is still out is not waited for beyond its time-out."""

    def __init__(self, address: Address, probes: Probes, spool: Path) -> None:
        self._address = address
        self._probes = probes
        self._file = spool / PROBES
        self._writing = threading.Lock()
        self._ended = threading.Event()
        kinds = {"readiness": probes.readiness, "liveness": probes.liveness}
        self._threads = [
            threading.Thread(target=self._ask, args=(name, path), daemon=True) for name, path in kinds.items() if path
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, name: str, path: str) -> None:
        while not self._ended.wait(self._probes.period):
            start_ns = time.monotonic_ns()
            status, error, said = self._once(path)
            row = {"probe": name, "path": path, "start_ns": start_ns, "end_ns": time.monotonic_ns()}
            with self._writing, self._file.open("a") as file:
                file.write(json.dumps(row | {"status": status, "error": error, "said": said}) + "\n")

    def _once(self, path: str) -> tuple[int, str, str]:
        """Status (0: none came), what went wrong, and what the body says of health."""
        try:
            if path == TCP:
                socket.create_connection(self._address, self._probes.timeout).close()
                return 200, "", ""
            connection = http.client.HTTPConnection(*self._address, timeout=self._probes.timeout)
            try:
                connection.request("GET", path)
                reply = connection.getresponse()
                return reply.status, "", said(reply.read())
            finally:
                connection.close()
        except TimeoutError:
            return 0, "timeout", ""
        except (OSError, http.client.HTTPException) as error:
            return 0, type(error).__name__, ""


def said(body: bytes) -> str:
    """What an answer says of health: its status, `ready:false` for a flag, or a short text itself; '' for nothing."""
    told: Any = body.decode("utf-8", "replace").strip()
    with suppress(ValueError):
        told = json.loads(body)
    if isinstance(told, dict):
        words = [told[key] for key in STATUS if isinstance(told.get(key), str)]
        flags = [f"{key}:{str(told[key]).lower()}" for key in FLAGS if isinstance(told.get(key), bool)]
        return str([*words, *flags, ""][0]).lower()
    return told.lower() if isinstance(told, str) and len(told) <= SHORT else ""
