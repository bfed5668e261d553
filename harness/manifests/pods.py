"""Pods and services: selectors that meet, drain on a rolling restart, secrets, images."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.manifests.kato import GRACE_S
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Unit, entries, pod_spec, selects
from harness.mesh.inventory import kind_of, labels_of, namespace_of
from harness.mesh.nodes import Node

_SECRET = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN(?!I[SZ])|API_?KEY|CREDENTIAL)", re.IGNORECASE)
_ABOUT_SECRET = re.compile(r"_(FILE|PATH|DIR|NAME|REF|URL|TTL|HEADER|SECONDS|MINUTES)$", re.IGNORECASE)
"""What says where a secret is, or how long it lasts."""
_HARMLESS = re.compile(r"(true|false|yes|no|\d{1,5}|/.*)$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/@:\s]*:(?!\$[({])[^@/\s]+@", re.IGNORECASE)
_KEY_LIKE = frozenset({"USE_TOKEN_MATCHING", "FUZZY_TOKEN_THRESHOLD"})
"""Settings that only sound like secrets."""
_PLACEHOLDER = re.compile(r"^(\$\{.*\}|\$\(.*\)|<.*>|\{\{.*\}\})?$")


def _plain_secret(unit: Unit) -> Iterator[Remark]:
    for document in unit.of_kind("Secret"):
        for key, node in entries(document) if document["sops"] is None else ():
            if not key.endswith(("-host", "_HOST")) and not _PLACEHOLDER.match(str(node.value)):
                reason = f"Secret key `{key}` stands in the file as plain text (base64 is no cipher)"
                yield remark(node, reason, "create it from a secret store (ExternalSecret, SealedSecret, SOPS)")


def _plain_variable(unit: Unit) -> Iterator[Remark]:
    boxes = list(unit.everything_run())
    told = [(variable.name, variable.node["value"]) for box in boxes for variable in box.variables.values()]
    maps = [(key, node) for document in unit.of_kind("ConfigMap") for key, node in entries(document)]
    files = [(variable.name, variable.node) for variable in unit.environment]
    lines = [(part, node) for box in boxes for part in ("command", "args") for node in box.node.each(part)]
    for name, node in (*told, *maps, *files, *lines):
        if node is not None and isinstance(node.value, str) and _is_secret(name, node.value):
            yield remark(
                node, f"`{name}` carries a secret in plain text", "take it from a Secret (`valueFrom.secretKeyRef`)"
            )


def _is_secret(name: str, value: str) -> bool:
    """A URL with a password, or a secret's name with something that can be one: no number, switch or file."""
    if _PLACEHOLDER.match(value) or name in _KEY_LIKE:
        return False
    told = _SECRET.search(name) and not _ABOUT_SECRET.search(name) and not _HARMLESS.match(value)
    return bool(told or _URL_PASSWORD.search(value))


def _selects_nothing(unit: Unit) -> Iterator[Remark]:
    containers = list(unit.containers())
    for service in unit.of_kind("Service"):
        same = [box for box in containers if namespace_of(box.workload) == namespace_of(service)]
        if labels_of(service, "spec", "selector") and same and not any(selects(service, box) for box in same):
            node = service.at("spec", "selector") or service
            reason = f"Service `{service.get('metadata', 'name')}` selects no pod template of these files"
            yield remark(node, reason, "give the labels that the pod template carries")


def _unlabelled_template(unit: Unit) -> Iterator[Remark]:
    for workload in unit.of_kind("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"):
        wanted = labels_of(workload, "spec", "selector", "matchLabels")
        carried = labels_of(workload, "spec", "template", "metadata", "labels")
        if not wanted.items() <= carried.items():
            node = workload.at("spec", "selector") or workload
            yield remark(
                node, "the selector doesn't match the workload's own pod template", "use the template's labels"
            )


def _drain(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        spec = pod_spec(container.workload)
        grace = spec.get("terminationGracePeriodSeconds")
        seconds = grace if isinstance(grace, int) else 30
        paused = container.node.at("lifecycle", "preStop") is not None
        if seconds > GRACE_S and paused:
            continue
        told = [] if seconds > GRACE_S else [f"{seconds} s until it is killed, and KATO itself drains for {GRACE_S} s"]
        told += [] if paused else ["no preStop pause, so requests still arrive while it stops"]
        reason = f"a rolling restart cuts observes in flight: {'; '.join(told)}"
        cure = f"preStop `sleep 5` and terminationGracePeriodSeconds above {GRACE_S + 5}"
        yield remark(spec["terminationGracePeriodSeconds"] or container.node, reason, cure)


def _single(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        if container.replicas == 1 and kind_of(container.workload)[1] != "DaemonSet":
            node = container.workload.at("spec", "replicas") or container.workload
            yield remark(node, "one replica: each restart is an outage", "run at least two")


def _unpinned(unit: Unit) -> Iterator[Remark]:
    for container in unit.everything_run():
        image = container.node["image"]
        name = str(image.value).rpartition("/")[2] if image is not None else ""
        if image is not None and "@" not in name and (":" not in name or name.endswith(":latest")):
            yield remark(
                image, f"image `{image.value}` is not pinned: a restart may bring another KATO", "name a version"
            )


def _port_without_protocol(unit: Unit) -> Iterator[Remark]:
    """Istio takes the protocol from a port's name; only named ports are surely HTTP to it."""
    if not any(unit.of_kind("VirtualService", "DestinationRule")):
        return
    for service in unit.of_kind("Service"):
        for port in service.each("spec", "ports"):
            if not _names_protocol(port):
                reason = (
                    f"port {port.get('port')} doesn't name its protocol, so Istio has to guess it from the first bytes"
                )
                yield remark(port, reason, "name it `http` or set `appProtocol: http`")


def _names_protocol(port: Node) -> bool:
    return bool(port.get("appProtocol")) or str(port.get("name") or "").partition("-")[0] in (
        "http",
        "http2",
        "https",
        "grpc",
        "tcp",
        "tls",
        "redis",
        "mongo",
        "mysql",
    )


RULES = (
    Rule("SEC/secret-in-file", "a Secret with its value in the file", "gate", _plain_secret),
    Rule("SEC/secret-in-plain-text", "a secret in plain text", "gate", _plain_variable),
    Rule("K8S/service-selects-nothing", "a Service without pods", "gate", _selects_nothing),
    Rule("K8S/selector-misses-template", "a selector that misses its own template", "gate", _unlabelled_template),
    Rule("K8S/drain-too-short", "a rolling restart that cuts requests in flight", "warn", _drain),
    Rule("K8S/single-replica", "one replica", "warn", _single),
    Rule("K8S/image-unpinned", "an image without version", "warn", _unpinned),
    Rule("I1/port-protocol-unnamed", "a port whose protocol Istio must guess", "warn", _port_without_protocol),
)
