"""A unit of deployment: the files that are applied together, and what they say of KATO's pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.manifests.kato import WORKERS
from harness.manifests.source import Source
from harness.mesh.inventory import WORKLOADS, kind_of, labels_of, namespace_of, pod_labels, pod_path
from harness.mesh.nodes import Node

TEMPLATED = (*WORKLOADS, "Job", "CronJob")
SCALERS = {
    "HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"),
    "ScaledObject": ("minReplicaCount", "maxReplicaCount"),
}
"""What scales workloads, Kubernetes' own and KEDA's, and how it names its bounds."""
_SOURCES = (("ConfigMap", "configMapRef"), ("Secret", "secretRef"))
_MAKERS = ("SealedSecret", "ExternalSecret")
"""What makes Secrets without their values in files (Bitnami's, and the External Secrets Operator's)."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a container. `value` None: only known at run time (secret, field, missing map)."""

    name: str
    value: str | None
    node: Node


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a workload's pods, with its environment resolved as far as the unit's files go."""

    workload: Node
    node: Node
    variables: Mapping[str, Variable]
    replicas: int = 1
    """Pods that run at least: the workload's own number, or the least of what scales it."""
    most: int = 1
    """Pods that run at most."""
    unknown: tuple[Node, ...] = ()
    """Sources of its environment that aren't among the unit's files: what they hold is not known."""

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.node.get("name") or "")

    @property
    def is_kato(self) -> bool:
        """True for KATO itself, by its image or its name."""
        image = str(self.node.get("image") or "").rpartition("/")[2]
        return image.partition(":")[0].partition("@")[0] == "kato" or self.name == "kato"

    @property
    def knows_workers(self) -> bool:
        """False where the number may stand in a source that isn't there."""
        return "KATO_WORKERS" in self.variables or not self.unknown

    @property
    def workers(self) -> int:
        """KATO's worker processes a pod."""
        told = self.variables.get("KATO_WORKERS")
        value = told.value if told is not None else str(WORKERS)
        return int(value) if value is not None and value.strip().isdigit() else WORKERS

    @property
    def pod_labels(self) -> Mapping[str, str]:
        """The labels that the workload's pods carry."""
        return pod_labels(self.workload)

    def says(self, name: str) -> str | None:
        """A variable's value; None when it isn't set or not known."""
        told = self.variables.get(name)
        return told.value if told is not None else None


