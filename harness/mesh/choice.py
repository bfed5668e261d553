"""Which VirtualService and DestinationRule count for a service (istio pilot/pkg/model: sidecar.go, push_context.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.errors import Problem
from harness.mesh.destination_rule import DestinationRule
from harness.mesh.inventory import Routing, Rule, Source, matches
from harness.mesh.nodes import ManifestError

ROOT = "istio-system"
"""The namespace whose rules count for the whole mesh."""


def chosen_routing(host: str, routings: Iterable[Routing]) -> Routing | None:
    """The VirtualService of a host: its own before any wildcard's, and the longest wildcard's before others'."""
    found = {pattern: routing for routing in routings for pattern in routing.spec.hosts}
    pattern = _most_specific(host, found)
    return found[pattern] if pattern else None


def chosen_rules(hosts: Iterable[str], rules: Sequence[Rule], client: Source) -> dict[str, DestinationRule]:
    """The one rule of each host; raises ManifestError where only the age of rules decides, which files don't know."""
    out: dict[str, DestinationRule] = {}
    problems: list[Problem] = []
    for host in hosts:
        own = _of_first_namespace(host, rules, client)
        problems += (problem for rule in own[1:] for problem in _conflicts(own[0], rule))
        for rule in own:
            out[host] = _joined(out[host], rule.spec) if host in out else rule.spec
    if problems:
        raise ManifestError(list(dict.fromkeys(problems)))
    return out


def _of_first_namespace(host: str, rules: Sequence[Rule], client: Source) -> list[Rule]:
    """The client's namespace goes before the service's, that before the mesh's, however specific their hosts are."""
    for namespace in (client.namespace, *host.split(".")[1:2], ROOT):
        known = {rule.spec.host for rule in rules if rule.namespace == namespace}
        pattern = _most_specific(host, known)
        if pattern:
            found = [rule for rule in rules if (rule.namespace, rule.spec.host) == (namespace, pattern)]
            return [rule for rule in found if rule.spec.workload_selector is not None] or found
    return []


def _most_specific(host: str, patterns: Iterable[str]) -> str:
    """The host itself, else the longest wildcard that it falls under; "" where there is none."""
    return max((own for own in patterns if matches(own, host)), key=lambda own: (own == host, len(own)), default="")


def _conflicts(first: Rule, second: Rule) -> Iterable[Problem]:
    """What only the age of two rules decides."""
    twice = {own.name for own in first.spec.subsets} & {own.name for own in second.spec.subsets}
    text, also = "", f"of {second.spec.host} also stands in DestinationRule `{first.name}`: only the older one counts"
    if set(first.spec.export_to) != set(second.spec.export_to) or _selected(first) != _selected(second):
        text = f"DestinationRule `{first.name}` is for {second.spec.host} too, for others: only one of them counts"
    elif twice or (first.spec.traffic_policy is not None and second.spec.traffic_policy is not None):
        text = f"subset `{min(twice)}` {also}" if twice else f"`trafficPolicy` {also}"
    if text:
        yield second.node.problem(text, "merge the two rules")


def _selected(rule: Rule) -> Mapping[str, str]:
    selector = rule.spec.workload_selector
    return (selector.match_labels or {}) if selector is not None else {}


def _joined(first: DestinationRule, second: DestinationRule) -> DestinationRule:
    policy = first.traffic_policy if first.traffic_policy is not None else second.traffic_policy
    return replace(first, traffic_policy=policy, subsets=(*first.subsets, *second.subsets))
