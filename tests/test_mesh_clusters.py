"""Load balancing, pools and ejection: what Istio's control plane makes of a DestinationRule (values checked on it)."""

from __future__ import annotations

from typing import Any

import pytest
from mesh_yaml import CLUSTER, HOST, destination_rule, route, translated, virtual_service

Json = dict[str, Any]
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(subset: str = "", **policy: Any) -> Json:
    subsets = [{"name": "gold", "labels": {"tier": "premium"}}]
    rule = destination_rule(trafficPolicy=policy, subsets=subsets) if policy else destination_rule(subsets=subsets)
    return dict(translated(rule).clusters[CLUSTER.replace("||", f"|{subset}|")])


BALANCING: dict[str, tuple[Json, Json]] = {
    "round robin is the zero": ({"simple": "ROUND_ROBIN"}, {}),
    "random": ({"simple": "RANDOM"}, {"lb_policy": "RANDOM"}),
    "least connections is least requests": ({"simple": "LEAST_CONN"}, {"lb_policy": "LEAST_REQUEST"}),
    "ring": (
        {"consistentHash": {"httpHeaderName": "x"}},
        {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": "1024"}},
    ),
    "maglev": (
        {"consistentHash": {"useSourceIp": True, "maglev": {"tableSize": 65537}}},
        {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": "65537"}},
    ),
    "slow start": (
        {"simple": "ROUND_ROBIN", "warmupDurationSecs": "30s"},
        {"round_robin_lb_config": {"slow_start_config": {"slow_start_window": "30s"}}},
    ),
    "warm-up": (
        {"warmup": {"duration": "1m", "aggression": 1.5}},
        {
            "lb_policy": "LEAST_REQUEST",
            "least_request_lb_config": {
                "slow_start_config": {
                    "slow_start_window": "60s",
                    "aggression": {"default_value": 1.5, "runtime_key": "("},
                    "min_weight_percent": {"value": 10},
                }
            },
        },
    ),
}


@pytest.mark.parametrize("name", BALANCING)
def test_load_balancing_becomes_envoys(name: str) -> None:
    told, expected = BALANCING[name]
    found = cluster(loadBalancer=told)
    assert {key: found[key] for key in found if "lb_" in key and key != "common_lb_config"} == expected


def test_stickiness_is_a_hash_policy_and_forgets_the_other_hosts() -> None:
    hashed = {"loadBalancer": {"consistentHash": {"httpCookie": {"name": "c", "ttl": "1h"}}}}
    (found,) = translated(virtual_service(route()), destination_rule(trafficPolicy=hashed)).routes
    assert found["route"]["hash_policy"] == [{"cookie": {"name": "c", "ttl": "3600s"}}]
    assert "retry_host_predicate" not in found["route"]["retry_policy"]


OUTLIERS: dict[str, tuple[Json, Json]] = {
    "gateway errors": (
        {"consecutiveGatewayErrors": 3},
        {"consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100},
    ),
    "zero switches off": (
        {"consecutive5xxErrors": 0},
        {"consecutive_5xx": 0, "enforcing_consecutive_5xx": 0},
    ),
    "failures of our own": (
        {"splitExternalLocalOriginErrors": True, "consecutiveLocalOriginFailures": 4},
        {
            "split_external_local_origin_errors": True,
            "consecutive_local_origin_failure": 4,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_local_origin_success_rate": 0,
        },
    ),
    "the deprecated field does nothing": ({"consecutiveErrors": 3}, {}),
}


@pytest.mark.parametrize("name", OUTLIERS)
def test_outlier_detection_becomes_envoys(name: str) -> None:
    told, expected = OUTLIERS[name]
    assert cluster(outlierDetection=told)["outlier_detection"] == {"enforcing_success_rate": 0, **expected}


def test_own_error_codes_change_nothing() -> None:
    """Istio's control plane (eed52ebb66ad) doesn't read them."""
    own = cluster(outlierDetection={"outlierDetectionHttpErrorCodes": [429], "interval": "10s"})
    assert own == cluster(outlierDetection={"interval": "10s"})


def test_the_least_share_of_healthy_hosts_is_the_panic_threshold() -> None:
    assert cluster(outlierDetection={"minHealthPercent": 30})["common_lb_config"] == {
        "healthy_panic_threshold": {"value": 30}
    }


def test_a_retry_budget_joins_the_thresholds() -> None:
    (threshold,) = cluster(retryBudget={"minRetryConcurrency": 10})["circuit_breakers"]["thresholds"]
    assert threshold["retry_budget"] == {"budget_percent": {"value": 20}, "min_retry_concurrency": 10}


def test_an_upgrade_to_http2_brings_its_limits() -> None:
    http = {"h2UpgradePolicy": "UPGRADE", "maxConcurrentStreams": 10}
    options = cluster(connectionPool={"http": http})["typed_extension_protocol_options"][OPTIONS]
    assert options["explicit_http_config"] == {"http2_protocol_options": {"max_concurrent_streams": 10}}


def test_a_subset_replaces_whole_blocks_and_a_port_replaces_everything() -> None:
    general = {
        "connectionPool": {"tcp": {"maxConnections": 7}},
        "outlierDetection": {"consecutive5xxErrors": 2},
    }
    own = {"connectionPool": {"http": {"maxRetries": 1}}}
    ported = {"portLevelSettings": [{"port": {"number": 19500}, **own}]}
    subsets = [{"name": "a", "trafficPolicy": own}, {"name": "b", "trafficPolicy": ported}]
    clusters = translated(destination_rule(trafficPolicy=general, subsets=subsets)).clusters
    a, b = (clusters[f"outbound|19500|{name}|{HOST}"] for name in "ab")
    assert a["circuit_breakers"] == b["circuit_breakers"]
    assert a["circuit_breakers"]["thresholds"][0]["max_connections"] == 2**32 - 1
    assert "outlier_detection" in a
    assert "outlier_detection" not in b
