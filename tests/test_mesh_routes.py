"""Matches, retries and actions: what Istio's control plane makes of a VirtualService (values checked on it)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mesh_yaml import CLUSTER, route, translated, virtual_service

from harness.mesh import Source, load, translate

Json = dict[str, Any]
TYPES = "type.googleapis.com/envoy.extensions.filters.http"


def only_route(**more: Any) -> Json:
    return translated(virtual_service(route(**more))).routes[0]


MATCHES = {
    "exact path": ({"uri": {"exact": "/x"}}, {"path": "/x", "case_sensitive": True}),
    "regex path": ({"uri": {"regex": "/a.+"}}, {"safe_regex": {"regex": "/a.+"}, "case_sensitive": True}),
    "case": ({"uri": {"prefix": "/s"}, "ignoreUriCase": True}, {"prefix": "/s", "case_sensitive": False}),
    "header is there": (
        {"headers": {"x-p": {}}},
        {"prefix": "/", "case_sensitive": True, "headers": [{"name": "x-p", "present_match": True}]},
    ),
    "a star means is there": (
        {"headers": {"x-p": {"regex": "*"}}},
        {"prefix": "/", "case_sensitive": True, "headers": [{"name": "x-p", "present_match": True}]},
    ),
    "without a header": (
        {"withoutHeaders": {"x-w": {"exact": "1"}}},
        {
            "prefix": "/",
            "case_sensitive": True,
            "headers": [
                {
                    "name": "x-w",
                    "string_match": {"exact": "1"},
                    "invert_match": True,
                    "treat_missing_header_as_empty": True,
                }
            ],
        },
    ),
    "authority and scheme": (
        {"authority": {"exact": "a"}, "scheme": {"prefix": "h"}},
        {
            "prefix": "/",
            "case_sensitive": True,
            "headers": [
                {"name": ":authority", "string_match": {"exact": "a"}},
                {"name": ":scheme", "string_match": {"prefix": "h"}},
            ],
        },
    ),
    "query": (
        {"queryParams": {"q": {"exact": "1"}}},
        {
            "prefix": "/",
            "case_sensitive": True,
            "query_parameters": [{"name": "q", "string_match": {"exact": "1"}}],
        },
    ),
}


@pytest.mark.parametrize("name", MATCHES)
def test_a_match_becomes_envoys(name: str) -> None:
    told, expected = MATCHES[name]
    assert only_route(match=[told])["match"] == expected


RETRIES: dict[str, tuple[Json, Json | None]] = {
    "codes get their word": (
        {"attempts": 1, "retryOn": "5xx,503"},
        {"num_retries": 1, "retry_on": "5xx,retriable-status-codes", "retriable_status_codes": [503]},
    ),
    "codes alone": (
        {"attempts": 1, "retryOn": "503,500"},
        {"num_retries": 1, "retry_on": ",retriable-status-codes", "retriable_status_codes": [503, 500]},
    ),
    "a word that is there is not doubled": (
        {"attempts": 1, "retryOn": "retriable-status-codes,429"},
        {"num_retries": 1, "retry_on": "retriable-status-codes", "retriable_status_codes": [429]},
    ),
    "per try and back-off": (
        {"attempts": 2, "retryOn": "5xx", "perTryTimeout": "1500ms", "backoff": "40ms"},
        {
            "num_retries": 2,
            "retry_on": "5xx",
            "per_try_timeout": "1.500s",
            "retry_back_off": {"base_interval": "0.040s"},
        },
    ),
    "none": ({"attempts": 0, "retryOn": "5xx"}, None),
}


@pytest.mark.parametrize("name", RETRIES)
def test_retries_become_envoys(name: str) -> None:
    told, expected = RETRIES[name]
    policy = only_route(retries=told)["route"].get("retry_policy")
    if expected is None:
        assert policy is None
    else:
        assert {key: policy[key] for key in policy if not key.startswith(("host_sel", "retry_host"))} == expected


def test_the_same_host_may_be_met_again_when_told_so() -> None:
    policy = only_route(retries={"attempts": 1, "retryIgnorePreviousHosts": False})["route"]["retry_policy"]
    assert "retry_host_predicate" not in policy


def test_remote_localities_get_their_retry_priority() -> None:
    policy = only_route(retries={"attempts": 1, "retryRemoteLocalities": True})["route"]["retry_policy"]
    assert policy["retry_priority"]["name"] == "envoy.retry_priorities.previous_priorities"
    assert policy["retry_priority"]["typed_config"]["update_frequency"] == 2


ACTIONS: dict[str, tuple[Json, Json]] = {
    "rewrite": ({"rewrite": {"uri": "/r", "authority": "a"}}, {"prefix_rewrite": "/r", "host_rewrite_literal": "a"}),
    "regex rewrite": (
        {"rewrite": {"uriRegexRewrite": {"match": "^/a(.*)", "rewrite": "/b\\1"}}},
        {"regex_rewrite": {"pattern": {"regex": "^/a(.*)"}, "substitution": "/b\\1"}},
    ),
    "mirror of everything": (
        {"mirror": {"host": "kato"}},
        {
            "request_mirror_policies": [
                {
                    "cluster": CLUSTER,
                    "runtime_fraction": {"default_value": {"numerator": 100}},
                    "trace_sampled": False,
                    "disable_shadow_host_suffix_append": True,
                }
            ]
        },
    ),
    "mirrors with a share": (
        {"mirrors": [{"destination": {"host": "kato"}, "percentage": {"value": 12.5}}]},
        {
            "request_mirror_policies": [
                {
                    "cluster": CLUSTER,
                    "runtime_fraction": {"default_value": {"numerator": 125000, "denominator": "MILLION"}},
                    "trace_sampled": False,
                    "disable_shadow_host_suffix_append": True,
                }
            ]
        },
    ),
    "a mirrored share of zero is none": ({"mirror": {"host": "kato"}, "mirrorPercentage": {"value": 0}}, {}),
    "a host header is the authority": (
        {"headers": {"request": {"set": {":authority": "a"}}}},
        {"host_rewrite_literal": "a"},
    ),
}
PLAIN = {"cluster", "timeout", "max_grpc_timeout", "retry_policy"}


@pytest.mark.parametrize("name", ACTIONS)
def test_an_action_becomes_envoys(name: str) -> None:
    told, expected = ACTIONS[name]
    action = only_route(**told)["route"]
    assert {key: action[key] for key in action if key not in PLAIN} == expected


def test_faults_become_filter_settings() -> None:
    fault = {"delay": {"fixedDelay": "2s", "percent": 10}, "abort": {"grpcStatus": "UNAVAILABLE"}}
    assert only_route(fault=fault)["typed_per_filter_config"] == {
        "envoy.filters.http.fault": {
            "@type": f"{TYPES}.fault.v3.HTTPFault",
            "delay": {"fixed_delay": "2s", "percentage": {"numerator": 10}},
            "abort": {"grpc_status": 14},
        }
    }


def test_cors_becomes_filter_settings() -> None:
    cors = {
        "allowOrigins": [{"exact": "https://a"}],
        "allowMethods": ["GET", "POST"],
        "maxAge": "90s",
        "allowCredentials": False,
        "unmatchedPreflights": "IGNORE",
    }
    assert only_route(corsPolicy=cors)["typed_per_filter_config"] == {
        "envoy.filters.http.cors": {
            "@type": f"{TYPES}.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": "https://a"}],
            "allow_methods": "GET,POST",
            "max_age": "90",
            "allow_credentials": False,
            "filter_enabled": {"default_value": {"numerator": 100}},
            "forward_not_matching_preflights": False,
        }
    }


def test_header_operations_keep_their_order_and_leave_pseudo_headers_out() -> None:
    headers = {
        "request": {"set": {"x-b": "1", "x-a": "2", "host": "h"}, "add": {"x-c": "3"}, "remove": ["x-d", ":method"]},
        "response": {"remove": ["server"]},
    }
    out = only_route(headers=headers)
    overwrite = {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    assert out["request_headers_to_add"] == [
        {"header": {"key": "x-a", "value": "2"}, **overwrite},
        {"header": {"key": "x-b", "value": "1"}, **overwrite},
        {"header": {"key": "x-c", "value": "3"}},
    ]
    assert out["request_headers_to_remove"] == ["x-d"]
    assert out["response_headers_to_remove"] == ["server"]


REDIRECTS: dict[str, tuple[Json, Json]] = {
    "uri": ({"uri": "/n"}, {"path_redirect": "/n"}),
    "authority only": ({"authority": "a"}, {"host_redirect": "a", "path_redirect": ""}),
    "code and port": (
        {"uri": "/n", "port": 8080, "redirectCode": 308},
        {"path_redirect": "/n", "port_redirect": 8080, "response_code": "PERMANENT_REDIRECT"},
    ),
    "the scheme's own port": (
        {"uri": "/n", "scheme": "https", "port": 443},
        {"path_redirect": "/n", "scheme_redirect": "https"},
    ),
    "the port asked for": (
        {"uri": "/n", "derivePort": "FROM_REQUEST_PORT"},
        {"path_redirect": "/n", "port_redirect": 19500},
    ),
}


@pytest.mark.parametrize("name", REDIRECTS)
def test_a_redirect_becomes_envoys(name: str) -> None:
    told, expected = REDIRECTS[name]
    assert translated(virtual_service({"redirect": told})).routes[0]["redirect"] == expected


def test_a_direct_response_becomes_envoys() -> None:
    told = {"directResponse": {"status": 503, "body": {"string": "closed"}}}
    assert translated(virtual_service(told)).routes == (
        {"match": {"prefix": "/"}, "direct_response": {"status": 503, "body": {"inline_string": "closed"}}},
    )


def test_nothing_follows_a_route_that_catches_all() -> None:
    catch = route(match=[{"uri": {"prefix": "/"}}, {"uri": {"exact": "/never"}}])
    assert len(translated(virtual_service(route(match=[{"uri": {"exact": "/x"}}]), catch, route())).routes) == 2


def test_a_route_for_other_clients_is_left_out() -> None:
    service = virtual_service(route(match=[{"sourceLabels": {"app": "shop"}}], timeout="1s"), route(timeout="2s"))
    assert [r["route"]["timeout"] for r in translated(service).routes] == ["2s"]
    shop = translated(service, source=Source(labels={"app": "shop"}))
    assert [r["route"]["timeout"] for r in shop.routes] == ["1s"]


@pytest.mark.parametrize("spec", [{"gateways": ["public"]}, {"exportTo": ["elsewhere"]}])
def test_a_virtual_service_for_others_leaves_the_default_route(spec: Json) -> None:
    (default,) = translated(virtual_service(route(timeout="1s"), **spec)).routes
    assert default["name"] == "default"
    assert default["route"]["timeout"] == "0s"


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kato", "namespace": "shop"},
    "spec": {"ports": [{"name": "http", "port": 8000}, {"name": "tcp-x", "port": 9000}], "selector": {"app": "kato"}},
}


def test_services_and_workloads_of_the_files_give_ports_and_endpoints() -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kato", "namespace": "shop"},
        "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "kato"}}}},
    }
    elsewhere = {**deployment, "metadata": {"name": "kato", "namespace": "test"}}
    policy = virtual_service(route(timeout="1s"))
    policy["metadata"]["namespace"] = "shop"
    documents = [node for each in (SERVICE, deployment, elsewhere, policy) for node in load(json.dumps(each), "x.yaml")]
    found = translate(documents)
    assert [(host.host, host.port) for host in found.virtual_hosts] == [("kato.shop.svc.cluster.local", 8000)]
    assert {name: found.size(name) for name in found.clusters} == {
        "outbound|8000||kato.shop.svc.cluster.local": 4,
        "outbound|9000||kato.shop.svc.cluster.local": 4,
    }
