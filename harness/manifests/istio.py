"""Istio's files, field by field: what is dropped, undefined, or at odds with mutual TLS."""

from __future__ import annotations

from collections.abc import Iterator

from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Unit
from harness.mesh.inventory import Source, kind_of, labels_of, namespace_of, resolve
from harness.mesh.nodes import ManifestError, Node
from harness.mesh.translate import Translation, translate

NETWORKING = "networking.istio.io"
_DEPRECATED = {
    ("http", "mirrorPercent"): "mirrorPercentage",
    ("http", "corsPolicy", "allowOrigin"): "allowOrigins",
    ("http", "fault", "delay", "percent"): "percentage",
    ("trafficPolicy", "loadBalancer", "warmupDurationSecs"): "warmup",
    ("trafficPolicy", "loadBalancer", "consistentHash", "minimumRingSize"): "ringHash.minimumRingSize",
}

_DROPPED = {
    "consecutiveErrors": "consecutive5xxErrors or consecutiveGatewayErrors",
    "outlierDetectionHttpErrorCodes": "consecutive5xxErrors, and let KATO's callers see other codes",
}
"""What outlier detection takes and doesn't heed."""


def virtual_services(unit: Unit) -> Iterator[Node]:
    """The unit's VirtualServices."""
    return unit.of_group(NETWORKING, "VirtualService")


def destination_rules(unit: Unit) -> Iterator[Node]:
    """The unit's DestinationRules."""
    return unit.of_group(NETWORKING, "DestinationRule")


def policies(rule: Node) -> Iterator[Node]:
    """Every traffic policy of a DestinationRule: its own, its subsets', and those of single ports."""
    tops = [rule.at("spec", "trafficPolicy"), *(subset["trafficPolicy"] for subset in rule.each("spec", "subsets"))]
    for top in tops:
        if top is not None:
            yield top
            yield from top.each("portLevelSettings")


def translation_of(unit: Unit) -> Translation | None:
    """The translation of the unit's mesh files for a client in the namespace of the first; None without any.

    Raises ManifestError with everything that isn't understood.
    """
    mesh = [document for document in unit.documents if kind_of(document)[0].endswith("istio.io")]
    if not any(virtual_services(unit)) and not any(destination_rules(unit)):
        return None
    own = [document for document in unit.documents if kind_of(document)[0] in ("", "apps")]
    return translate([*own, *mesh], source=Source(namespace_of(mesh[0])))


def _not_understood(unit: Unit) -> Iterator[Remark]:
    try:
        translation_of(unit)
    except ManifestError as error:
        for problem in error.problems:
            yield Remark(f"{problem.file}:{problem.line}:{problem.column}", problem.what, problem.cure)


def _dropped(unit: Unit) -> Iterator[Remark]:
    for policy in (policy for rule in destination_rules(unit) for policy in policies(rule)):
        for name, instead in _DROPPED.items():
            node = policy.at("outlierDetection", name)
            if node is not None:
                reason = (
                    f"`{name}` is dropped: Istio's control plane doesn't read it, and Envoy's own default holds, 5"
                    " answers with a 5xx, whatever stands here"
                )
                yield remark(node, reason, f"use {instead}")


def _deprecated(unit: Unit) -> Iterator[Remark]:
    for document in (*virtual_services(unit), *destination_rules(unit)):
        for (head, *rest), instead in _DEPRECATED.items():
            top = document.at("spec", head)
            for start in (top, *document.each("spec", head)):
                node = start.at(*rest) if start is not None else None
                if node is not None:
                    yield remark(node, f"`{rest[-1]}` is deprecated", f"use `{instead}`")


def _subset_without_pods(unit: Unit) -> Iterator[Remark]:
    templates = [box.pod_labels for box in unit.containers()]
    for rule in destination_rules(unit):
        for subset in rule.each("spec", "subsets"):
            labels = labels_of(subset, "labels")
            if templates and not any(labels.items() <= carried.items() for carried in templates):
                words = ", ".join(f"{key}={value}" for key, value in labels.items())
                reason = (
                    f"subset `{subset.get('name')}` is for pods with {words}, and no pod template carries these labels:"
                    " its route answers 503 (no healthy upstream)"
                )
                yield remark(subset, reason, "label a workload's pod template so, or drop the subset and its route")


