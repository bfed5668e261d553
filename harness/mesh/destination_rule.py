"""Istio's DestinationRule as records (istio.io/api networking/v1alpha3/destination_rule.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from harness.mesh.decode import ZERO, Duration, Named, OneOf, Refused, RefusedWords, Unsigned
from harness.mesh.virtual_service import PortSelector

Simple = Literal["UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"]
NO_TLS = "the harness's path is plain TCP, so TLS to the upstream can't be tried"
TLS_MODES = {"SIMPLE": NO_TLS, "MUTUAL": NO_TLS}


@dataclass(frozen=True, slots=True)
class RingHash:
    """Ketama ring."""

    minimum_ring_size: Unsigned = ZERO


@dataclass(frozen=True, slots=True)
class Maglev:
    """Maglev table."""

    table_size: Unsigned = ZERO


@dataclass(frozen=True, slots=True)
class CookieAttribute:
    """An attribute of the cookie that Envoy sets."""

    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class HTTPCookie:
    """The cookie that is hashed; with a `ttl` Envoy sets it."""

    name: str = ""
    path: str = ""
    ttl: Duration | None = None
    attributes: tuple[CookieAttribute, ...] = ()


@dataclass(frozen=True, slots=True)
class ConsistentHash:
    """Stickiness by a hash of something in the request."""

    http_header_name: Annotated[str | None, OneOf("key")] = None
    http_cookie: Annotated[HTTPCookie | None, OneOf("key")] = None
    use_source_ip: Annotated[bool | None, OneOf("key")] = None
    http_query_parameter_name: Annotated[str | None, OneOf("key")] = None
    ring_hash: Annotated[RingHash | None, OneOf("algorithm")] = None
    maglev: Annotated[Maglev | None, OneOf("algorithm")] = None
    minimum_ring_size: Unsigned = ZERO


@dataclass(frozen=True, slots=True)
class Distribute:
    """Shares of traffic from one locality to others."""

    from_: Annotated[str, Named("from")] = ""
    to: Mapping[str, Unsigned] | None = None


@dataclass(frozen=True, slots=True)
class Failover:
    """Where a region's traffic goes when its endpoints are unhealthy."""

    from_: Annotated[str, Named("from")] = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class LocalityLoadBalancer:
    """Locality weights and fail-over; they need outlier detection."""

    distribute: tuple[Distribute, ...] | None = None
    failover: tuple[Failover, ...] | None = None
    failover_priority: tuple[str, ...] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class ZoneAwareLoadBalancer:
    """Envoy's own zone-aware routing."""

    enabled: bool | None = None
    failover: tuple[Failover, ...] = ()
    failover_priority: tuple[str, ...] = ()
    min_cluster_size: Unsigned | None = None


@dataclass(frozen=True, slots=True)
class Warmup:
    """A new endpoint gets its share slowly."""

    duration: Duration | None = None
    minimum_percent: float | None = None
    aggression: float | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """How an endpoint is chosen."""

    simple: Annotated[Simple | None, OneOf("policy")] = None
    consistent_hash: Annotated[ConsistentHash | None, OneOf("policy")] = None
    locality_lb_setting: LocalityLoadBalancer | None = None
    zone_aware_lb_setting: ZoneAwareLoadBalancer | None = None
    warmup_duration_secs: Duration | None = None
    warmup: Warmup | None = None


@dataclass(frozen=True, slots=True)
class TcpKeepalive:
    """Keep-alive probes of the socket."""

    probes: Unsigned = ZERO
    time: Duration | None = None
    interval: Duration | None = None


@dataclass(frozen=True, slots=True)
class TCPSettings:
    """Limits of connections."""

    max_connections: int = 0
    connect_timeout: Duration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: Duration | None = None
    idle_timeout: Duration | None = None


@dataclass(frozen=True, slots=True)
class ConnectionKeepalive:
    """HTTP/2 pings."""

    interval: Duration | None = None
    timeout: Duration | None = None


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """Limits of requests."""

    http1_max_pending_requests: int = 0
    http2_max_requests: int = 0
    max_requests_per_connection: int = 0
    max_retries: int = 0
    idle_timeout: Duration | None = None
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] | None = None
    use_client_protocol: bool = False
    max_concurrent_streams: int = 0
    http2_keep_alive: ConnectionKeepalive | None = None


@dataclass(frozen=True, slots=True)
class ConnectionPool:
    """Connection and request limits: a sidecar's, not the service's."""

    tcp: TCPSettings | None = None
    http: HTTPSettings | None = None


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """When an endpoint is ejected. `consecutive_errors` is deprecated and has no effect, nor have codes of one's own:
    Istio's control plane reads neither."""

    consecutive_errors: int | None = None
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failures: Unsigned | None = None
    consecutive_gateway_errors: Unsigned | None = None
    consecutive_5xx_errors: Unsigned | None = None
    interval: Duration | None = None
    base_ejection_time: Duration | None = None
    max_ejection_percent: int = 0
    min_health_percent: int = 0
    outlier_detection_http_error_codes: tuple[Unsigned, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """TLS to the upstream: only what leaves the path plain, or is Istio's own affair, is accepted."""

    mode: Annotated[Literal["DISABLE", "ISTIO_MUTUAL"] | None, RefusedWords(TLS_MODES)] = None
    client_certificate: Annotated[str | None, Refused(NO_TLS)] = None
    private_key: Annotated[str | None, Refused(NO_TLS)] = None
    ca_certificates: Annotated[str | None, Refused(NO_TLS)] = None
    credential_name: Annotated[str | None, Refused(NO_TLS)] = None
    subject_alt_names: tuple[str, ...] = ()
    sni: str = ""
    insecure_skip_verify: Annotated[bool | None, Refused(NO_TLS)] = None
    ca_crl: Annotated[str | None, Refused(NO_TLS)] = None


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Re-tries as a share of active requests."""

    percent: float | None = None
    min_retry_concurrency: Unsigned = ZERO
    budget_interval: Duration | None = None


@dataclass(frozen=True, slots=True)
class PortTrafficPolicy:
    """The policy of one port; it inherits nothing."""

    port: PortSelector | None = None
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLS | None = None


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """How requests to a host or subset are sent."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLS | None = None
    port_level_settings: tuple[PortTrafficPolicy, ...] = ()
    tunnel: Annotated[str | None, Refused("it only counts for TCP and TLS routes")] = None
    proxy_protocol: Annotated[str | None, Refused("KATO's server doesn't read the PROXY protocol")] = None
    retry_budget: RetryBudget | None = None


@dataclass(frozen=True, slots=True)
class Subset:
    """Endpoints with these labels, perhaps with a policy of their own."""

    name: str = ""
    labels: Mapping[str, str] | None = None
    traffic_policy: TrafficPolicy | None = None


@dataclass(frozen=True, slots=True)
class WorkloadSelector:
    """The clients for which a rule counts."""

    match_labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """What happens to requests after they were routed to `host`."""

    host: str = ""
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    export_to: tuple[str, ...] = ()
    workload_selector: WorkloadSelector | None = None
