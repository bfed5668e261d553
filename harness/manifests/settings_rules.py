"""Environment and ConfigMaps: what KATO reads, in range; what is configured and never consumed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.manifests.kato import WITHOUT_EFFECT, nearest_setting, settings
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Unit, Variable, entries
from harness.mesh.inventory import namespace_of
from harness.mesh.nodes import Node

FOREIGN = ("PYTHON", "OTEL_", "LC_", "UV_", "GUNICORN_", "KUBERNETES_")
"""Variables that the interpreter or libraries read, not KATO."""
PLAIN = frozenset({"PATH", "HOME", "TZ", "LANG", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})

_CONSUMERS = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
    "secretName": "Secret",
    "imagePullSecrets": "Secret",
    "nodePublishSecretRef": "Secret",
    "credentialName": "Secret",
}
"""Fields that name a ConfigMap or Secret, in pods and in what ends TLS for them."""


def _told(unit: Unit) -> Iterator[Variable]:
    """Every variable that is meant for KATO, once: in containers, env files, and ConfigMaps named for it."""
    seen: set[str] = set()
    for variable in (*_of_containers(unit), *unit.environment, *_of_maps(unit)):
        if variable.node.where not in seen:
            seen.add(variable.node.where)
            yield variable


def _of_containers(unit: Unit) -> Iterator[Variable]:
    for container in unit.kato():
        yield from container.variables.values()


def _of_maps(unit: Unit) -> Iterator[Variable]:
    for document in unit.of_kind("ConfigMap"):
        if "kato" in str(document.get("metadata", "name")):
            for name, node in entries(document):
                if name.isupper():
                    yield Variable(name, str(node.value), node)


def _never_read(unit: Unit) -> Iterator[Remark]:
    for variable in _told(unit):
        name = variable.name.upper()
        if name in settings() or name in PLAIN or name.startswith(FOREIGN):
            continue
        meant = nearest_setting(name)
        cure = f"set `{meant}`, which KATO reads" if meant else "leave it out"
        yield remark(variable.node, f"`{variable.name}` is configured and KATO never reads it", cure)


def _refused(unit: Unit) -> Iterator[Remark]:
    for variable in _told(unit):
        known = settings().get(variable.name.upper())
        reason = known.refuses(variable.value) if known is not None and variable.value is not None else ""
        if reason:
            text = f"`{variable.name}` = `{variable.value}`: {reason}; KATO doesn't start with it"
            yield remark(variable.node, text, f"give a value it takes (default: {known.default if known else ''})")


def _without_effect(unit: Unit) -> Iterator[Remark]:
    for variable in _told(unit):
        reason = WITHOUT_EFFECT.get(variable.name.upper())
        if reason:
            yield remark(variable.node, f"`{variable.name}`: {reason}", "bound requests in the client and the mesh")


def _never_consumed(unit: Unit) -> Iterator[Remark]:
    """Only where the unit has workloads: a map alone may be somebody else's."""
    if not any(unit.workloads()):
        return
    used = set(_references(unit))
    for document in unit.of_kind("ConfigMap", "Secret"):
        kind, name = str(document.get("kind")), str(document.get("metadata", "name"))
        space = namespace_of(document)
        if (kind, space, name, "") in used:
            continue
        keys = {key for *place, key in used if place == [kind, space, name]}
        if not keys:
            reason = f"{kind} `{name}` is configured and no pod consumes it"
            yield remark(document["metadata"] or document, reason, "add `envFrom` to the container, or drop it")
            continue
        for key, node in entries(document):
            if key not in keys:
                yield remark(node, f"key `{key}` of {kind} `{name}` is configured and no pod consumes it", "drop it")


def _references(unit: Unit) -> Iterator[tuple[str, str, str, str]]:
    """(kind, namespace, name, key) of everything that documents refer to, wherever it stands; key "": all of it."""
    for document in unit.documents:
        space = namespace_of(document)
        todo = [document]
        while todo:
            node = todo.pop()
            for name, child in node.items():
                yield from ((kind, space, *told) for kind, told in _referred(name, child))
                todo.append(child)
            todo += node.each()


def _referred(name: str, node: Node) -> Iterator[tuple[str, tuple[str, str]]]:
    """What a field of this name refers to: an environment's source, a volume's, a certificate's, a registry's login."""
    kind = _CONSUMERS.get(name, "")
    if not kind:
        return
    for told in node.each() if isinstance(node.value, tuple) else (node,):
        named = told.value if isinstance(told.value, str) else told.get("name") or told.get("secretName")
        yield kind, (str(named), str(told.get("key")) if name.endswith("KeyRef") else "")


def _missing_reference(unit: Unit) -> Iterator[Remark]:
    """A key that a pod wants of a map that is there, and that the map doesn't have: the pod doesn't start."""
    for container in unit.everything_run():
        space = namespace_of(container.workload)
        for variable in container.node.each("env"):
            for kind, reference in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
                found = variable.at("valueFrom", reference)
                document = unit.find(kind, found.get("name"), space) if found is not None else None
                if found is None or document is None or found.get("optional"):
                    continue
                if found.get("key") not in dict(entries(document)):
                    reason = f"{kind} `{found.get('name')}` has no key `{found.get('key')}`: the pod doesn't start"
                    yield remark(found, reason, "add the key, or ask for one that is there")


RULES = (
    Rule("KATO/variable-never-read", "configured but never read by KATO", "warn", _never_read),
    Rule("KATO/variable-refused", "a value that KATO refuses", "gate", _refused),
    Rule("KATO/variable-without-effect", "read by KATO, without effect", "warn", _without_effect),
    Rule("K8S/configured-never-consumed", "a map or key that no pod consumes", "warn", _never_consumed),
    Rule("K8S/key-missing", "a pod asks for a key that isn't there", "gate", _missing_reference),
)
