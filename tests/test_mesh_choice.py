"""Of several policies for a service one counts, and files say which, or their age would (istio pilot/pkg/model)."""

from __future__ import annotations

from typing import Any

import pytest
from mesh_yaml import CLUSTER, HOST, Json, destination_rule, route, translated, virtual_service

from harness.mesh import ManifestError, Source

WILD = "*.default.svc.cluster.local"


def rule(namespace: str, policy: str, host: str = HOST, **spec: Any) -> Json:
    """A rule that is told by its balancing."""
    document = destination_rule(host=host, trafficPolicy={"loadBalancer": {"simple": policy}}, **spec)
    return document | {"metadata": {"name": f"{namespace}-{policy}", "namespace": namespace}}


def balancing(*rules: Json, source: Source | None = None) -> str:
    """The balancing that a client gets; least request is Istio's own."""
    document = virtual_service(route())
    return str(translated(document, *rules, source=source).clusters[CLUSTER].get("lb_policy", "ROUND_ROBIN"))


CLIENT = Source("shop", {"app": "shop"})
SELECTOR = {"matchLabels": {"app": "shop"}}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((rule("default", "RANDOM"), rule("shop", "ROUND_ROBIN")), "ROUND_ROBIN"),
        ((rule("default", "RANDOM"), rule("shop", "ROUND_ROBIN", WILD)), "ROUND_ROBIN"),
        ((rule("istio-system", "ROUND_ROBIN"), rule("default", "RANDOM", WILD)), "RANDOM"),
        ((rule("istio-system", "RANDOM"),), "RANDOM"),
        ((rule("elsewhere", "RANDOM"),), "LEAST_REQUEST"),
        ((rule("default", "RANDOM", exportTo=["."]),), "LEAST_REQUEST"),
        ((rule("default", "RANDOM", exportTo=["shop"]),), "RANDOM"),
        ((rule("default", "RANDOM", workloadSelector=SELECTOR),), "LEAST_REQUEST"),
        ((rule("shop", "RANDOM"), rule("shop", "ROUND_ROBIN", workloadSelector=SELECTOR)), "ROUND_ROBIN"),
        ((rule("shop", "RANDOM", "*.svc.cluster.local"), rule("shop", "ROUND_ROBIN", WILD)), "ROUND_ROBIN"),
    ],
)
def test_the_clients_namespace_goes_first_then_the_services_then_the_meshs(
    rules: tuple[Json, ...], expected: str
) -> None:
    assert balancing(*rules, source=CLIENT) == expected


@pytest.mark.parametrize(
    "rules",
    [
        (rule("default", "RANDOM", exportTo=["."]), destination_rule(host=HOST, subsets=[{"name": "a"}])),
        (
            rule("default", "RANDOM", workloadSelector={"matchLabels": {"app": "shop"}}),
            rule("default", "ROUND_ROBIN", workloadSelector={"matchLabels": {"tier": "web"}}),
        ),
    ],
)
def test_rules_for_different_clients_are_not_joined(rules: tuple[Json, ...]) -> None:
    with pytest.raises(ManifestError, match="for others: only one of them counts"):
        balancing(*rules, source=Source(labels={"app": "shop", "tier": "web"}))


@pytest.mark.parametrize("turn", [1, -1])
def test_a_host_goes_before_a_wildcard_whatever_stands_first(turn: int) -> None:
    own, wild = virtual_service(route(timeout="1s")), virtual_service(route(timeout="9s"), hosts=[WILD])
    assert [each["route"]["timeout"] for each in translated(*(own, wild)[::turn]).routes] == ["1s"]


def test_a_claim_of_a_token_is_no_header() -> None:
    """Istio matches it against what a JWT filter leaves behind; a header of that name is never sent."""
    match = {"headers": {"@request.auth.claims[group]": {"exact": "premium"}}}
    with pytest.raises(ManifestError, match="JWT"):
        translated(virtual_service(route(match=[match]), route()))