@dataclass(frozen=True, slots=True)
class Unit:
    """What belongs together: `documents` of Kubernetes, `services` of Consul, `environment` files, Python `sources`."""

    documents: tuple[Node, ...] = ()
    services: tuple[Node, ...] = ()
    environment: tuple[Variable, ...] = field(default=())
    sources: tuple[Source, ...] = ()

    def of_kind(self, *kinds: str) -> Iterator[Node]:
        """The documents of some kinds, of any group."""
        return (document for document in self.documents if kind_of(document)[1] in kinds)

    def of_group(self, group: str, kind: str) -> Iterator[Node]:
        """The documents of one kind of one API group."""
        return (document for document in self.documents if kind_of(document) == (group, kind))

    def workloads(self) -> Iterator[Node]:
        """Everything that makes long-running pods."""
        return self.of_kind(*WORKLOADS)

    def containers(self, *, part: str = "containers") -> Iterator[Container]:
        """All containers of all workloads; `part` "initContainers" for those that run first, or beside as sidecars."""
        for workload in self.of_kind(*TEMPLATED):
            least, most = self._scale(workload)
            for node in pod_spec(workload).each(part):
                space = namespace_of(workload)
                told, unknown = self._variables(node, space), tuple(self._unknown(node, space))
                yield Container(workload, node, told, least, most, unknown)

    def everything_run(self) -> Iterator[Container]:
        """All containers, also those that run before or beside the others."""
        yield from self.containers(part="initContainers")
        yield from self.containers()

    def kato(self) -> Iterator[Container]:
        """KATO's own containers, where they serve: a job with its image is no server."""
        return (each for each in self.containers() if each.is_kato and kind_of(each.workload)[1] in WORKLOADS)

    def find(self, kind: str, name: object, namespace: str) -> Node | None:
        """A document by kind, name and namespace."""
        for document in self.of_kind(kind):
            if document.get("metadata", "name") == name and namespace_of(document) == namespace:
                return document
        return None

    def _scale(self, workload: Node) -> tuple[int, int]:
        """The least and the most pods of a workload, by what scales it or by its own number."""
        for scaler in self.of_kind(*SCALERS):
            target = scaler.get("spec", "scaleTargetRef", "name"), namespace_of(scaler)
            named = scaler.get("spec", "scaleTargetRef", "kind") or "Deployment"
            if target == (workload.get("metadata", "name"), namespace_of(workload)) and named == kind_of(workload)[1]:
                least, most = (scaler.get("spec", name) for name in SCALERS[kind_of(scaler)[1]])
                least = least if isinstance(least, int) else 1
                return least, max(least, most) if isinstance(most, int) else least
        count = workload.get("spec", "replicas")
        own = count if isinstance(count, int) else 1
        return own, own

    def _variables(self, container: Node, namespace: str) -> dict[str, Variable]:
        """Later entries win, and single variables win over whole maps, as in Kubernetes."""
        out: dict[str, Variable] = {}
        for source in container.each("envFrom"):
            prefix = str(source.get("prefix") or "")
            for kind, key in _SOURCES:
                document = self._source(kind, source.get(key, "name"), namespace)
                for name, node in entries(document):
                    value = str(node.value) if kind == "ConfigMap" else None
                    out[prefix + name] = Variable(prefix + name, value, node)
        for node in container.each("env"):
            name = str(node.get("name") or "")
            out[name] = Variable(name, self._value(node, namespace), node)
        return out

    def _unknown(self, container: Node, namespace: str) -> Iterator[Node]:
        for source in container.each("envFrom"):
            for kind, key in _SOURCES:
                reference = source[key]
                if reference is not None and not reference.get("optional"):
                    document = self._source(kind, reference.get("name"), namespace)
                    if document is None or not _is_whole(document):
                        yield reference

    def _source(self, kind: str, name: object, namespace: str) -> Node | None:
        """A map or secret, or what makes one of that name in the cluster."""
        if name is None:
            return None
        for maker in (kind, f"Partial{kind}", *(_MAKERS if kind == "Secret" else ())):
            for document in self.of_kind(maker):
                made = document.get("spec", "target", "name") or document.get("metadata", "name")
                if made == name and namespace_of(document) == namespace:
                    return document
        return None

    def _value(self, node: Node, namespace: str) -> str | None:
        if node["value"] is not None:
            return str(node.get("value"))
        reference = node.at("valueFrom", "configMapKeyRef")
        if reference is None:
            return None
        key = str(reference.get("key"))
        found = dict(entries(self.find("ConfigMap", reference.get("name"), namespace))).get(key)
        return str(found.value) if found is not None else None


def pod_spec(workload: Node) -> Node:
    """The pod spec of a workload; the workload itself where it has none."""
    return workload.at(*pod_path(workload), "spec") or workload


def entries(document: Node | None) -> Iterator[tuple[str, Node]]:
    """Keys and values of a ConfigMap or Secret, or of what makes a Secret in the cluster."""
    if document is None:
        return
    for path in (("data",), ("stringData",), ("spec", "encryptedData")):
        section = document.at(*path)
        yield from section.items() if section is not None else ()
    for told in document.each("spec", "data"):
        key = told["secretKey"]
        if key is not None:
            yield str(key.value), key


def _is_whole(document: Node) -> bool:
    """False where keys come from elsewhere: from files, or all that a secret store holds."""
    kind = kind_of(document)[1]
    return not kind.startswith("Partial") and document.at("spec", "dataFrom") is None


def selects(service: Node, container: Container) -> bool:
    """True when a Service's selector picks a container's pods."""
    selector = labels_of(service, "spec", "selector")
    same = namespace_of(service) == namespace_of(container.workload)
    return bool(selector) and same and selector.items() <= container.pod_labels.items()
