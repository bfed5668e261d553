"""A DestinationRule's load balancing as Envoy's (istio applyLoadBalancer, ApplyRingHashLoadBalancer, loadbalancer)."""

from __future__ import annotations

from typing import Any

from harness.mesh import duration
from harness.mesh.destination_rule import (
    ConsistentHash,
    LoadBalancer,
    LocalityLoadBalancer,
    Warmup,
    ZoneAwareLoadBalancer,
)

Json = dict[str, Any]
_SIMPLE = {"RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}


def envoy_balancing(balancer: LoadBalancer | None) -> Json:
    """`lb_policy` and its settings of a cluster; least request where nothing else is said."""
    told = balancer or LoadBalancer()
    out = _simple(told)
    if told.consistent_hash is not None:
        hashing = _hashing(told.consistent_hash)
        # One `lb_config` has room for one algorithm's settings: the ring's push those of the slow start out.
        out = hashing if len(hashing) > 1 else out | hashing
    # ROUND_ROBIN is the enum's zero and so isn't written.
    return {key: value for key, value in out.items() if value != "ROUND_ROBIN"}


def locality(balancer: LoadBalancer | None, ejects: bool) -> Json:
    """The locality part of `common_lb_config`; fail-over only counts where endpoints can be ejected."""
    told = balancer or LoadBalancer()
    if told.zone_aware_lb_setting is not None:
        return {"zone_aware_lb_config": _zone_aware(told.zone_aware_lb_setting)}
    setting = told.locality_lb_setting or LocalityLoadBalancer()
    if setting.enabled is False:
        return {}
    fails_over = ejects and (setting.failover is not None or setting.failover_priority is not None)
    return {"locality_weighted_lb_config": {}} if fails_over or setting.distribute is not None else {}


def _simple(told: LoadBalancer) -> Json:
    policy = _SIMPLE.get(told.simple or "", "LEAST_REQUEST")
    out: Json = {"lb_policy": policy}
    slow = _slow_start(told)
    if slow and policy != "RANDOM":
        out[f"{policy.lower()}_lb_config"] = {"slow_start_config": slow}
    return out


def _slow_start(told: LoadBalancer) -> Json:
    if told.warmup is not None:
        return _warmup(told.warmup)
    if told.warmup_duration_secs is not None:
        return {"slow_start_window": duration.proto(told.warmup_duration_secs)}
    return {}


def _warmup(warmup: Warmup) -> Json:
    """Istio writes Envoy's own defaults out, with a runtime key that nothing sets."""
    out: Json = {"slow_start_window": duration.proto(warmup.duration)} if warmup.duration is not None else {}
    aggression = 1.0 if warmup.aggression is None else warmup.aggression
    least = 10.0 if warmup.minimum_percent is None else warmup.minimum_percent
    out["aggression"] = ({"default_value": aggression} if aggression else {}) | {"runtime_key": "("}
    out["min_weight_percent"] = {"value": least} if least else {}
    return out


def _hashing(hashed: ConsistentHash) -> Json:
    if hashed.maglev is not None:
        table = hashed.maglev.table_size
        return {"lb_policy": "MAGLEV"} | ({"maglev_lb_config": {"table_size": str(table)}} if table else {})
    ring = hashed.ring_hash.minimum_ring_size if hashed.ring_hash is not None else hashed.minimum_ring_size or 1024
    return {"lb_policy": "RING_HASH"} | ({"ring_hash_lb_config": {"minimum_ring_size": str(ring)}} if ring else {})


def _zone_aware(setting: ZoneAwareLoadBalancer) -> Json:
    out: Json = {} if setting.enabled in (None, True) else {"routing_enabled": {}}
    if setting.min_cluster_size is not None:
        out["min_cluster_size"] = str(setting.min_cluster_size)
    return out
