"""What a client asks for KATO's address in a run: Consul (a real agent where there is one) or a stub resolver."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from harness.discovery import Check, ConsulStandIn, Instance, StubResolver, register
from harness.errors import PartMissing
from harness.faults import Ask, Probe
from harness.inject.ask import look
from harness.inject.canary import PLAIN
from harness.inject.registry import RegistryPlane, dns_look
from harness.inject.tcp import ToxiproxyPlane
from harness.run.front import Address, Front, Look, at
from harness.run.topology import Layout
from harness.scenario.faultkeys import PARTS
from harness.stack import consul
from harness.stack.ports import free_port

SERVICE = "kato"
NAME = "kato.default.svc.cluster.local"
DOMAIN = "svc.cluster.local"
RESOLVER_S = 5.0
"""How long libc's resolver waits for one answer (resolv.conf(5)); scaled like everything else of the guide's times."""

HEALTH = f"/v1/health/service/{SERVICE}?passing=1"
REGISTRY = PARTS[1]
CONSUL_MODES, DNS_MODES = ("missing", "error", "slow"), ("missing", "error", "slow", "moved")


def consul_front(
    layout: Layout, addresses: Sequence[Address], folder: Path, plane: ToxiproxyPlane, undo: ExitStack
) -> Front:
    """Consul behind a proxy of ours, with every instance registered and checked through its own proxy."""
    program = consul.find()
    agent: ConsulStandIn | consul.Agent
    if program is None:
        agent, what = ConsulStandIn(addresses[0][0]), "stand-in"
    else:
        agent = consul.start(program, folder / "logs" / "consul.log")
        what = f"consul {agent.version}"
    undo.callback(agent.stop)
    for instance in _instances(layout, addresses):
        _register(agent.url, instance)
    address = (addresses[0][0], free_port())
    plane.listen(REGISTRY, at(address), f"127.0.0.1:{agent.port}", part=REGISTRY)
    told = layout.discovery
    facts = {"kind": "consul", "what": what, "address": told.address, "interval_s": told.interval}
    stand_in = agent if isinstance(agent, ConsulStandIn) else None
    return Front(
        f"http://{at(addresses[0])}",
        orders={"registry": f"http://{at(address)}"},
        facts={"registry": facts | {"timeout_s": told.timeout, "scale": layout.scale}},
        registry=RegistryPlane(stand_in, CONSUL_MODES if stand_in else ()),
        registry_at=address,
        look=_consul_look(address),
    )


def _instances(layout: Layout, addresses: Sequence[Address]) -> list[Instance]:
    told = layout.discovery
    return [
        Instance(
            f"{SERVICE}-{number}",
            SERVICE,
            "" if told.address == "node" else address[0],
            address[1],
            check=Check(f"http://{at(address)}{told.path}", told.interval, told.timeout),
        )
        for number, address in enumerate(addresses)
    ]


def _register(url: str, instance: Instance) -> None:
    try:
        register(url, instance)
    except OSError as error:
        raise PartMissing(f"Consul at {url} does not register {instance.id}: {error}", "read its log") from error


def _consul_look(address: Address) -> Look:
    def ask_consul(ask: Ask) -> Probe:
        return look(address, replace(ask, path=HEALTH, marked=False), PLAIN, time.monotonic_ns)

    return ask_consul


def dns_front(layout: Layout, addresses: Sequence[Address], undo: ExitStack) -> Front:
    """A stub resolver for KATO's name; the instances have addresses of their own on one port."""
    told, hosts = layout.discovery, [host for host, _ in addresses]
    ttl = max(1, math.ceil(told.ttl))
    resolver = StubResolver(NAME, hosts, ttl)
    undo.callback(resolver.stop)
    at_first = resolver.addresses()
    leaves = [0] if resolver.moves else []
    facts = {"kind": "dns", "what": "stub resolver", "ttl_s": ttl, "scale": layout.scale, "leaves": leaves}
    server = {"server": list(resolver.address), "domain": DOMAIN, "timeout_s": RESOLVER_S * layout.scale}

    def ask_dns(ask: Ask) -> Probe:
        return dns_look(resolver.address, NAME, at_first, time.monotonic_ns, ask.wait_s)

    return Front(
        f"http://{NAME}:{addresses[0][1]}",
        orders={"names": server},
        facts={"registry": facts},
        registry=RegistryPlane(resolver, DNS_MODES),
        look=ask_dns,
    )
