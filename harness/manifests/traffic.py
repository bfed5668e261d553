"""Istio's files by the traffic that they mean: time-outs, re-tries, ejections and ceilings, from the prediction."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from harness.manifests.delegates import sending_routes
from harness.manifests.istio import destination_rules, policies, translation_of, virtual_services
from harness.manifests.kato import CONNECTIONS_PER_WORKER, KEEP_ALIVE_S
from harness.manifests.rules import Remark, Rule, remark, whole
from harness.manifests.unit import Unit
from harness.mesh import duration
from harness.mesh.attempts import Resending, resending, resends
from harness.mesh.ejection import DEFAULT_MAX_PERCENT, ejectable
from harness.mesh.inventory import labels_of, matches, namespace_of, resolve
from harness.mesh.nodes import ManifestError, Node
from harness.mesh.retries import DEFAULT_RETRY_ON
from harness.mesh.translate import Translation

CALLER_NS = 5 * duration.NS
"""What a caller without time-outs of its own gives one request: httpx's default (requests has none at all)."""
GUIDE_NS = 10 * duration.NS
"""The time-out of the integration guide's own client."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@functools.lru_cache(maxsize=1)
def _translated(unit: Unit) -> Translation | None:
    """None where the files are not understood: rule I1 says so."""
    try:
        return translation_of(unit)
    except ManifestError:
        return None


def _routes(unit: Unit) -> Iterator[tuple[Node, Resending]]:
    """Each route that sends requests on, with its limits as Envoy applies them."""
    if _translated(unit) is not None:
        yield from ((route, _limits(route)) for route in sending_routes(unit))


def _rules(unit: Unit) -> Iterator[Node]:
    """The DestinationRules, where everything is understood."""
    return destination_rules(unit) if _translated(unit) is not None else iter(())


def _limits(route: Node) -> Resending:
    """The limits of one route; what its cluster adds doesn't count for these rules."""
    retries = route["retries"]
    policy = {"num_retries": 2, "retry_on": DEFAULT_RETRY_ON}
    if retries is not None:
        words = str(retries.get("retryOn") or DEFAULT_RETRY_ON)
        codes = [int(word) for word in words.split(",") if word.strip().isdigit()]
        joined = words + (",retriable-status-codes" if codes else "")
        policy = {"num_retries": retries.get("attempts") or 0, "retry_on": joined, "retriable_status_codes": codes}
        if retries.get("perTryTimeout"):
            policy["per_try_timeout"] = duration.proto(_ns(retries.get("perTryTimeout")))
    return resending({"timeout": duration.proto(_ns(route.get("timeout"))), "retry_policy": policy}, None)


def _ns(text: object) -> int:
    return duration.parse(str(text)) if text else 0


def _per_try(route: Node) -> int:
    """As written: Envoy ignores it where the route leaves no room."""
    return _ns(route.get("retries", "perTryTimeout"))


def _endless(unit: Unit) -> Iterator[Remark]:
    for route, limits in _routes(unit):
        if not limits.route_ns:
            names = ", ".join(
                str(to.get("destination", "subset") or to.get("destination", "host")) for to in route.each("route")
            )
            reason = f"the route to {names} has no `timeout`: without one Envoy waits for ever, so a call may never end"
            yield remark(route, reason, "give every route a `timeout`")


def _tries_do_not_fit(unit: Unit) -> Iterator[Remark]:
    for route, limits in _routes(unit):
        tries, each = limits.retries + 1, _per_try(route)
        if limits.retries and each and limits.route_ns and tries * each > limits.route_ns:
            total = duration.words(tries * each)
            reason = (
                f"{tries} x {duration.words(each)} = {total} > {duration.words(limits.route_ns)}: the time-out of the"
                " route ends the call before its last tries start"
            )
            node = route.at("retries", "perTryTimeout") or route
            yield remark(node, reason, "timeout >= (1 + attempts) x perTryTimeout + back-off")


