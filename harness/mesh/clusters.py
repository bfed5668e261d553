"""A service and its DestinationRule as Envoy's clusters (istio pilot/pkg/networking/core: cluster_traffic_policy)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.mesh import duration
from harness.mesh.balancing import envoy_balancing, locality
from harness.mesh.destination_rule import (
    ConnectionPool,
    DestinationRule,
    HTTPSettings,
    OutlierDetection,
    PortTrafficPolicy,
    RetryBudget,
    TcpKeepalive,
    TCPSettings,
    TrafficPolicy,
)
from harness.mesh.inventory import Service
from harness.mesh.ports import Port
from harness.mesh.registry import cluster_name, port_settings

Json = dict[str, Any]
UNLIMITED = 2**32 - 1
CONNECT_TIMEOUT = "10s"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def envoy_clusters(service: Service, rule: DestinationRule | None) -> dict[str, Json]:
    """Every cluster of a service: one a port, and one a port and subset."""
    told = rule or DestinationRule()
    out: dict[str, Json] = {}
    for port in (port for port in service.ports if port.protocol != "udp"):
        general, _ = _at_port(told.traffic_policy, port.number)
        passthrough = _passes_through(general)
        name = cluster_name(service.host, port.number)
        out[name] = _cluster(name, port, general, passthrough)
        for subset in told.subsets:
            merged = _overridden(general, subset.traffic_policy, port.number)
            name = cluster_name(service.host, port.number, subset.name)
            own = subset.traffic_policy is not None and _passes_through(subset.traffic_policy)
            out[name] = _cluster(name, port, merged, passthrough or own or _passes_through(merged))
    return out


def _passes_through(policy: TrafficPolicy) -> bool:
    return policy.load_balancer is not None and policy.load_balancer.simple == "PASSTHROUGH"


def _at_port(policy: TrafficPolicy | None, port: int) -> tuple[TrafficPolicy, bool]:
    """The policy for a port, and whether it is the port's own: that one inherits nothing."""
    told = policy or TrafficPolicy()
    own = port_settings(told.port_level_settings, port)
    return (_of_port(own), True) if own is not None else (told, False)


def _of_port(own: PortTrafficPolicy) -> TrafficPolicy:
    return TrafficPolicy(
        load_balancer=own.load_balancer,
        connection_pool=own.connection_pool,
        outlier_detection=own.outlier_detection,
        tls=own.tls,
    )


def _overridden(general: TrafficPolicy, subset: TrafficPolicy | None, port: int) -> TrafficPolicy:
    """A subset's blocks replace the host's whole blocks; a port's own settings replace all four of them."""
    if subset is None:
        return general
    own, whole = _at_port(subset, port)
    return replace(
        general,
        port_level_settings=(),
        connection_pool=own.connection_pool if own.connection_pool or whole else general.connection_pool,
        outlier_detection=own.outlier_detection if own.outlier_detection or whole else general.outlier_detection,
        load_balancer=own.load_balancer if own.load_balancer or whole else general.load_balancer,
        tls=own.tls if own.tls or whole else general.tls,
        retry_budget=own.retry_budget or general.retry_budget,
    )


def _cluster(name: str, port: Port, policy: TrafficPolicy, passthrough: bool) -> Json:
    pool = policy.connection_pool or ConnectionPool()
    tcp, http = pool.tcp or TCPSettings(), pool.http or HTTPSettings()
    outlier = policy.outlier_detection
    out: Json = {
        "name": name,
        "alt_stat_name": f"{name};",
        "connect_timeout": CONNECT_TIMEOUT if tcp.connect_timeout is None else duration.proto(tcp.connect_timeout),
        "circuit_breakers": {"thresholds": [_thresholds(tcp, http, policy.retry_budget)]},
        "common_lb_config": {"healthy_panic_threshold": _panic(outlier)}
        | locality(policy.load_balancer, ejects=outlier is not None),
    }
    out |= _discovery(name, policy, passthrough)
    if outlier is not None:
        out["outlier_detection"] = _outlier(outlier)
    if tcp.tcp_keepalive is not None:
        out["upstream_connection_options"] = {"tcp_keepalive": _keepalive(tcp.tcp_keepalive)}
    if options := _http_options(port, tcp, http):
        out["typed_extension_protocol_options"] = {_OPTIONS: {"@type": f"type.googleapis.com/{_OPTIONS}", **options}}
    return out


def _discovery(name: str, policy: TrafficPolicy, passthrough: bool) -> Json:
    if passthrough:
        return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED"}
    source = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
    eds = {"eds_config": source, "service_name": name}
    return {"type": "EDS", "eds_cluster_config": eds, **envoy_balancing(policy.load_balancer)}


