"""A translation in another measure of time: every duration times a factor, so that it keeps its proportion to a client
whose own time-outs are scaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.mesh import duration
from harness.mesh.attempts import BASE_BACKOFF
from harness.mesh.translate import Translation

_DURATIONS = frozenset(
    {
        "base_ejection_time",
        "base_interval",
        "budget_interval",
        "connect_timeout",
        "fixed_delay",
        "idle_timeout",
        "interval",
        "max_connection_duration",
        "max_grpc_timeout",
        "per_try_timeout",
        "slow_start_window",
        "timeout",
        "ttl",
        "update_merge_window",
    }
)
"""Envoy's fields that hold durations, as far as Istio writes them."""

_OUTLIER = {"interval": "10s", "base_ejection_time": "30s"}
_MERGING = {"update_merge_window": "1s"}
"""Envoy's defaults of outlier detection, and of how long changes of a cluster's endpoints are gathered."""

LEAST_NS = 1_000_000
"""No duration becomes shorter than a millisecond, Envoy's own measure."""


def scaled(translation: Translation, factor: float) -> Translation:
    """The translation with its durations times `factor`; 0 stays 0, which is Envoy's word for none."""
    if factor == 1.0:
        return translation
    hosts = tuple(
        replace(host, routes=tuple(_times(_explicit_route(route), factor) for route in host.routes))
        for host in translation.virtual_hosts
    )
    clusters = {name: _times(_explicit(cluster), factor) for name, cluster in translation.clusters.items()}
    return replace(translation, virtual_hosts=hosts, clusters=clusters)


def _explicit(cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the defaults that outlier detection rests on written out, for they are scaled too."""
    told, common = cluster.get("outlier_detection"), cluster.get("common_lb_config", {})
    if told is None:
        return cluster
    return {**cluster, "outlier_detection": {**_OUTLIER, **told}, "common_lb_config": {**_MERGING, **common}}


def _explicit_route(route: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the default back-off of its re-tries written out."""
    told = route.get("route", {}).get("retry_policy")
    if told is None or "retry_back_off" in told:
        return route
    backoff = {"base_interval": duration.proto(BASE_BACKOFF)}
    return {**route, "route": {**route["route"], "retry_policy": {**told, "retry_back_off": backoff}}}


def _times(value: Any, factor: float, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _times(inner, factor, name) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_times(inner, factor, key) for inner in value]
    if key in _DURATIONS and isinstance(value, str):
        ns = duration.from_proto(value)
        return duration.proto(max(round(ns * factor), LEAST_NS) if ns else 0)
    return value