def _caller_gives_up_first(unit: Unit) -> Iterator[Remark]:
    for route, limits in _routes(unit):
        each = _per_try(route)
        if limits.retries and each >= CALLER_NS:
            also = f" and the guide's own client after {duration.words(GUIDE_NS)}" if each >= GUIDE_NS else ""
            reason = (
                f"perTryTimeout {duration.words(each)} is not below the caller's time-out: httpx gives up after"
                f" {duration.words(CALLER_NS)} by default{also}, so re-tries on slowness never happen"
            )
            cure = "perTryTimeout < timeout < the caller's time-out"
            yield remark(route.at("retries", "perTryTimeout") or route, reason, cure)
        elif limits.route_ns >= CALLER_NS:
            reason = (
                f"timeout {duration.words(limits.route_ns)} is not below the caller's time-out (httpx:"
                f" {duration.words(CALLER_NS)} by default): the caller leaves first and the mesh works for nobody"
            )
            yield remark(route["timeout"] or route, reason, "timeout < the caller's time-out")


def _post_again(unit: Unit) -> Iterator[Remark]:
    for route, limits in _routes(unit):
        again = [str(failure) for failure in (500, 503, "reset") if limits.retries and resends(limits, failure)]
        if again and _takes_posts(route):
            reason = (
                f"POST is sent again after {', '.join(again)}, up to {limits.retries + 1} times in all: KATO honours no"
                " idempotency key, and an observe whose answer was lost is then committed twice"
            )
            cure = "re-try GET only (a route with `method: {exact: GET}`), or only on connect-failure,refused-stream"
            yield remark(route.at("retries", "retryOn") or route.at("retries") or route, reason, cure)


def _takes_posts(route: Node) -> bool:
    matches = list(route.each("match"))
    methods = [match.get("method", "exact") for match in matches]
    return not matches or not all(method in SAFE_METHODS for method in methods)


def _no_cap(unit: Unit) -> Iterator[Remark]:
    translation = _translated(unit)
    for route in translation.routes if translation is not None else ():
        action = route.get("route", {})
        limits = resending(action, None)
        named = [
            action.get("cluster"),
            *(each["name"] for each in action.get("weighted_clusters", {}).get("clusters", ())),
        ]
        for name in named if limits.retries and resends(limits, 503) else ():
            cluster = translation.clusters.get(name) if translation is not None else None
            threshold = cluster["circuit_breakers"]["thresholds"][0] if cluster else {}
            if cluster and threshold["max_retries"] == 2**32 - 1 and "retry_budget" not in threshold:
                place = next((_pool(rule) for rule in destination_rules(unit)), None) or next(virtual_services(unit))
                reason = f"no cap on re-tries to {name}: in an outage every call is sent {limits.retries + 1} times"
                yield remark(place, reason, "set connectionPool.http.maxRetries or trafficPolicy.retryBudget")
                return


def _pool(rule: Node) -> Node:
    return rule.at("spec", "trafficPolicy", "connectionPool", "http") or rule.at("spec", "trafficPolicy") or rule


def _ejects_nobody(unit: Unit) -> Iterator[Remark]:
    translation = _translated(unit)
    for rule in _rules(unit):
        told: set[str] = set()
        for cluster, hosts in _sizes(translation, rule):
            outlier = _outlier(rule, cluster.split("|")[2])
            if outlier is not None and outlier.where not in told:
                found = _too_few(outlier, hosts)
                told |= {outlier.where} if found else set()
                yield from found


def _sizes(translation: Translation | None, rule: Node) -> list[tuple[str, int]]:
    """The clusters of a rule's host with their endpoints, as far as the unit's workloads give them."""
    if translation is None:
        return []
    host = resolve(str(rule.get("spec", "host")), namespace_of(rule))
    return [(name, translation.size(name)) for name in translation.clusters if matches(host, name.split("|")[3])]


def _outlier(rule: Node, subset: str) -> Node | None:
    """The ejection rules of a subset: its own, else the host's."""
    for own in rule.each("spec", "subsets"):
        node = own.at("trafficPolicy", "outlierDetection")
        if own.get("name") == subset and node is not None:
            return node
    return rule.at("spec", "trafficPolicy", "outlierDetection")


