"""Linkerd: annotations on the right object, what re-tries and time-outs mean, and what is not protected.

Linkerd itself is not run here; this is what its files say (Linkerd 2.x documentation: proxy configuration annotations,
ServiceProfile, HTTPRoute, circuit breaking by failure accrual).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.traffic import SAFE_METHODS
from harness.manifests.unit import TEMPLATED, Unit, selects
from harness.mesh import duration
from harness.mesh.inventory import kind_of, labels_of
from harness.mesh.nodes import Node
from harness.policy import Budget, Policy, Retry

INJECT = "linkerd.io/inject"
ON_PODS = (INJECT, "config.linkerd.io/", "config.alpha.linkerd.io/")
ACCRUAL = "balancer.linkerd.io/failure-accrual"
RETRY, TIMEOUT = "retry.linkerd.io/http", "timeout.linkerd.io/request"
DEFAULT_BUDGET = Budget(ratio=0.2, min_per_second=10)


def concerned(unit: Unit) -> bool:
    """Do these files speak to Linkerd?"""
    marked = (
        name
        for document in unit.documents
        for path in ((), ("spec", "template"))
        for name in _annotations(document, *path)
    )
    return any("linkerd.io/" in name for name in marked) or any(unit.of_kind("ServiceProfile"))


def retry_budget(unit: Unit) -> Policy | None:
    """The re-tries that Linkerd's files allow as a policy, for the laws R6 and R7; None when nothing is re-tried.

    A ServiceProfile re-tries its retryable routes within its budget (ratio 0.2 and 10/s where it gives none).
    """
    for profile in unit.of_kind("ServiceProfile"):
        if any(route.get("isRetryable") for route in profile.each("spec", "routes")):
            told = profile.at("spec", "retryBudget")
            ratio = told.get("retryRatio") if told is not None else None
            least = told.get("minRetriesPerSecond") if told is not None else None
            budget = Budget(
                ratio=float(DEFAULT_BUDGET.ratio if ratio is None else ratio),
                min_per_second=float(DEFAULT_BUDGET.min_per_second if least is None else least),
            )
            return Policy(retry=Retry(max_attempts=2, on=("5xx",), budget=budget))
    return None


def _annotations(document: Node, *path: str) -> dict[str, Node]:
    found = document.at(*path, "metadata", "annotations")
    return dict(found.items()) if found is not None else {}


def _injected(unit: Unit) -> Iterator[Node]:
    """Workloads whose pods get Linkerd's proxy."""
    spaces = {
        space.get("metadata", "name")
        for space in unit.of_kind("Namespace")
        if labels_of(space, "metadata", "annotations").get(INJECT) == "enabled"
    }
    for workload in unit.of_kind(*TEMPLATED):
        told = labels_of(workload, "spec", "template", "metadata", "annotations").get(INJECT)
        if told == "enabled" or (told is None and (workload.get("metadata", "namespace") or "default") in spaces):
            yield workload


def _misplaced(unit: Unit) -> Iterator[Remark]:
    for workload in unit.of_kind("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"):
        for name, node in _annotations(workload).items():
            if name.startswith(ON_PODS):
                reason = (
                    f"annotation `{name}` is misplaced: on the {kind_of(workload)[1]}'s own metadata it does nothing,"
                    " Linkerd reads pod templates and namespaces"
                )
                yield remark(node, reason, "put it under spec.template.metadata.annotations (once)")
    for service in unit.of_kind("Service"):
        for name, node in _annotations(service).items():
            if name.startswith(INJECT):
                yield remark(node, f"annotation `{name}` is misplaced on a Service", "put it on the pod template")


def _on_pod(unit: Unit) -> Iterator[Remark]:
    """Balancer and retry annotations count on the Service, not on pods."""
    for workload in unit.of_kind(*TEMPLATED):
        for path in ((), ("spec", "template")):
            for name, node in _annotations(workload, *path).items():
                if name.startswith(("balancer.linkerd.io/", "retry.linkerd.io/", "timeout.linkerd.io/")):
                    yield remark(
                        node, f"annotation `{name}` is misplaced: it counts on the Service or route", "move it there"
                    )


def _routed(unit: Unit) -> Iterator[Node]:
    yield from unit.of_kind("ServiceProfile", "HTTPRoute", "GRPCRoute")


def _timed(node: Node) -> bool:
    if any(name.startswith("timeout.linkerd.io/") for name in _annotations(node)):
        return True
    rules = [*node.each("spec", "rules"), *node.each("spec", "routes")]
    return bool(rules) and all(rule["timeouts"] is not None or rule["timeout"] is not None for rule in rules)


