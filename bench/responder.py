"""A static KATO for benchmarks: nginx on one core, which answers each of KATO's calls at once and always alike."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.stack.ports import free_port
from harness.stack.process import prefer, start, stop

CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder};
    default_type application/json;
    server {{
        listen 127.0.0.1:{port};
        location = /status {{ stub_status; }}
        location = /sessions {{ return 200 '{{"session_id":"session-1","node_id":"bench"}}'; }}
        location ~ /observe$ {{ return 200 '{{"status":"okay","session_id":"session-1","stm_length":1,"time":1}}'; }}
        location ~ /predictions$ {{ return 200 '{{"predictions":[],"future_potentials":[]}}'; }}
    }}
}}
"""


class Responder:
    """A running one: its URL, and what it has answered and cost so far."""

    def __init__(self, port: int, master: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._asked = 0
        (self._worker,) = (int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split())

    def answered(self) -> int:
        """Requests so far, those of this method left out."""
        self._asked += 1
        with urllib.request.urlopen(f"{self.url}/status", timeout=5) as reply:
            return int(reply.read().split(b"\n")[2].split()[2]) - self._asked

    def cpu_s(self) -> float:
        """Processor time so far (s): beside a full core of it, the responder is what was measured."""
        spent = Path(f"/proc/{self._worker}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


@contextmanager
def responder(core: int) -> Iterator[Responder]:
    """nginx on `core`; raises SystemExit where there is none."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("bench: nginx is the static responder; cure: apt-get install nginx-light")
    with tempfile.TemporaryDirectory() as place:
        port = free_port()
        (Path(place) / "nginx.conf").write_text(CONFIGURATION.format(folder=place, port=port))
        Path(place).chmod(0o777)  # its worker is another user
        command = ["taskset", "-c", str(core), program, "-p", place, "-c", f"{place}/nginx.conf"]
        child = start("nginx", [*command, "-e", f"{place}/error.log"], Path(place) / "log")
        prefer(child)
        try:
            yield _up(port, child.process.pid)
        finally:
            stop(child)


def _up(port: int, master: int) -> Responder:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError, ValueError):
            found = Responder(port, master)
            found.answered()
            return found
        time.sleep(0.02)
    raise SystemExit("bench: nginx didn't come up")
