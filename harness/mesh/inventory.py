"""What a set of documents declares: services, workloads, VirtualServices and DestinationRules, names resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from harness.mesh.decode import Decoder
from harness.mesh.delegation import delegated
from harness.mesh.destination_rule import DestinationRule, WorkloadSelector
from harness.mesh.nodes import ManifestError, Node
from harness.mesh.ports import Port, protocol_of
from harness.mesh.virtual_service import Destination, HTTPRoute, VirtualService

T = TypeVar("T")
DOMAIN = "svc.cluster.local"
SERVICE_PORT = 19500
"""The service port where no document names one: the harness's own mesh listener."""

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
_HARMLESS = ("PeerAuthentication", "Gateway", "Telemetry", "AuthorizationPolicy", "RequestAuthentication")
"""What isn't for a client's sidecar: the server's side, gateways, observation."""
_ROUTING_GROUPS = ("gateway.networking.k8s.io", "linkerd.io", "policy.linkerd.io", "split.smi-spec.io")
_CLAIMS = "@request.auth.claims"
"""What looks like a header, and means a claim of the caller's token."""


@dataclass(frozen=True, slots=True)
class Source:
    """The client whose sidecar is configured: its namespace and pod labels."""

    namespace: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the registry. `selector` picks its pods; `headless`: the document of one that Istio doesn't
    load-balance."""

    host: str
    ports: tuple[Port, ...]
    selector: Mapping[str, str] = field(default_factory=dict)
    headless: Node | None = None


@dataclass(frozen=True, slots=True)
class Replica:
    """One endpoint as far as labels tell it from others."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Routing:
    """A VirtualService with the place of its document."""

    name: str
    namespace: str
    spec: VirtualService
    node: Node


@dataclass(frozen=True, slots=True)
class Rule:
    """A DestinationRule with the place of its document."""

    name: str
    namespace: str
    spec: DestinationRule
    node: Node


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that decides how a client's requests are sent. `hosts`: all that policies name, also for others."""

    routings: tuple[Routing, ...]
    rules: tuple[Rule, ...]
    services: Mapping[str, Service]
    replicas: tuple[Replica, ...]
    hosts: frozenset[str]


def read(documents: Sequence[Node], source: Source, port: int = SERVICE_PORT) -> Inventory:
    """The inventory that a client in `source` sees. Raises ManifestError with everything that isn't understood."""
    reader = _Reader(source)
    for document in flat(documents):
        reader.take(document)
    reader.delegate()
    reader.refuse_twice()
    if reader.decoder.problems:
        raise ManifestError(reader.decoder.problems)
    services = reader.services or _assumed(reader.hosts, port)
    routings, rules = tuple(reader.routings), tuple(reader.rules)
    return Inventory(routings, rules, services, tuple(reader.replicas), frozenset(reader.hosts))


def kind_of(document: Node) -> tuple[str, str]:
    """API group and kind of a Kubernetes document (`networking.istio.io`, `VirtualService`); "" where absent."""
    version, kind = document.get("apiVersion"), document.get("kind")
    group = version.partition("/")[0] if isinstance(version, str) and "/" in version else ""
    return group, kind if isinstance(kind, str) else ""


def labels_of(document: Node, *path: str) -> dict[str, str]:
    """The labels under `path` as words."""
    found = document.at(*path)
    return {key: str(child.value) for key, child in found.items()} if found else {}


def namespace_of(document: Node, default: str = "default") -> str:
    """The document's namespace."""
    return str(document.get("metadata", "namespace") or default)


def pod_labels(document: Node) -> dict[str, str]:
    """The labels that a workload's pods carry."""
    return labels_of(document, *pod_path(document), "metadata", "labels")


def pod_path(workload: Node) -> tuple[str, ...]:
    """Where a workload's pod template stands in its document; a Pod is its own."""
    kind = kind_of(workload)[1]
    job = ("spec", "jobTemplate") if kind == "CronJob" else ()
    return () if kind == "Pod" else (*job, "spec", "template")