def _services(unit: Unit) -> Iterator[Node]:
    """Services in front of KATO pods that Linkerd proxies."""
    injected = {id(workload) for workload in _injected(unit)}
    boxes = [box for box in unit.kato() if id(box.workload) in injected]
    yield from (service for service in unit.of_kind("Service") if any(selects(service, box) for box in boxes))


def _unbounded(unit: Unit) -> Iterator[Remark]:
    for place in _unprotected(unit, _timed):
        reason = f"Linkerd bounds nothing by itself: without `{TIMEOUT}` or a route's time-out a call may never end"
        yield remark(place, reason, f"annotate the Service with {TIMEOUT}, or give its HTTPRoute `timeouts`")


def _no_accrual(unit: Unit) -> Iterator[Remark]:
    for place in _unprotected(unit, lambda node: ACCRUAL in _annotations(node)):
        reason = "no failure accrual: Linkerd goes on sending requests to an endpoint that answers nothing but errors"
        yield remark(place, reason, f"annotate the Service with {ACCRUAL}: consecutive")


def _unprotected(unit: Unit, protects: Callable[[Node], bool]) -> Iterator[Node]:
    """Where KATO is proxied and nothing protects it: its Services, or the workload where there is none."""
    routes = list(_routed(unit))
    services = list(_services(unit))
    for service in services:
        if not protects(service) and not any(protects(route) for route in routes):
            yield service
    if not services and not any(protects(route) for route in routes):
        kato = {id(box.workload) for box in unit.kato()}
        yield from (workload for workload in _injected(unit) if id(workload) in kato)


def _post_again(unit: Unit) -> Iterator[Remark]:
    cure = "re-try GET routes only"
    for profile in unit.of_kind("ServiceProfile"):
        for route in profile.each("spec", "routes"):
            method = route.get("condition", "method")
            if route.get("isRetryable") and method not in SAFE_METHODS:
                reason = f"route `{route.get('name')}` ({method or 'any method'}) is re-tried: a POST is sent again"
                yield remark(route["isRetryable"] or route, reason, cure)
    for service in unit.of_kind("Service"):
        for name, node in _annotations(service).items():
            if name.startswith("retry.linkerd.io/http"):
                yield remark(node, f"`{name}` on the Service re-tries every method: a POST is sent again", cure)
    for route in unit.of_kind("HTTPRoute"):
        methods = [match.get("method") for rule in route.each("spec", "rules") for match in rule.each("matches")]
        told = _annotations(route).get(RETRY)
        if told is not None and not (methods and all(method in SAFE_METHODS for method in methods)):
            yield remark(told, f"`{RETRY}` on a route that takes POST: a POST is sent again", cure)


def _generous_budget(unit: Unit) -> Iterator[Remark]:
    for profile in unit.of_kind("ServiceProfile"):
        ratio = profile.at("spec", "retryBudget", "retryRatio")
        if ratio is not None and isinstance(ratio.value, int | float) and ratio.value > DEFAULT_BUDGET.ratio:
            reason = f"a retry budget of {ratio.value:g}: an outage is answered with {1 + ratio.value:g} times the load"
            yield remark(ratio, reason, f"stay at {DEFAULT_BUDGET.ratio:g} or below")


def _try_longer_than_caller(unit: Unit) -> Iterator[Remark]:
    for route in unit.of_kind("HTTPRoute"):
        for rule in route.each("spec", "rules"):
            whole, one = rule.at("timeouts", "request"), rule.at("timeouts", "backendRequest")
            if whole is not None and one is not None and _ns(one) > _ns(whole):
                yield remark(one, "backendRequest is longer than request, so it never ends anything", "make it shorter")


def _ns(node: Node) -> int:
    try:
        return duration.parse(str(node.value))
    except ValueError:
        return 0


RULES = (
    Rule("LINKERD/annotation-misplaced", "an annotation where Linkerd doesn't read it", "gate", _misplaced),
    Rule("LINKERD/annotation-on-pod", "a Service's annotation on pods", "gate", _on_pod),
    Rule("LINKERD/no-timeout", "no time-out: a call may never end", "warn", _unbounded),
    Rule("LINKERD/no-failure-accrual", "no circuit breaking", "warn", _no_accrual),
    Rule("R8/linkerd-post-sent-again", "a POST that is sent again", "gate", _post_again),
    Rule("R6/linkerd-budget", "a generous retry budget", "warn", _generous_budget),
    Rule("T5/linkerd-backend-timeout", "a try that may last longer than the call", "warn", _try_longer_than_caller),
)
