"""What Istio's own admission refuses, so that the file never counts (istio pkg/config/validation)."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from harness.manifests.admission_policy import exported, refused_rule, times
from harness.manifests.istio import destination_rules, policies, virtual_services
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Unit
from harness.mesh.nodes import Node

_NOT_BESIDE = {
    "redirect": ("route", "directResponse", "fault", "rewrite"),
    "directResponse": ("route", "fault", "rewrite"),
    "delegate": ("route", "redirect"),
    "mirror": ("mirrors",),
}
"""Of a route: what may not stand beside what."""
_RETRY_ON = frozenset(
    [
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    ]
)
_STATUSES = frozenset(map(int, HTTPStatus))
_HUNDREDTHS = ("maxEjectionPercent", "minHealthPercent")
_FAULTS = ("delay", "abort")
_TIMES = (
    ("timeout",),
    ("retries", "perTryTimeout"),
    ("retries", "backoff"),
    ("fault", "delay", "fixedDelay"),
    ("corsPolicy", "maxAge"),
)


def _refused(unit: Unit) -> Iterator[Remark]:
    for service in virtual_services(unit):
        yield from exported(service)
        for route in service.each("spec", "http"):
            yield from _combined(route)
            yield from _retries(route)
            yield from _weights(route)
            yield from _shares(route)
            yield from _redirect(route)
            yield from times(route, _TIMES)
    for rule in destination_rules(unit):
        yield from refused_rule(rule)
        for policy in policies(rule):
            outlier = policy["outlierDetection"]
            if outlier is not None:
                yield from _outlier(outlier)


def _combined(route: Node) -> Iterator[Remark]:
    for name, others in _NOT_BESIDE.items():
        for other in others if route[name] is not None else ():
            node = route[other]
            if node is not None:
                yield remark(node, f"`{other}` beside `{name}`: Istio refuses the file", f"keep `{other}` or `{name}`")
    if not any(route[name] is not None for name in ("route", "redirect", "directResponse", "delegate")):
        yield remark(route, "a route that leads nowhere: Istio refuses the file", "give it a `route`")


def _retries(route: Node) -> Iterator[Remark]:
    retries = route["retries"]
    if retries is None:
        return
    told = retries["retryOn"]
    for word in str(told.value).split(",") if told is not None and told.value else ():
        if word not in _RETRY_ON and not (word.isdigit() and int(word) in _STATUSES):
            reason = f"`{word}` is no condition for a re-try: Istio refuses the file"
            yield remark(told or route, reason, f"a status, or one of {', '.join(sorted(_RETRY_ON))}; without blanks")
    if retries.get("attempts"):
        return
    for name in ("perTryTimeout", "retryOn", "retryRemoteLocalities"):
        node = retries[name]
        if node is not None:
            yield remark(node, f"`{name}` with 0 attempts: Istio refuses the file", "give attempts, or drop it")


def _weights(route: Node) -> Iterator[Remark]:
    given = [to["weight"] for to in route.each("route")]
    for node in given:
        if node is not None and isinstance(node.value, int) and node.value < 0:
            yield remark(node, f"weight {node.value}: Istio refuses the file", "give a weight of at least 0")
    if len(given) > 1 and not any(node is not None and node.value for node in given):
        yield remark(route["route"] or route, "all weights are 0: Istio refuses the file", "give weights that add up")


def _shares(route: Node) -> Iterator[Remark]:
    """Percentages of faults and of copies."""
    named = [route.at("fault", kind, "percentage", "value") for kind in _FAULTS]
    named += [
        route.at("mirrorPercentage", "value"),
        *(each.at("percentage", "value") for each in route.each("mirrors")),
    ]
    yield from (found for node in named if node is not None for found in _beyond(node))


def _redirect(route: Node) -> Iterator[Remark]:
    rewrite = route.at("redirect", "prefixRewrite")
    for match in route.each("match") if rewrite is not None and rewrite.value else ():
        uri = match["uri"]
        if uri is not None and uri["prefix"] is None:
            reason = "prefixRewrite of a path that isn't matched by its prefix: Istio refuses the file"
            yield remark(uri, reason, "match by `prefix`, or redirect to a `uri`")


def _outlier(outlier: Node) -> Iterator[Remark]:
    local = outlier["consecutiveLocalOriginFailures"]
    if local is not None and local.value and not outlier.get("splitExternalLocalOriginErrors"):
        reason = "consecutiveLocalOriginFailures without splitExternalLocalOriginErrors: Istio refuses the file"
        yield remark(local, reason, "set splitExternalLocalOriginErrors: true")
    for name in _HUNDREDTHS:
        node = outlier[name]
        if node is not None:
            yield from _beyond(node)


def _beyond(node: Node) -> Iterator[Remark]:
    if isinstance(node.value, int | float) and not 0 <= node.value <= 100:
        yield remark(node, f"{node.value:g} per cent: Istio refuses the file", "give 0 to 100")


RULES = (Rule("I1/refused-by-istio", "a combination that Istio's admission refuses", "gate", _refused),)
