"""A VirtualService's HTTP routes as Envoy's (istio pilot/pkg/networking/core/route/route.go)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.mesh import duration
from harness.mesh.filters import envoy_filters, fraction, hundredths
from harness.mesh.headers import authority, envoy_headers, joined
from harness.mesh.inventory import Source
from harness.mesh.matching import catches_all, envoy_match
from harness.mesh.registry import Registry, envoy_hash
from harness.mesh.retries import envoy_retries
from harness.mesh.virtual_service import (
    Destination,
    HTTPDirectResponse,
    HTTPMatchRequest,
    HTTPRedirect,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    Percent,
)

Json = dict[str, Any]
# 301 is the enum's zero and so isn't written.
_REDIRECTS = {302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}


def envoy_routes(routes: Sequence[HTTPRoute], port: int, source: Source, registry: Registry) -> list[Json]:
    """The routes on a listener port as a client in `source` gets them, in order; after a catch-all none follows."""
    out: list[Json] = []
    for route in routes:
        for match in route.match or (None,):
            if not _concerns(match, port, source):
                continue
            out.append(_route(route, match, port, registry))
            if catches_all(out[-1]["match"]):
                return out
    return out


def default_route(host: str, port: int, registry: Registry) -> Json:
    """What Istio gives a service without VirtualService: no time-out, the default re-tries."""
    action: Json = {"cluster": registry.cluster(Destination(host), port), **_timeouts(None)}
    action["retry_policy"] = envoy_retries(None, hashed=False)
    hashed = registry.service_hash(host, port)
    if hashed is not None and (policy := envoy_hash(hashed)):
        action["hash_policy"] = [policy]
    return {"name": "default", "match": {"prefix": "/"}, "route": action}


def _concerns(match: HTTPMatchRequest | None, port: int, source: Source) -> bool:
    if match is None:
        return True
    if match.port and match.port != port:
        return False
    if match.gateways:
        return "mesh" in match.gateways
    if not (match.source_labels or {}).items() <= source.labels.items():
        return False
    return match.source_namespace in ("", source.namespace)


def _route(route: HTTPRoute, match: HTTPMatchRequest | None, port: int, registry: Registry) -> Json:
    name = route.name + (f".{match.name}" if match and match.name else "")
    out: Json = {"match": envoy_match(match), **envoy_headers(route.headers)}
    if name:
        out["name"] = name
    if match and match.stat_prefix:
        out["stat_prefix"] = match.stat_prefix
    if route.redirect is not None:
        out |= _redirect(route.redirect, port)
    elif route.direct_response is not None:
        out["direct_response"] = _direct(route.direct_response)
    else:
        out["route"] = _action(route, port, registry)
        if len(route.route) == 1:
            own = envoy_headers(route.headers)
            out |= joined(own, envoy_headers(route.route[0].headers))
    if filters := envoy_filters(route):
        out["typed_per_filter_config"] = filters
    return out


def _action(route: HTTPRoute, port: int, registry: Registry) -> Json:
    single = len(route.route) == 1
    hashes = [registry.consistent_hash(to.destination) for to in route.route if single or to.weight]
    rewrite = route.rewrite or HTTPRewrite()
    host = rewrite.authority or authority(route.headers)
    out: Json = {**_timeouts(route.timeout), **_rewritten(rewrite), **_target(route.route, port, registry)}
    if single:
        host = host or authority(route.route[0].headers)
    if host:
        out["host_rewrite_literal"] = host
    if mirrors := _mirrors(route, port, registry):
        out["request_mirror_policies"] = mirrors
    if policies := [policy for hashed in hashes if hashed and (policy := envoy_hash(hashed))]:
        out["hash_policy"] = policies
    retries = envoy_retries(route.retries, hashed=single and hashes[0] is not None)
    if retries is not None:
        out["retry_policy"] = retries
    return out


def _timeouts(timeout: int | None) -> Json:
    """No time-out is 0; it bounds gRPC deadlines too."""
    told = duration.proto(timeout or 0)
    return {"timeout": told, "max_grpc_timeout": told}


def _rewritten(rewrite: HTTPRewrite) -> Json:
    regex = rewrite.uri_regex_rewrite
    if regex is not None:
        return {"regex_rewrite": {"pattern": {"regex": regex.match}, "substitution": regex.rewrite}}
    return {"prefix_rewrite": rewrite.uri} if rewrite.uri else {}


def _target(route: Sequence[HTTPRouteDestination], port: int, registry: Registry) -> Json:
    if len(route) == 1:
        return {"cluster": registry.cluster(route[0].destination, port)}
    weighted = [_weighted(to, port, registry) for to in route if to.weight]
    return {"weighted_clusters": {"clusters": weighted}}


def _weighted(to: HTTPRouteDestination, port: int, registry: Registry) -> Json:
    out: Json = {"name": registry.cluster(to.destination, port), "weight": to.weight, **envoy_headers(to.headers)}
    if host := authority(to.headers):
        out["host_rewrite_literal"] = host
    return out


def _mirrors(route: HTTPRoute, port: int, registry: Registry) -> list[Json]:
    asked: list[tuple[Destination, Json | None]] = []
    if route.mirror is not None:
        asked.append((route.mirror, _mirrored(route.mirror_percentage, route.mirror_percent)))
    asked += [(to.destination, _mirrored(to.percentage, None)) for to in route.mirrors if to.destination]
    return [
        {
            "cluster": registry.cluster(to, port),
            "runtime_fraction": {"default_value": share},
            "trace_sampled": False,
            "disable_shadow_host_suffix_append": True,
        }
        for to, share in asked
        if share is not None
    ]


def _mirrored(percentage: Percent | None, percent: int | None) -> Json | None:
    """The mirrored share; everything when nothing is said, None for an explicit zero."""
    if percentage is not None:
        return fraction(percentage) if percentage.value > 0 else None
    if percent is not None:
        return hundredths(percent) if percent > 0 else None
    return hundredths(100)


def _redirect(redirect: HTTPRedirect, port: int) -> Json:
    out: Json = {"host_redirect": redirect.authority} if redirect.authority else {}
    if redirect.prefix_rewrite:
        out["prefix_rewrite"] = redirect.prefix_rewrite
    else:
        out["path_redirect"] = redirect.uri
    if redirect.scheme:
        out["scheme_redirect"] = redirect.scheme
    target = port if redirect.derive_port == "FROM_REQUEST_PORT" else redirect.port or 0
    if target and (target, redirect.scheme or "http") not in ((80, "http"), (443, "https")):
        out["port_redirect"] = target
    if redirect.redirect_code in _REDIRECTS:
        out["response_code"] = _REDIRECTS[redirect.redirect_code]
    return {"redirect": out}


def _direct(direct: HTTPDirectResponse) -> Json:
    out: Json = {"status": direct.status or 0}
    if direct.body is not None and direct.body.string is not None:
        out["body"] = {"inline_string": direct.body.string}
    elif direct.body is not None and direct.body.bytes is not None:
        out["body"] = {"inline_bytes": direct.body.bytes}
    return out