def resolve(host: str, namespace: str) -> str:
    """A short name as FQDN; Istio leaves a name with a dot as it is (`kato.prod` then matches nothing)."""
    return host if "." in host or host.startswith("*") else f"{host}.{namespace}.{DOMAIN}"


def matches(pattern: str, host: str) -> bool:
    """True when `host` is `pattern` or falls under its leading wildcard."""
    return host.endswith(pattern[1:]) if pattern.startswith("*") else pattern == host


def flat(documents: Iterable[Node]) -> Iterable[Node]:
    """The documents with those inside a `kind: List` or a plain list laid out."""
    for document in documents:
        if kind_of(document)[1] == "List":
            yield from document.each("items")
        elif isinstance(document.value, tuple):
            yield from document.each()
        else:
            yield document


class _Reader:
    """Sorts documents by kind; what it can't use is a problem of `decoder`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.decoder = Decoder()
        self.routings: list[Routing] = []
        self.delegates: dict[tuple[str, str], VirtualService] = {}
        self.rules: list[Rule] = []
        self.services: dict[str, Service] = {}
        self.replicas: list[Replica] = []
        self.hosts: dict[str, set[int]] = {}

    def take(self, document: Node) -> None:
        group, kind = kind_of(document)
        if not kind:
            self._refuse(document, "a document without `kind`", "give `apiVersion` and `kind`")
        elif group == "networking.istio.io" and kind == "VirtualService":
            self._virtual_service(document)
        elif group == "networking.istio.io" and kind == "DestinationRule":
            self._destination_rule(document)
        elif (group.endswith("istio.io") and kind not in _HARMLESS) or group in _ROUTING_GROUPS:
            cure = "translate VirtualService and DestinationRule without it, or test it in a cluster"
            self._refuse(document["kind"] or document, f"kind `{kind}` of {group} is not translated", cure)
        elif kind == "Service" and not group:
            self._service(document)
        elif kind in WORKLOADS:
            self._workload(document)

    def _virtual_service(self, document: Node) -> None:
        spec = self._spec(document, VirtualService)
        self._claims(document)
        namespace = namespace_of(document)
        if spec is None:
            return
        hosts = tuple(resolve(host.lower(), namespace) for host in spec.hosts)
        http = tuple(_resolved(route, namespace) for route in spec.http)
        spec = replace(spec, hosts=hosts, http=http)
        name = str(document.get("metadata", "name") or "")
        for host in hosts:
            self.hosts.setdefault(host, set())
        for to in destinations(http):
            self.hosts.setdefault(to.host, set()).update({to.port.number} if to.port and to.port.number else ())
        if not hosts:
            self.delegates[namespace, name] = spec
        elif spec.gateways and "mesh" not in spec.gateways:
            return
        elif _visible(spec.export_to, namespace, self.source.namespace):
            self.routings.append(Routing(name, namespace, spec, document))

    def _destination_rule(self, document: Node) -> None:
        spec = self._spec(document, DestinationRule)
        namespace = namespace_of(document)
        if spec is None:
            return
        spec = replace(spec, host=resolve(spec.host, namespace))
        self.hosts.setdefault(spec.host, set())
        selector = spec.workload_selector
        if selector is not None and not self._selects(selector, namespace):
            return
        if _visible(spec.export_to, namespace, self.source.namespace):
            self.rules.append(Rule(str(document.get("metadata", "name") or ""), namespace, spec, document))

    def _selects(self, selector: WorkloadSelector, namespace: str) -> bool:
        """A rule that selects its clients is never exported."""
        labels = (selector.match_labels or {}).items()
        return namespace == self.source.namespace and labels <= self.source.labels.items()

    def _claims(self, document: Node) -> None:
        for match in (match for route in document.each("spec", "http") for match in route.each("match")):
            for part in ("headers", "withoutHeaders"):
                named = match[part]
                for name, node in named.items() if named is not None else ():
                    if name.lower().startswith(_CLAIMS):
                        what = f"`{name}` is not translated: the harness's path has no filter that reads a JWT"
                        self._refuse(node, what, "leave it out, or test it in a cluster")

    def _spec(self, document: Node, kind: type[T]) -> T | None:
        spec = document["spec"]
        if spec is None:
            self._refuse(document, "a document without `spec`", "give `spec`")
            return None
        return self.decoder.record(spec, kind)

    def _service(self, document: Node) -> None:
        host = f"{document.get('metadata', 'name')}.{namespace_of(document)}.{DOMAIN}"
        ports = tuple(
            Port(int(port.get("port") or 0), protocol_of(port))
            for port in document.each("spec", "ports")
            if isinstance(port.get("port"), int)
        )
        headless = document.get("spec", "clusterIP") == "None"
        selector = labels_of(document, "spec", "selector")
        self.services[host] = Service(host, ports, selector, document if headless else None)

    def _workload(self, document: Node) -> None:
        count = document.get("spec", "replicas")
        replica = Replica(pod_labels(document), namespace_of(document))
        self.replicas += [replica] * (count if isinstance(count, int) else 1)

    def delegate(self) -> None:
        """Puts the routes of delegates where they are delegated to."""
        for at, routing in enumerate(self.routings):
            http = tuple(route for own in enumerate(routing.spec.http) for route in self._laid_out(routing, *own))
            self.routings[at] = replace(routing, spec=replace(routing.spec, http=http))

    def _laid_out(self, routing: Routing, at: int, route: HTTPRoute) -> tuple[HTTPRoute, ...]:
        if route.delegate is None:
            return (route,)
        key = (route.delegate.namespace or routing.namespace, route.delegate.name)
        found = self.delegates.get(key)
        if found is not None and _visible(found.export_to, key[0], routing.namespace):
            return delegated(route, found.http)
        what = f"delegate `{'/'.join(key)}` is no VirtualService without hosts among these files"
        node = routing.node.nearest(("spec", "http", at, "delegate"))
        self._refuse(node, f"{what}, or isn't exported to {routing.namespace}", "give its file too")
        return ()

    def refuse_twice(self) -> None:
        """Two VirtualServices for one host: the older one wins in a cluster, and files don't know their age."""
        owners: dict[str, Routing] = {}
        for routing in self.routings:
            for host in routing.spec.hosts:
                if host in owners:
                    what = f"VirtualServices `{owners[host].name}` and `{routing.name}` both claim {host}"
                    self._refuse(routing.node, f"{what}: in a mesh only the older counts", "merge them into one")
                owners[host] = routing

    def _refuse(self, node: Node, what: str, cure: str) -> None:
        self.decoder.problems.append(node.problem(what, cure))


