"""Sets the stage of one run around the children that have begun: Toxiproxy with our listeners, what leads to them, the
generators' orders; each part taken down whatever happens."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.inject.http import WitnessControl, WitnessPlane
from harness.inject.lease import Leases
from harness.inject.stores import StorePlane
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.toxiproxy import Api
from harness.model import Fault
from harness.run.begin import Begun
from harness.run.broker import Messaging, bring_up
from harness.run.collector import COLLECTOR, Collector, start_collector
from harness.run.folder import machine
from harness.run.front import Address, Front, at
from harness.run.lead import lead_to
from harness.run.parts import Part
from harness.run.prepare import Prepared
from harness.run.subject import Service, up
from harness.run.topology import Layout
from harness.stack import toxiproxy
from harness.stack.ports import free_port, own_addresses

LISTENER = "kato"


@dataclass(frozen=True, slots=True)
class Stage:
    """The parts of a run, up. `listeners` are our proxies' addresses, one an instance of KATO; `front` leads there."""

    front: Front
    listeners: tuple[Address, ...]
    witness: Part
    generators: tuple[Part, ...]
    ready: tuple[Mapping[str, Any], ...]
    plane: ToxiproxyPlane
    witness_plane: WitnessPlane
    leases: Leases
    service: Service | None = None
    stores: StorePlane | None = None
    """What carries store faults on a KATO that we didn't start."""
    messaging: Messaging | None = None
    collector: Collector | None = None

    @property
    def service_url(self) -> str:
        """Where the service under test speaks HTTP; empty where it doesn't, or there is none."""
        return self.service.base_url if self.service is not None else ""

    @property
    def probed(self) -> Address:
        """What an orchestrator looks at: the service under test where it speaks HTTP, else KATO."""
        if not self.service_url:
            return self.listeners[0]
        url = urlsplit(self.service_url)
        return url.hostname or "127.0.0.1", url.port or 80

    def aim(self, fault: Fault) -> Address:
        """The listener through which a fault shows its effect: that of what it names, else the first."""
        if fault.only.get("part") == "broker" and self.messaging is not None:
            return self.messaging.address
        if fault.only.get("part") == "registry" and self.front.registry_at is not None:
            return self.front.registry_at
        if fault.only.get("part") == COLLECTOR and self.collector is not None:
            return self.collector.address
        return self.listeners[fault.only.get("instance", 0)]


def set_stage(prepared: Prepared, begun: Begun, folder: Path, undo: ExitStack) -> Stage:
    """Start everything else, and tell the generators; `undo` takes it down in reverse.

    Raises PartMissing or what the integration's import says.
    """
    spool, logs = folder / "spool", folder / "logs"
    scenario, layout, witness, bind = prepared.scenario, prepared.layout, begun.witness, begun.bind
    server = toxiproxy.start(logs / "toxiproxy.log")
    undo.callback(server.stop)
    leases = Leases(folder / "leases.jsonl")
    undo.callback(leases.close)
    prefix = f"kato-harness-{os.getpid()}-{time.time_ns():x}"
    control = WitnessPlane(WitnessControl(witness.channel), scenario.seed)
    api, restart = Api(server.url), server.restart if server.child else None
    plane = ToxiproxyPlane(api, leases, prefix, restart, control.keep_idle)
    stores = _before_stores(layout, plane) if layout.stores else None
    host = urlsplit(server.url).hostname or "127.0.0.1"
    host = bind.host if bind and host == "127.0.0.1" else host
    listeners = _listen(plane, host, witness.expect("ready")["ports"], layout)
    front = lead_to(layout, listeners, folder, plane, undo)
    messaging = bring_up(scenario.topology.broker, folder, plane, undo)
    has_consumer = messaging.has_consumer if messaging else None
    collector = start_collector(spool, host, plane, undo) if layout.collector != "none" else None
    besides = {**front.orders, **(collector.orders if collector else {})}
    environment = _environment(front.base_url, besides, messaging, folder)
    subject = scenario.subject
    service = up(subject, environment, folder, prepared.beside, undo, has_consumer) if subject.asked else None
    told = {"base_url": (service and service.base_url) or front.base_url, **besides}
    told |= messaging.order() if messaging else {}
    for part, order in zip(begun.generators, begun.orders, strict=True):
        _tell(part, {**order, **told}, undo)
    machine()  # now, while the clients are made, not before the manifest is written
    ready = tuple(part.expect("ready") for part in begun.generators)
    return Stage(
        front,
        listeners,
        witness,
        begun.generators,
        ready,
        plane,
        control,
        leases,
        service,
        stores,
        messaging,
        collector,
    )


def _before_stores(layout: Layout, plane: ToxiproxyPlane) -> StorePlane:
    """The proxies before a real KATO's stores: its own, or ours for this run."""
    before = StorePlane(plane.api, plane.leases, plane.prefix)
    for store, place in layout.stores.items():
        if place.upstream:
            before.listen(store, place.listen, place.upstream)
        else:
            before.adopt(store, place.proxy)
    return before


_TOLD = {"registry": "REGISTRY_URL", "collector": "OTEL_EXPORTER_OTLP_ENDPOINT"}


def _environment(base_url: str, orders: Mapping[str, Any], messaging: Messaging | None, folder: Path) -> dict[str, str]:
    """What a subject is told: where KATO and what else there is are (our proxies), and a folder that it may use."""
    data = folder / "subject"
    data.mkdir(exist_ok=True)
    others = {name: str(orders[key]) for key, name in _TOLD.items() if key in orders}
    broker = {"AMQP_URL": messaging.url} if messaging else {}
    return {"KATO_URL": base_url, "DATA_FOLDER": str(data), **others, **broker}


def _listen(plane: ToxiproxyPlane, host: str, ports: Sequence[int], layout: Layout) -> tuple[Address, ...]:
    """A proxy of ours before each instance."""
    named = own_addresses(len(ports), host) if layout.discovery.kind == "dns" else ()
    addresses = []
    for instance, upstream in enumerate(ports):
        address = named[instance] if named else (host, free_port())
        name = LISTENER if len(ports) == 1 else f"{LISTENER}-{instance}"
        plane.listen(name, at(address), f"127.0.0.1:{upstream}", instance=instance)
        addresses.append(address)
    return tuple(addresses)


def _tell(part: Part, order: Mapping[str, Any], undo: ExitStack) -> None:
    """It has its order; from here on it ends before what it calls does."""
    undo.callback(part.stop)
    part.channel.send(order)
