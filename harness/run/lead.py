"""What leads the client to the instances: nothing, a balancer, or a real Envoy with the mesh's policy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from harness.inject.tcp import ToxiproxyPlane
from harness.run.front import Address, Front, at
from harness.run.parts import start_part
from harness.run.topology import Layout
from harness.spool import HOPS
from harness.stack import envoy

if TYPE_CHECKING:
    from harness.mesh import Endpoint


def lead_to(
    layout: Layout, addresses: Sequence[Address], folder: Path, plane: ToxiproxyPlane, undo: ExitStack
) -> Front:
    """The front of a layout before the listeners at `addresses`, one an instance; `undo` takes it down."""
    if layout.discovery.kind != "none":
        # A run without a registry shall not wait for it.
        from harness.run.registry import consul_front, dns_front

        if layout.discovery.kind == "dns":
            return dns_front(layout, addresses, undo)
        return consul_front(layout, addresses, folder, plane, undo)
    if layout.translation is not None:
        return _sidecar(layout, addresses, folder, undo)
    if layout.replicas > 1:
        return _balancer(layout, addresses, folder, undo)
    return Front(f"http://{at(addresses[0])}")


def _balancer(layout: Layout, addresses: Sequence[Address], folder: Path, undo: ExitStack) -> Front:
    arguments = ["--policy", layout.balance, *(word for each in addresses for word in ("--to", at(each)))]
    log = folder / "logs" / "balancer.log"
    part = start_part("the balancer", "harness.twin.balancer", arguments, log, flag="--control-fd")
    undo.callback(part.stop)
    return Front(f"http://127.0.0.1:{part.expect('ready')['port']}", facts={"balance": layout.balance})


def _sidecar(layout: Layout, addresses: Sequence[Address], folder: Path, undo: ExitStack) -> Front:
    from harness.mesh import envoy_config

    assert layout.translation is not None
    program = envoy.find()
    port, admin_port = envoy.ports()
    logs = {f"{kind}_log": str(folder / "spool" / file) for kind, file in HOPS.items()}
    config = envoy_config(layout.translation, endpoints_of(layout, addresses), port, admin_port, **logs)
    running = envoy.start(program, config, port, admin_port, folder / "logs")
    undo.callback(running.stop)
    known = {
        "endpoints": {at(address): instance for instance, address in enumerate(addresses)},
        "envoy": {"version": envoy.version()},
    }
    return Front(f"http://127.0.0.1:{port}", facts=known, closing=lambda: {"envoy_stats": running.stats()})


def endpoints_of(layout: Layout, addresses: Sequence[Address]) -> tuple[Endpoint, ...]:
    """The mesh's endpoints: the listeners with the labels of their instances."""
    from harness.mesh import Endpoint

    return tuple(Endpoint(host, port, labels) for (host, port), labels in zip(addresses, layout.labels, strict=True))
