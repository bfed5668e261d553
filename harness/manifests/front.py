"""Kubernetes objects that put Toxiproxy and a witness before a KATO Service and its stores, and what removes them.

A Service keeps its name and gets the selector of our front; what it selected before is reached by a new Service
NAME-direct. So no client, and no KATO, is configured anew, and removal is the old selector.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from harness.errors import UsageError

Document = dict[str, Any]

IMAGE = "kato-harness:0.1.0"
OWNED = {"app.kubernetes.io/managed-by": "kato-harness"}
"""The label of everything that is added; what is only changed hasn't got it."""

_NAME = re.compile("[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""Kubernetes' own rule for a Service's name (RFC 1035)."""

API_PORT = 8474
WITNESS_PORT = 18001
FIRST_PORT = 18100
STORES: Mapping[str, tuple[int, ...]] = {"redis": (6379,), "clickhouse": (8123,), "qdrant": (6333, 6334)}


@dataclass(frozen=True, slots=True)
class Behind:
    """A Service that the front goes before: its name, the labels that it selects, and its ports."""

    name: str
    selector: Mapping[str, str]
    ports: tuple[int, ...]
    original: Mapping[str, Any] = field(default_factory=dict)
    """The whole object where it is known, for the removal."""

    def kept(self) -> Document:
        """This Service as it was."""
        meta = {key: value for key, value in self._metadata().items() if key in ("labels", "annotations")}
        spec = {**self._spec(), "selector": dict(self.selector), "ports": self._all_ports()}
        return _service({"name": self.name, "labels": {}, **meta}, spec)

    def redirected(self, selector: Mapping[str, str]) -> Document:
        """This Service with another selector and all else as it was: `apply` removes what is missing."""
        document = self.kept()
        ports = [{**port, "targetPort": port["port"]} for port in self._all_ports()]
        document["spec"] |= {"selector": dict(selector), "ports": ports}
        return document

    def direct(self) -> Document:
        """A Service inside the cluster for the pods that this one selects."""
        spec = {key: value for key, value in self._spec().items() if key.startswith("sessionAffinity")}
        ports = [{key: value for key, value in port.items() if key != "nodePort"} for port in self._all_ports()]
        labels = {**self._metadata().get("labels", {}), **OWNED}
        meta = {"name": f"{self.name}-direct", "labels": labels}
        return _service(meta, {**spec, "selector": dict(self.selector), "ports": ports})

    def _spec(self) -> Document:
        return dict(self.original.get("spec", {}))

    def _metadata(self) -> Document:
        return dict(self.original.get("metadata", {}))

    def _all_ports(self) -> list[Document]:
        unknown = [{"name": f"port-{port}", "port": port} for port in self.ports]
        return [dict(port) for port in self._spec().get("ports") or unknown]


def _service(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Document:
    return {"apiVersion": "v1", "kind": "Service", "metadata": dict(metadata), "spec": dict(spec)}


@dataclass(frozen=True, slots=True)
class Front:
    """What to put before which Services of a namespace; the first one is KATO's."""

    services: tuple[Behind, ...]
    namespace: str = "default"
    image: str = IMAGE

    def added(self) -> list[Document]:
        """The objects to apply, the changed Services last."""
        named = [self._named(doc) for doc in (*self._direct(), self._proxies(), *self._api(), self._deployment())]
        return named + [self._named(doc) for doc in self._redirected()]

    def removal(self) -> str:
        """A shell script that gives the Services their selectors back and deletes what was added."""
        old = [self._named(service.kept()) for service in self.services]
        space = shlex.quote(self.namespace)
        [(label, value)] = OWNED.items()
        return (
            "#!/bin/sh\nset -eu\n"
            f"kubectl apply -f - <<'END'\n{dump(old)}END\n"
            f"kubectl -n {space} delete deployment,service,configmap -l {label}={value}\n"
        )

    def _named(self, document: Document) -> Document:
        document["metadata"]["namespace"] = self.namespace
        return document

    def _direct(self) -> list[Document]:
        return [service.direct() for service in self.services]

    def _redirected(self) -> list[Document]:
        return [service.redirected(self._labels()) for service in self.services]

    def _labels(self) -> dict[str, str]:
        return {"app": f"{self.services[0].name}-front"}

    def _proxies(self) -> Document:
        """Toxiproxy's configuration: a proxy a port; KATO's leads to the witness beside it."""
        told = []
        for at, service in enumerate(self.services):
            for port in service.ports:
                upstream = f"127.0.0.1:{WITNESS_PORT}" if at == 0 else f"{service.name}-direct:{port}"
                name = f"{service.name}-{port}"
                told.append({"name": name, "listen": f"0.0.0.0:{port}", "upstream": upstream, "enabled": True})
        data = {"toxiproxy.json": LiteralScalarString(json.dumps(told, indent=1) + "\n")}  # to be read in a review
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._meta("proxies"), "data": data}

    def _api(self) -> list[Document]:
        """Toxiproxy's API inside the cluster; reach it by `kubectl port-forward`, never from outside."""
        spec = {"selector": self._labels(), "ports": [{"name": "http-api", "port": API_PORT}]}
        return [{"apiVersion": "v1", "kind": "Service", "metadata": self._meta("toxiproxy"), "spec": spec}]

    def _meta(self, what: str) -> dict[str, Any]:
        return {"name": f"{self.services[0].name}-front-{what}", "labels": dict(OWNED)}

    def _deployment(self) -> Document:
        labels = {**self._labels(), **OWNED}
        pod = {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000},
            "containers": [self._toxiproxy(), self._witness()],
            "volumes": [
                {"name": "proxies", "configMap": {"name": self._meta("proxies")["name"]}},
                {"name": "runs", "emptyDir": {}},
            ],
        }
        spec = {
            # One, because evidence of one order needs one witness.
            "replicas": 1,
            "selector": {"matchLabels": self._labels()},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": self._meta("pod"), "spec": spec}

    def _toxiproxy(self) -> Document:
        command = [
            "toxiproxy-server",
            "-host",
            "0.0.0.0",
            "-port",
            str(API_PORT),
            "-config",
            "/etc/front/toxiproxy.json",
        ]
        ports = [{"containerPort": port} for service in self.services for port in service.ports]
        return self._container("toxiproxy", command, ports, "/version", API_PORT) | {
            "volumeMounts": [{"name": "proxies", "mountPath": "/etc/front", "readOnly": True}]
        }

    def _witness(self) -> Document:
        kato = self.services[0]
        target = f"http://{kato.name}-direct:{kato.ports[0]}"
        command = ["kato-harness", "witness", "--listen", f"127.0.0.1:{WITNESS_PORT}", "--target", target]
        command += ["--allow-target", f"{kato.name}-direct"]
        container = self._container("witness", command, [], "", 0)
        # A signal ends a run; the container then starts anew, and the folder stays in the volume.
        return container | {"workingDir": "/runs", "volumeMounts": [{"name": "runs", "mountPath": "/runs"}]}

    def _container(
        self, name: str, command: Sequence[str], ports: Sequence[Document], path: str, port: int
    ) -> Document:
        probe = {"httpGet": {"path": path, "port": port}, "periodSeconds": 5, "timeoutSeconds": 2}
        return {
            "name": name,
            "image": self.image,
            "command": list(command),
            **({"ports": list(ports), "readinessProbe": probe} if ports else {}),
            "resources": {
                "requests": {"cpu": "250m", "memory": "256Mi"},
                "limits": {"cpu": "1", "memory": "512Mi"},
            },
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }


def behind(name: str, documents: Sequence[Mapping[str, Any]], ports: tuple[int, ...]) -> Behind:
    """The Service `name` as its manifest says; without one: the label app=NAME and the usual ports.

    Raises UsageError for a name that no Service can have and for a Service that nothing can be put before.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"no Service can be named {name!r}", "lower-case letters, digits and -, a letter first")
    found = [doc for doc in documents if doc.get("kind") == "Service" and doc.get("metadata", {}).get("name") == name]
    if not found:
        return Behind(name, {"app": name}, ports)
    spec = found[0].get("spec") or {}
    if not spec.get("selector") or not spec.get("ports"):
        what = f"Service {name} has no selector or no ports, so there is nothing to put a front before"
        raise UsageError(what, "name a Service that selects pods")
    return Behind(name, dict(spec["selector"]), tuple(int(port["port"]) for port in spec["ports"]), found[0])


def dump(documents: Sequence[Document]) -> str:
    """The documents as one YAML stream."""
    yaml = YAML()
    yaml.default_flow_style = False
    text = StringIO()
    for document in documents:
        text.write("---\n")
        yaml.dump(document, text)
    return text.getvalue()
