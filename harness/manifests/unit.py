"""A unit of deployment: the files that are applied together, and what they say of KATO's pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.manifests.kato import WORKERS
from harness.manifests.source import Source
from harness.mesh.inventory import WORKLOADS, kind_of, labels_of, namespace_of, pod_labels
from harness.mesh.nodes import Node

TEMPLATED = (*WORKLOADS, "Job", "CronJob")


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
    def replicas(self) -> int:
        """Pods that the workload asks for."""
        count = self.workload.get("spec", "replicas")
        return count if isinstance(count, int) else 1

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

    def containers(self) -> Iterator[Container]:
        """All containers of all workloads."""
        for workload in self.of_kind(*TEMPLATED):
            for node in pod_spec(workload).each("containers"):
                yield Container(workload, node, self._variables(node, namespace_of(workload)))

    def kato(self) -> Iterator[Container]:
        """KATO's own containers."""
        return (container for container in self.containers() if container.is_kato)

    def find(self, kind: str, name: object, namespace: str) -> Node | None:
        """A document by kind, name and namespace."""
        for document in self.of_kind(kind):
            if document.get("metadata", "name") == name and namespace_of(document) == namespace:
                return document
        return None

    def _variables(self, container: Node, namespace: str) -> dict[str, Variable]:
        """Later entries win, and single variables win over whole maps, as in Kubernetes."""
        out: dict[str, Variable] = {}
        for source in container.each("envFrom"):
            prefix = str(source.get("prefix") or "")
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                document = self.find(kind, source.get(key, "name"), namespace) if source[key] else None
                for name, node in entries(document):
                    value = str(node.value) if kind == "ConfigMap" else None
                    out[prefix + name] = Variable(prefix + name, value, node)
        for node in container.each("env"):
            name = str(node.get("name") or "")
            out[name] = Variable(name, self._value(node, namespace), node)
        return out

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
    kind = kind_of(workload)[1]
    path: Sequence[str] = ("spec",) if kind == "Pod" else ("spec", "template", "spec")
    if kind == "CronJob":
        path = ("spec", "jobTemplate", "spec", "template", "spec")
    return workload.at(*path) or workload


def entries(document: Node | None) -> Iterator[tuple[str, Node]]:
    """Keys and values of a ConfigMap or Secret."""
    for part in ("data", "stringData"):
        section = document[part] if document is not None else None
        yield from section.items() if section is not None else ()


def selects(service: Node, container: Container) -> bool:
    """True when a Service's selector picks a container's pods."""
    selector = labels_of(service, "spec", "selector")
    same = namespace_of(service) == namespace_of(container.workload)
    return bool(selector) and same and selector.items() <= container.pod_labels.items()
