"""Which service, subset, policy and hash a destination means (istio GetDestinationCluster, HashForHTTPDestination)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.mesh import duration
from harness.mesh.destination_rule import ConsistentHash, DestinationRule, PortTrafficPolicy, TrafficPolicy
from harness.mesh.inventory import Service
from harness.mesh.virtual_service import Destination

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registry:
    """Services by FQDN and the one DestinationRule that counts for each."""

    services: Mapping[str, Service]
    rules: Mapping[str, DestinationRule]

    def rule(self, host: str) -> DestinationRule | None:
        """The rule that counts for a known host."""
        return self.rules.get(host)

    def cluster(self, to: Destination, listener_port: int) -> str:
        """The name of Envoy's cluster for a destination asked for on a listener's port.

        A destination without a port means the listener's, even where its service has only another one.
        """
        told = to.port.number if to.port is not None else None
        return cluster_name(to.host, listener_port if told is None else told, to.subset)

    def consistent_hash(self, to: Destination) -> ConsistentHash | None:
        """The hash of a route to `to`: subset before host, a port's own settings before the general ones."""
        rule = self.rule(to.host)
        if rule is None:
            return None
        subset = next((subset for subset in rule.subsets if subset.name == to.subset), None)
        policies = [subset.traffic_policy if subset else None, rule.traffic_policy]
        port = to.port.number if to.port is not None else None
        for policy in policies:
            found = (_port_hash(policy, port) if port else None) or _hash(policy)
            if found is not None:
                return found
        return None

    def service_hash(self, host: str, port: int) -> ConsistentHash | None:
        """The hash of the default route of a service without VirtualService."""
        rule = self.rule(host)
        policy = rule.traffic_policy if rule is not None else None
        return _port_hash(policy, port) or _hash(policy)


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Istio's name for an outbound cluster."""
    return f"outbound|{port}|{subset}|{host}"


def envoy_hash(hashed: ConsistentHash) -> Json | None:
    """Envoy's hash policy; None when nothing is hashed."""
    if hashed.http_header_name is not None:
        return {"header": {"header_name": hashed.http_header_name}}
    if hashed.http_cookie is not None:
        return {"cookie": _cookie(hashed)}
    if hashed.use_source_ip is not None:
        return {"connection_properties": {"source_ip": True} if hashed.use_source_ip else {}}
    if hashed.http_query_parameter_name is not None:
        return {"query_parameter": {"name": hashed.http_query_parameter_name}}
    return None


def port_settings(settings: Sequence[PortTrafficPolicy], port: int) -> PortTrafficPolicy | None:
    """The first settings for a port."""
    return next((own for own in settings if own.port is not None and own.port.number == port), None)


def _cookie(hashed: ConsistentHash) -> Json:
    cookie = hashed.http_cookie
    assert cookie is not None
    out: Json = {"name": cookie.name}
    if cookie.ttl is not None:
        out["ttl"] = duration.proto(cookie.ttl)
    if cookie.path:
        out["path"] = cookie.path
    if cookie.attributes:
        out["attributes"] = [
            {"name": own.name, "value": own.value} if own.value else {"name": own.name} for own in cookie.attributes
        ]
    return out


def _hash(policy: TrafficPolicy | PortTrafficPolicy | None) -> ConsistentHash | None:
    balancer = policy.load_balancer if policy is not None else None
    return balancer.consistent_hash if balancer is not None else None


def _port_hash(policy: TrafficPolicy | None, port: int) -> ConsistentHash | None:
    return _hash(port_settings(policy.port_level_settings, port)) if policy is not None else None
