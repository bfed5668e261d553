"""Static findings: policies that Istio's admission refuses, so that they never count."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.manifests import audit

RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: kato, namespace: shop}
spec: {host: kato, %s}
"""
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: kato, namespace: shop}
spec: {hosts: [kato], http: [{%s}]}
"""
REFUSED = (
    "trafficPolicy: {}",
    "trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}",
    "trafficPolicy: {connectionPool: {}}",
    "trafficPolicy: {connectionPool: {http: {idleTimeout: 0s}}}",
    "trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1500us}}}",
    "trafficPolicy: {connectionPool: {tcp: {idleTimeout: 1500us}}}",
    "trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 30s}}}}",
    "trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}",
    "trafficPolicy: {outlierDetection: {interval: 0s}}",
    "trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 3}}",
    "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {}}}}",
    "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65536}}}}",
    "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 5000011}}}}",
    "subsets: [{name: v3, trafficPolicy: {}}]",
    "exportTo: ['~']",
    "exportTo: [shop, '.']",
    "exportTo: [shop, '*']",
    "exportTo: [other], workloadSelector: {matchLabels: {app: client}}",
)
TAKEN = (
    "trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}",
    "trafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s}}}",
    "trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1ms}}}",
    "trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}",
    "trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 0}}",
    "trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 3, splitExternalLocalOriginErrors: true}}",
    "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}}",
    "exportTo: ['*']",
    "exportTo: ['.'], workloadSelector: {matchLabels: {app: client}}",
)
REFUSED_ROUTES = (
    "timeout: 0s, route: [{destination: {host: kato}}]",
    "retries: {attempts: 1, perTryTimeout: 0s}, route: [{destination: {host: kato}}]",
    "fault: {delay: {fixedDelay: 0s}}, route: [{destination: {host: kato}}]",
    "match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}",
)
TAKEN_ROUTES = (
    "timeout: 1ms, route: [{destination: {host: kato}}]",
    "match: [{uri: {prefix: /a}}, {method: {exact: GET}}], redirect: {prefixRewrite: /b}",
)


def refused(folder: Path, text: str) -> bool:
    file = folder / "policy.yaml"
    file.write_text(text, encoding="utf-8")
    return any(found.rule == "I1/refused-by-istio" for found in audit([file]))


@pytest.mark.parametrize("policy", [*REFUSED, *TAKEN])
def test_rules_that_istio_refuses_are_named_and_no_others(policy: str, tmp_path: Path) -> None:
    """A refused DestinationRule never counts, whatever a translation would make of it."""
    assert refused(tmp_path, RULE % policy) is (policy in REFUSED)


@pytest.mark.parametrize("route", [*REFUSED_ROUTES, *TAKEN_ROUTES])
def test_routes_that_istio_refuses_are_named_and_no_others(route: str, tmp_path: Path) -> None:
    """A VirtualService is refused for a time of zero too: "no time-out" is said by leaving it out."""
    assert refused(tmp_path, ROUTE % route) is (route in REFUSED_ROUTES)
