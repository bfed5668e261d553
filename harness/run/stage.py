"""Sets the stage of one run: witness, Toxiproxy with our listener, generator; each taken down whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.inject.http import WitnessControl, WitnessPlane
from harness.inject.lease import Leases
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.toxiproxy import Api
from harness.run.parts import Part, start_part
from harness.stack import toxiproxy
from harness.stack.ports import free_port

LISTENER = "kato"


@dataclass(frozen=True, slots=True)
class Stage:
    """The parts of a run, up. `base_url` is where the integration is told that KATO is."""

    base_url: str
    listener: tuple[str, int]
    witness: Part
    generators: tuple[Part, ...]
    ready: tuple[Mapping[str, Any], ...]
    plane: ToxiproxyPlane
    witness_plane: WitnessPlane
    leases: Leases


def set_stage(
    folder: Path, undo: ExitStack, *, profile: str, target: str, seed: int, orders: list[dict[str, Any]]
) -> Stage:
    """Start everything; `undo` takes it down in reverse. Raises PartMissing or what the integration's import says."""
    spool, logs = folder / "spool", folder / "logs"
    arguments = ["--spool", str(spool / "witness.raw"), "--profile", profile, "--seed", str(seed)]
    if target:
        arguments += ["--target", target]
    witness = start_part("the witness", "harness.twin", arguments, logs / "witness.log", flag="--control-fd")
    undo.callback(witness.stop)
    server = toxiproxy.start(logs / "toxiproxy.log")
    undo.callback(server.stop)
    leases = Leases(folder / "leases.jsonl")
    undo.callback(leases.close)
    prefix = f"kato-harness-{os.getpid()}-{time.time_ns():x}"
    plane = ToxiproxyPlane(Api(server.url), leases, prefix, server.restart if server.child else None)
    witness_port = int(witness.expect("ready")["port"])
    host = urlsplit(server.url).hostname or "127.0.0.1"
    port = free_port()
    plane.listen(LISTENER, f"{host}:{port}", f"127.0.0.1:{witness_port}")
    base_url = f"http://{host}:{port}"
    generators = tuple(_generator(order | {"base_url": base_url}, logs, undo) for order in orders)
    ready = tuple(part.expect("ready") for part in generators)
    return Stage(
        base_url,
        (host, port),
        witness,
        generators,
        ready,
        plane,
        WitnessPlane(WitnessControl(witness.channel), seed),
        leases,
    )


def _generator(order: Mapping[str, Any], logs: Path, undo: ExitStack) -> Part:
    name = str(order["process"])
    part = start_part(f"the generator {name}", "harness.load.locust", [], logs / f"{name}.log")
    undo.callback(part.stop)
    part.channel.send(order)
    return part