def _too_few(outlier: Node, hosts: int) -> list[Remark]:
    given = whole(outlier, "maxEjectionPercent", 0)
    percent = given or DEFAULT_MAX_PERCENT
    if hosts and not ejectable(hosts, percent):
        told = "maxEjectionPercent" if given else "maxEjectionPercent by default"
        reason = (
            f"ejects nobody: one of {hosts} endpoints is {100 / hosts:.0f} %, more than the {percent} % of {told}; a"
            " bad endpoint goes on getting its share"
        )
        return [remark(outlier, reason, f"set maxEjectionPercent to at least {-(-100 // hosts)}")]
    if not hosts and not given:
        reason = "maxEjectionPercent is 10 by default: with fewer than 10 endpoints nobody is ever ejected"
        return [remark(outlier, reason, "set maxEjectionPercent to at least 100 / endpoints")]
    return []


def _no_ejection(unit: Unit) -> Iterator[Remark]:
    for rule in _rules(unit):
        if not any(policy["outlierDetection"] for policy in policies(rule)):
            reason = "no outlierDetection: a bad endpoint goes on getting its share for ever"
            yield remark(
                rule.at("spec", "trafficPolicy") or rule, reason, "add outlierDetection with maxEjectionPercent"
            )


def _idle_race(unit: Unit) -> Iterator[Remark]:
    for rule in _rules(unit):
        policy = rule.at("spec", "trafficPolicy")
        idle = policy.at("connectionPool", "http", "idleTimeout") if policy is not None else None
        if idle is None or _ns(idle.value) >= KEEP_ALIVE_S * duration.NS:
            told = f"idleTimeout {idle.value}" if idle is not None else "no idleTimeout (Envoy: 1 h)"
            reason = (
                f"{told}, and KATO closes idle connections after {KEEP_ALIVE_S} s: a POST sent at that moment is lost"
                " with a 503"
            )
            yield remark(idle or policy or rule, reason, "set connectionPool.http.idleTimeout to 3s")


def _pool_above_server(unit: Unit) -> Iterator[Remark]:
    for rule in _rules(unit):
        limit = rule.at("spec", "trafficPolicy", "connectionPool", "tcp", "maxConnections")
        for container in unit.kato():
            told = container.says("KATO_LIMIT_CONCURRENCY")
            each = int(told) if told and told.isdigit() else CONNECTIONS_PER_WORKER
            room = (each - 1) * container.workers * container.replicas
            if limit is not None and isinstance(limit.value, int) and limit.value > room:
                reason = (
                    f"maxConnections {limit.value} a client, and all of KATO takes {room}: the rest is answered 503"
                )
                yield remark(limit, reason, "stay below (KATO_LIMIT_CONCURRENCY - 1) x workers x replicas / clients")


def _unreachable_pods(unit: Unit) -> Iterator[Remark]:
    """Pods that no subset takes, where every route names a subset."""
    subsets = [labels_of(each, "labels") for rule in destination_rules(unit) for each in rule.each("spec", "subsets")]
    named = [to.get("destination", "subset") for route, _ in _routes(unit) for to in route.each("route")]
    if not subsets or not named or not all(named):
        return
    for container in unit.kato():
        if not any(labels.items() <= container.pod_labels.items() for labels in subsets):
            reason = "every route names a subset, and these pods are in none: they get no requests"
            yield remark(container.workload, reason, "label the pod template for one of the subsets")


RULES = (
    Rule("I3/route-without-timeout", "a route without time-out", "gate", _endless),
    Rule("T5/tries-do-not-fit", "more tries than the route's time-out has room for", "warn", _tries_do_not_fit),
    Rule("T4/caller-gives-up-first", "a caller's time-out not above the mesh's", "gate", _caller_gives_up_first),
    Rule("R8/post-sent-again", "a POST that is sent again", "gate", _post_again),
    Rule("R6/no-retry-cap", "re-tries without a cap", "warn", _no_cap),
    Rule("I4/ejects-nobody", "outlier detection that can eject nobody", "gate", _ejects_nobody),
    Rule("I4/no-ejection", "no outlier detection", "warn", _no_ejection),
    Rule("I7/idle-race", "idle connections kept longer than KATO keeps them", "warn", _idle_race),
    Rule("P3/pool-above-server", "more connections than KATO takes", "warn", _pool_above_server),
    Rule("I5/pods-without-subset", "pods that no route reaches", "warn", _unreachable_pods),
)
