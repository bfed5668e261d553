"""A real Consul agent in development mode, where `consul` is on PATH: everything on loopback, nothing kept."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PartMissing
from harness.stack import process
from harness.stack.ports import free_port

PROGRAM = "consul"
READY_WITHIN_S = 20.0
ANSWER_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Agent:
    """A running agent: its version, where its HTTP API is, and our child that runs it."""

    version: str
    port: int
    child: process.Child

    @property
    def url(self) -> str:
        """The HTTP API."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it."""
        process.stop(self.child)


def find() -> Path | None:
    """The program, where there is one."""
    found = shutil.which(PROGRAM)
    return Path(found) if found else None


def version_of(program: Path) -> str:
    """What `consul version` says, like 1.20.1; 'unknown' where it says nothing of the kind."""
    try:
        said = subprocess.run([program, "version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(r"v(\d+\.\d+\.\d+)", said)
    return found[1] if found else "unknown"


def start(program: Path, log: Path) -> Agent:
    """An agent with a leader on free ports (0.2 s). Raises PartMissing with its last words where it doesn't come up."""
    port = free_port()
    ports = {"-http-port": port, "-serf-lan-port": free_port(), "-server-port": free_port()}
    off = ("-dns-port", "-grpc-port", "-grpc-tls-port", "-https-port", "-serf-wan-port")
    command = [str(program), "agent", "-dev", "-bind=127.0.0.1", "-client=127.0.0.1", "-log-level=warn"]
    command += [f"{name}={number}" for name, number in ports.items()] + [f"{name}=-1" for name in off]
    child = process.start("Consul", command, log)
    agent = Agent(version_of(program), port, child)
    try:
        process.wait_until(child, lambda: _has_leader(agent.url), READY_WITHIN_S)
    except PartMissing:
        agent.stop()
        raise
    return agent


def _has_leader(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{url}/v1/status/leader", timeout=ANSWER_WITHIN_S) as reply:
            return len(reply.read(200).strip()) > 2
    except (OSError, http.client.HTTPException):
        return False