def _thresholds(tcp: TCPSettings, http: HTTPSettings, budget: RetryBudget | None) -> Json:
    """Zero can't be told from absent in Istio's messages, so it means no limit as well."""
    out: Json = {
        "max_connections": tcp.max_connections if tcp.max_connections > 0 else UNLIMITED,
        "max_pending_requests": http.http1_max_pending_requests if http.http1_max_pending_requests > 0 else UNLIMITED,
        "max_requests": http.http2_max_requests if http.http2_max_requests > 0 else UNLIMITED,
        "max_retries": http.max_retries if http.max_retries > 0 else UNLIMITED,
    }
    if budget is not None:
        out["retry_budget"] = _budget(budget)
    return out


def _budget(budget: RetryBudget) -> Json:
    percent = 20.0 if budget.percent is None else budget.percent
    out: Json = {"budget_percent": {"value": percent} if percent else {}}
    out["min_retry_concurrency"] = budget.min_retry_concurrency or 3
    if budget.budget_interval is not None:
        out["budget_interval"] = duration.proto(budget.budget_interval)
    return out


def _panic(outlier: OutlierDetection | None) -> Json:
    """Istio switches Envoy's panic mode off unless `minHealthPercent` asks for it."""
    least = outlier.min_health_percent if outlier is not None else 0
    return {"value": least} if least > 0 else {}


def _outlier(outlier: OutlierDetection) -> Json:
    out: Json = {"enforcing_success_rate": 0}
    for ours, theirs, enforcing in (
        (outlier.consecutive_5xx_errors, "consecutive_5xx", "enforcing_consecutive_5xx"),
        (outlier.consecutive_gateway_errors, "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure"),
    ):
        if ours is not None:
            out |= {theirs: ours, enforcing: 100 if ours else 0}
    if outlier.interval is not None:
        out["interval"] = duration.proto(outlier.interval)
    if outlier.base_ejection_time is not None:
        out["base_ejection_time"] = duration.proto(outlier.base_ejection_time)
    if outlier.max_ejection_percent > 0:
        out["max_ejection_percent"] = outlier.max_ejection_percent
    return out | (_local_origin(outlier) if outlier.split_external_local_origin_errors else {})


def _local_origin(outlier: OutlierDetection) -> Json:
    out: Json = {"split_external_local_origin_errors": True, "enforcing_local_origin_success_rate": 0}
    if outlier.consecutive_local_origin_failures:
        out["consecutive_local_origin_failure"] = outlier.consecutive_local_origin_failures
        out["enforcing_consecutive_local_origin_failure"] = 100
    return out


def _keepalive(keepalive: TcpKeepalive) -> Json:
    out: Json = {"keepalive_probes": keepalive.probes} if keepalive.probes else {}
    if keepalive.time is not None:
        out["keepalive_time"] = keepalive.time // duration.NS
    if keepalive.interval is not None:
        out["keepalive_interval"] = keepalive.interval // duration.NS
    return out


def _http_options(port: Port, tcp: TCPSettings, http: HTTPSettings) -> Json:
    """HttpProtocolOptions; empty where Istio writes none, and then Envoy speaks HTTP/1.1 without limits."""
    common = _common(tcp, http)
    http2 = port.protocol == "http2" or (http.h2_upgrade_policy == "UPGRADE" and not http.use_client_protocol)
    # Stream limit and pings only count for HTTP/2, yet giving them makes Istio write the options.
    asked = bool(http.max_concurrent_streams > 0 or http.http2_keep_alive is not None)
    sniffed = port.protocol == "auto" or http.use_client_protocol
    if not (common or asked or http2 or sniffed):
        return {}
    out: Json = {"common_http_protocol_options": common} if common or asked else {}
    if sniffed:
        out["use_downstream_protocol_config"] = {"http_protocol_options": {}, "http2_protocol_options": {}}
    elif http2:
        out["explicit_http_config"] = {"http2_protocol_options": _http2(http)}
    else:
        out["explicit_http_config"] = {"http_protocol_options": {}}
    return out


def _common(tcp: TCPSettings, http: HTTPSettings) -> Json:
    out: Json = {}
    idle = http.idle_timeout if http.idle_timeout is not None else tcp.idle_timeout
    if idle is not None:
        out["idle_timeout"] = duration.proto(idle)
    if http.max_requests_per_connection > 0:
        out["max_requests_per_connection"] = http.max_requests_per_connection
    if tcp.max_connection_duration is not None:
        out["max_connection_duration"] = duration.proto(tcp.max_connection_duration)
    return out


def _http2(http: HTTPSettings) -> Json:
    out: Json = {"max_concurrent_streams": http.max_concurrent_streams} if http.max_concurrent_streams > 0 else {}
    keepalive = http.http2_keep_alive
    if keepalive is not None:
        pings = (("interval", keepalive.interval), ("timeout", keepalive.timeout))
        out["connection_keepalive"] = {key: duration.proto(ns) for key, ns in pings if ns is not None}
    return out