def _undefined_subset(unit: Unit) -> Iterator[Remark]:
    defined = {
        (resolve(str(rule.get("spec", "host")), namespace_of(rule)), subset.get("name"))
        for rule in destination_rules(unit)
        for subset in rule.each("spec", "subsets")
    }
    for service in virtual_services(unit):
        for route in service.each("spec", "http"):
            for to in _targets(route):
                subset = to["subset"]
                host = resolve(str(to.get("host")), namespace_of(service))
                if subset is not None and (host, subset.value) not in defined:
                    reason = f"subset `{subset.value}` of {host} is defined nowhere: its route answers 503 (no cluster)"
                    yield remark(subset, reason, "define it in a DestinationRule of that host")


def _targets(route: Node) -> Iterator[Node]:
    """Every destination of a route, copies of requests too."""
    named = [each["destination"] for part in ("route", "mirrors") for each in route.each(part)]
    yield from (each for each in (*named, route["mirror"]) if each is not None)


def _left_in_fault(unit: Unit) -> Iterator[Remark]:
    for service in virtual_services(unit):
        for route in service.each("spec", "http"):
            if route["fault"] is not None:
                reason = "a fault is injected into every client's requests on this route"
                yield remark(route["fault"], reason, "keep faults in experiments, not in what is deployed")


_ROOT = "istio-system"
"""The namespace whose policies count for the whole mesh."""
_SELECTED = ("spec", "selector")


def _strict(unit: Unit) -> set[str]:
    """The namespaces of these files whose servers only take mutual TLS: by their own policy, else by the mesh's."""
    documents = [each for each in unit.of_group("security.istio.io", "PeerAuthentication") if not each.at(*_SELECTED)]
    modes = {namespace_of(each): each.get("spec", "mtls", "mode") for each in documents}
    spaces = {namespace_of(each) for each in unit.documents}
    return {space for space in spaces if modes.get(space, modes.get(_ROOT)) == "STRICT"}


def _plain_against_strict(unit: Unit) -> Iterator[Remark]:
    strict = _strict(unit)
    for rule in destination_rules(unit):
        for policy in policies(rule):
            mode = policy.at("tls", "mode")
            if mode is not None and mode.value == "DISABLE" and namespace_of(rule) in strict:
                reason = (
                    "the client's side sends plain text (DISABLE), the server's side only takes mutual TLS (STRICT)"
                )
                yield remark(mode, reason, "use ISTIO_MUTUAL, or leave `tls` out: Istio then finds it by itself")


def _harness_needs_certificate(unit: Unit) -> Iterator[Remark]:
    for document in unit.of_group("security.istio.io", "PeerAuthentication"):
        mode = document.at("spec", "mtls", "mode")
        if mode is not None and mode.value == "STRICT":
            reason = (
                "STRICT mutual TLS: a client outside the mesh is refused, behind Toxiproxy too, which passes bytes on"
                " and ends no TLS"
            )
            cure = "put the harness's pod into the mesh, or give `target.tls` a client certificate of the mesh's CA"
            yield remark(mode, reason, cure)


RULES = (
    Rule("I1/not-understood", "something that is not understood", "gate", _not_understood),
    Rule("I4/consecutive-errors-dropped", "an ejection threshold that Istio drops", "gate", _dropped),
    Rule("I1/deprecated", "a deprecated field", "warn", _deprecated),
    Rule("I1/fault-left-in", "an injected fault in deployed files", "warn", _left_in_fault),
    Rule("I5/subset-without-pods", "a subset whose labels no pod carries", "gate", _subset_without_pods),
    Rule("I5/subset-undefined", "a route to a subset that isn't defined", "gate", _undefined_subset),
    Rule(
        "TLS/plain-against-strict", "plain text to a server that takes only mutual TLS", "gate", _plain_against_strict
    ),
    Rule(
        "TLS/harness-needs-certificate",
        "STRICT mutual TLS and a harness outside the mesh",
        "info",
        _harness_needs_certificate,
    ),
)