def _visible(export_to: tuple[str, ...], namespace: str, client: str) -> bool:
    return not export_to or "*" in export_to or client in export_to or ("." in export_to and client == namespace)


def _resolved(route: HTTPRoute, namespace: str) -> HTTPRoute:
    def full(destination: Destination) -> Destination:
        return replace(destination, host=resolve(destination.host, namespace))

    return replace(
        route,
        route=tuple(replace(to, destination=full(to.destination)) for to in route.route),
        mirror=full(route.mirror) if route.mirror else None,
        mirrors=tuple(
            replace(to, destination=full(to.destination) if to.destination else None) for to in route.mirrors
        ),
    )


def _assumed(hosts: Mapping[str, set[int]], port: int) -> dict[str, Service]:
    """Without Service documents each host that the policies name is taken for a service, on the ports they name."""
    return {
        host: Service(host, tuple(Port(number) for number in sorted(ports or {port})))
        for host, ports in hosts.items()
        if host and not host.startswith("*")
    }


def destinations(routes: Iterable[HTTPRoute]) -> Iterable[Destination]:
    """Everything that requests or their copies are sent to."""
    for route in routes:
        yield from (to.destination for to in route.route)
        if route.mirror:
            yield route.mirror
        yield from (to.destination for to in route.mirrors if to.destination)
