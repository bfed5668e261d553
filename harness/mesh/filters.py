"""Faults and CORS of a route as Envoy's per-route filter settings (istio TranslateFault, TranslateCORSPolicy)."""

from __future__ import annotations

from typing import Any, get_args

from harness.mesh import duration
from harness.mesh.matching import string_match
from harness.mesh.virtual_service import Abort, CorsPolicy, Delay, GrpcStatus, HTTPFaultInjection, HTTPRoute, Percent

Json = dict[str, Any]
_TYPES = "type.googleapis.com/envoy.extensions.filters.http"


def envoy_filters(route: HTTPRoute) -> Json:
    """`typed_per_filter_config` of a route; empty when it has neither faults nor CORS."""
    out: Json = {}
    if route.fault is not None:
        out["envoy.filters.http.fault"] = _fault(route.fault)
    if route.cors_policy is not None:
        out["envoy.filters.http.cors"] = _cors(route.cors_policy)
    return out


def fraction(percent: Percent) -> Json:
    """A percentage in millionths, cut off as Istio cuts it; protobuf's JSON leaves a zero out."""
    numerator = int(percent.value * 10_000)
    return {"numerator": numerator, "denominator": "MILLION"} if numerator else {"denominator": "MILLION"}


def hundredths(percent: int) -> Json:
    """A whole percentage; HUNDRED is the enum's zero and so isn't written."""
    return {"numerator": percent} if percent else {}


def _fault(fault: HTTPFaultInjection) -> Json:
    out: Json = {"@type": f"{_TYPES}.fault.v3.HTTPFault"}
    if fault.delay is not None and fault.delay.fixed_delay is not None:
        out["delay"] = _delay(fault.delay, fault.delay.fixed_delay)
    if fault.abort is not None and (fault.abort.http_status, fault.abort.grpc_status) != (None, None):
        out["abort"] = _abort(fault.abort)
    return out


def _delay(delay: Delay, fixed: int) -> Json:
    percentage = fraction(delay.percentage) if delay.percentage else hundredths(delay.percent)
    return {"fixed_delay": duration.proto(fixed), "percentage": percentage}


def _abort(abort: Abort) -> Json:
    if abort.http_status is not None:
        out: Json = {"http_status": abort.http_status}
    else:
        code = get_args(GrpcStatus).index(abort.grpc_status)
        out = {"grpc_status": code}
    if abort.percentage is not None:
        out["percentage"] = fraction(abort.percentage)
    return out


def _cors(cors: CorsPolicy) -> Json:
    out: Json = {
        "@type": f"{_TYPES}.cors.v3.CorsPolicy",
        "filter_enabled": {"default_value": {"numerator": 100}},
        "forward_not_matching_preflights": cors.unmatched_preflights != "IGNORE",
    }
    if origins := _origins(cors):
        out["allow_origin_string_match"] = origins
    for key, words in (
        ("allow_methods", cors.allow_methods),
        ("allow_headers", cors.allow_headers),
        ("expose_headers", cors.expose_headers),
    ):
        if words:
            out[key] = ",".join(words)
    if cors.max_age is not None:
        out["max_age"] = str(cors.max_age // duration.NS)
    if cors.allow_credentials is not None:
        out["allow_credentials"] = cors.allow_credentials
    return out


def _origins(cors: CorsPolicy) -> list[Json]:
    if cors.allow_origins is not None:
        return [match for match in map(string_match, cors.allow_origins) if match]
    return [{"exact": origin} for origin in cors.allow_origin or ()]
