"""A translation as a whole Envoy bootstrap: a loopback listener, static endpoints, logs of requests and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UsageError
from harness.mesh.inventory import DOMAIN
from harness.mesh.translate import Translation, VirtualHost

Json = dict[str, Any]
LOOPBACK = "127.0.0.1"
_TYPES = "type.googleapis.com/envoy"
_LOGGED = {
    "start_ns": "%START_TIME(%s%9f)%",
    "method": "%REQ(:METHOD)%",
    "path": "%REQ(:PATH)%",
    "call": "%REQ(X-KATO-ATTEMPT)%",
    "route": "%ROUTE_NAME%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "try": "%REQ(X-ENVOY-ATTEMPT-COUNT)%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "duration_ms": "%DURATION%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "upstream": "%UPSTREAM_HOST%",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one replica really listens, with the labels that subsets choose by."""

    address: str
    port: int
    labels: Mapping[str, str] = field(default_factory=dict)


def envoy_config(
    translation: Translation,
    endpoints: Sequence[Endpoint],
    listener_port: int,
    admin_port: int,
    *,
    request_log: str = "/dev/null",
    attempt_log: str = "/dev/null",
) -> Json:
    """A bootstrap (JSON, Envoy v3 API) that does to requests on 127.0.0.1:`listener_port` what the sidecar would.

    The first host's routes also serve any other authority, since clients here call the loopback address. Routes are
    named by their place in `translation.routes`. The files `request_log` and `attempt_log` get one JSON line a request
    and one an attempt. Raises UsageError for PASSTHROUGH,
    which sends to addresses that only exist in a cluster.
    """
    clusters = [_static(name, cluster, translation, endpoints) for name, cluster in translation.clusters.items()]
    return {
        "admin": {"address": _socket(LOOPBACK, admin_port)},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _runtime()}]},
        "static_resources": {
            "listeners": [_listener(translation, listener_port, request_log, attempt_log)],
            "clusters": clusters,
        },
    }


def members(translation: Translation, cluster: str, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The endpoints of a cluster: those that carry its subset's labels."""
    labels = translation.members.get(cluster, {})
    return tuple(endpoint for endpoint in endpoints if labels.items() <= endpoint.labels.items())


def _static(name: str, cluster: Mapping[str, Any], translation: Translation, endpoints: Sequence[Endpoint]) -> Json:
    """The same cluster with its endpoints written in, where the sidecar asks the control plane for them."""
    if cluster["type"] != "EDS":
        what = f"cluster {name} sends requests to the address the client asked for (PASSTHROUGH)"
        raise UsageError(what, "choose another `loadBalancer.simple`: the harness has no such addresses")
    addresses = [
        {"endpoint": {"address": _socket(endpoint.address, endpoint.port)}}
        for endpoint in members(translation, name, endpoints)
    ]
    own = {key: value for key, value in cluster.items() if key != "eds_cluster_config"}
    assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": addresses}] if addresses else []}
    return {**own, "type": "STATIC", "load_assignment": assignment}


def _listener(translation: Translation, port: int, request_log: str, attempt_log: str) -> Json:
    manager: Json = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "client",
        "codec_type": "AUTO",
        # Istio's sidecars have no idle limit of a stream, only the route's own time-outs.
        "stream_idle_timeout": "0s",
        "normalize_path": True,
        "access_log": [_log(request_log)],
        "route_config": _route_config(translation),
        "http_filters": [
            _filter("envoy.filters.http.fault", "fault.v3.HTTPFault"),
            _filter("envoy.filters.http.cors", "cors.v3.Cors"),
            _filter("envoy.filters.http.router", "router.v3.Router", upstream_log=[_log(attempt_log)]),
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": "client", "address": _socket(LOOPBACK, port), "filter_chains": [chain]}


def _route_config(translation: Translation) -> Json:
    hosts: list[Json] = []
    known, taken = 0, set[str]()
    for host in translation.virtual_hosts:
        names = _names(host.host)
        hosts.append(_virtual_host(host, known, names, taken))
        known += len(host.routes)
        taken.update(names)
    # A sidecar learns of missing clusters at run time and answers 503; a static configuration would not start.
    return {"name": "client", "validate_clusters": False, "virtual_hosts": hosts}


def _names(host: str) -> list[str]:
    """A host as clients write it: of a service also its short names."""
    if not host.endswith(f".{DOMAIN}"):
        return [host]
    name, namespace, *_ = host.split(".")
    return [host, name, f"{name}.{namespace}", f"{name}.{namespace}.svc"]


def _virtual_host(host: VirtualHost, before: int, names: list[str], taken: set[str]) -> Json:
    """`before`: how many routes stand in hosts before it; a name without a port is the first one's that has it."""
    bare = [name for name in names if name not in taken]
    domains = [*bare, *(f"{name}:{host.port}" for name in names)]
    return {
        "name": f"{host.host}:{host.port}",
        "domains": domains if before else ["*", *domains],
        "routes": [{**route, "name": str(before + index)} for index, route in enumerate(host.routes)],
        "include_request_attempt_count": True,
    }


def _filter(name: str, kind: str, **settings: Any) -> Json:
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.{kind}", **settings}}


def _log(path: str) -> Json:
    settings = {
        "@type": f"{_TYPES}.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {"json_format": _LOGGED},
    }
    return {"name": "envoy.access_loggers.file", "typed_config": settings}


def _runtime() -> Json:
    """As in Istio's bootstrap: long expressions are no error, and connections to the client have no ceiling."""
    return {"re2.max_program_size.error_level": 32768, "overload.global_downstream_max_connections": 2**31 - 1}


def _socket(address: str, port: int) -> Json:
    return {"socket_address": {"address": address, "port_value": port}}
