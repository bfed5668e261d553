"""From Istio's YAML to the routes and clusters that Istio's control plane would give a client's sidecar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import Problem
from harness.mesh.choice import chosen_routing, chosen_rules
from harness.mesh.clusters import envoy_clusters
from harness.mesh.destination_rule import DestinationRule
from harness.mesh.inventory import SERVICE_PORT, Inventory, Replica, Service, Source, matches, read
from harness.mesh.nodes import ManifestError, Node, load_file
from harness.mesh.registry import Registry, cluster_name
from harness.mesh.routes import default_route, envoy_routes

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """The routes for requests to one host and port."""

    host: str
    port: int
    routes: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Translation:
    """What a client's sidecar is told: routes a host, clusters by name, in Envoy's v3 JSON (protobuf's own field names,
    zero values left out).

    `members` gives, for each cluster, the labels that an endpoint must carry (the subset's); `selectors` those of the
    service, which only workloads from manifests carry. `replicas` are the endpoints that are known.
    """

    virtual_hosts: tuple[VirtualHost, ...]
    clusters: Mapping[str, Json]
    members: Mapping[str, Mapping[str, str]]
    replicas: tuple[Replica, ...] = ()
    selectors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def routes(self) -> tuple[Json, ...]:
        """All routes, host by host."""
        return tuple(route for host in self.virtual_hosts for route in host.routes)

    def size(self, cluster: str) -> int:
        """How many of the known replicas are endpoints of a cluster."""
        labels = {**self.members.get(cluster, {}), **self.selectors.get(cluster, {})}
        namespaces = ("", *cluster.split("|")[3].split(".")[1:2])
        return sum(
            replica.namespace in namespaces and labels.items() <= replica.labels.items() for replica in self.replicas
        )

    def as_json(self) -> Json:
        """`routes` and `clusters`; with more than one host also `virtual_hosts`, which says whose routes are whose."""
        out: Json = {"routes": list(self.routes), "clusters": dict(self.clusters)}
        if len(self.virtual_hosts) > 1:
            out["virtual_hosts"] = {f"{host.host}:{host.port}": list(host.routes) for host in self.virtual_hosts}
        return out


def translate(
    documents: Sequence[Node],
    replicas: Sequence[Mapping[str, str]] | None = None,
    *,
    source: Source | None = None,
    port: int = SERVICE_PORT,
) -> Translation:
    """What Istio makes of the documents for the sidecar of a client in `source`.

    `replicas`: the labels of each endpoint; by default the documents' workloads give them. `port` is the service port
    where no document names one. Raises ManifestError naming everything that isn't understood.
    """
    client = source or Source()
    inventory = read(documents, client, port)
    registry = Registry(inventory.services, chosen_rules(inventory.services, inventory.rules, client))
    hosts = tuple(_virtual_hosts(inventory, registry, client))
    clusters: dict[str, Json] = {}
    members: dict[str, Mapping[str, str]] = {}
    selectors: dict[str, Mapping[str, str]] = {}
    for service in _balanced(_used(inventory, registry)):
        rule = registry.rule(service.host)
        clusters |= envoy_clusters(service, rule)
        members |= _members(service, rule)
        if replicas is None:
            selectors |= dict.fromkeys(_members(service, rule), service.selector)
    given = inventory.replicas if replicas is None else tuple(Replica(labels) for labels in replicas)
    return Translation(hosts, clusters, members, given, selectors)


def translate_command(files: Sequence[str | Path], port: int = SERVICE_PORT) -> str:
    """The translation of YAML files as JSON text. Raises ManifestError."""
    return json.dumps(translate(documents_of(files), port=port).as_json(), indent=1, sort_keys=True) + "\n"


def documents_of(files: Sequence[str | Path]) -> list[Node]:
    """All documents of files and of folders' YAML files; every unreadable one is named. Raises ManifestError."""
    documents: list[Node] = []
    problems: list[Problem] = []
    for file in (file for name in files for file in _files(Path(name))):
        try:
            documents += load_file(file)
        except ManifestError as error:
            problems += error.problems
    if problems:
        raise ManifestError(problems)
    return documents


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.suffix in (".yaml", ".yml", ".json")]


def _virtual_hosts(inventory: Inventory, registry: Registry, client: Source) -> Iterable[VirtualHost]:
    owners = {host: chosen_routing(host, inventory.routings) for host in inventory.services}
    for routing in inventory.routings:
        hosts = [inventory.services[host] for host, owner in owners.items() if owner is routing]
        if not any(matches(pattern, host) for pattern in routing.spec.hosts for host in owners):
            what = f"VirtualService `{routing.name}` is for {', '.join(routing.spec.hosts)}: no known service"
            raise ManifestError([routing.node.problem(what, "give the Service documents too; use full host names")])
        for service in hosts:
            for port in service.ports:
                if port.carries_http:
                    routes = envoy_routes(routing.spec.http, port.number, client, registry)
                    routes = routes or [default_route(service.host, port.number, registry)]
                    yield VirtualHost(service.host, port.number, tuple(routes))
    for service in _used(inventory, registry):
        if owners[service.host] is None:
            for port in service.ports:
                if port.carries_http:
                    yield VirtualHost(service.host, port.number, (default_route(service.host, port.number, registry),))


def _used(inventory: Inventory, registry: Registry) -> list[Service]:
    """The services that the policies speak of; all when there are no policies."""
    if not inventory.hosts:
        return [service for service in inventory.services.values() if not service.headless]
    return [
        service
        for service in inventory.services.values()
        if registry.rule(service.host) is not None or any(matches(host, service.host) for host in inventory.hosts)
    ]


def _balanced(services: Sequence[Service]) -> Sequence[Service]:
    """The services, refused where Istio would pass requests to the pod that the client chose itself."""
    headless = [service.headless for service in services if service.headless is not None]
    if headless:
        cure = "give the Service a cluster IP, or take the mesh policy for it out"
        raise ManifestError(
            [node.problem("a headless Service is not load-balanced by the mesh", cure) for node in headless]
        )
    return services


def _members(service: Service, rule: DestinationRule | None) -> dict[str, Mapping[str, str]]:
    out: dict[str, Mapping[str, str]] = {}
    for port in service.ports:
        out[cluster_name(service.host, port.number)] = {}
        for subset in rule.subsets if rule is not None else ():
            out[cluster_name(service.host, port.number, subset.name)] = subset.labels or {}
    return out
