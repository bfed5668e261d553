"""What a run's evidence keeps of its mesh, as plain values: the numbers that laws hold the traffic against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.mesh import duration
from harness.mesh.attempts import FAILURES, Resending, resends
from harness.mesh.choose import route_for
from harness.mesh.ejection import ceiling, ejection
from harness.mesh.envoy import Endpoint, members
from harness.mesh.predict import RouteTraffic, predict
from harness.mesh.translate import Translation
from harness.policy import Policy

Json = dict[str, Any]
IDLE_NS = 3_600 * duration.NS
"""Envoy's own idle time-out of an upstream connection; no run lasts so long, so that it need not really be scaled."""

MERGE = "1s"
"""Envoy gathers changes of a cluster's endpoints for so long (update_merge_window): an ejection soon after another
change takes effect later."""

_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SESSION = "0" * 32
REQUESTS: Mapping[str, tuple[str, str]] = {
    "open_session": ("POST", "/sessions"),
    "observe": ("POST", f"/sessions/{_SESSION}/observe"),
    "predict": ("GET", f"/sessions/{_SESSION}/predictions"),
    "learn": ("POST", f"/sessions/{_SESSION}/learn"),
}
"""What each operation asks for (KATO's paths, with any session)."""


def mesh_facts(
    translation: Translation,
    endpoints: Sequence[Endpoint],
    users: Sequence[Mapping[str, Any]],
    policy: Policy,
    scale: float = 1.0,
) -> Json:
    """`routes` in Envoy's order, `clusters` by name with their instances (places in `endpoints`), `users` (kinds of
    users with `share` and `headers`) with the route that each operation of theirs takes (None: 404), and `said`,
    the prediction in words for a client with `policy`. Times in ns, 0: none."""
    kinds = users or ({"share": 1.0, "headers": {}},)
    prediction = predict(translation, policy)
    return {
        "scale": scale,
        "labels": [dict(endpoint.labels) for endpoint in endpoints],
        "routes": [_route(told, route) for told, route in zip(prediction.routes, translation.routes, strict=True)],
        "clusters": {name: _cluster(translation, name, endpoints, scale) for name in translation.clusters},
        "users": [{**kind, "routes": _routes_of(translation, kind["headers"])} for kind in kinds],
        "said": list(prediction.lines()),
    }


def _route(told: RouteTraffic, route: Mapping[str, Any]) -> Json:
    limits, written = told.limits, route.get("route", {}).get("retry_policy", {}).get("per_try_timeout")
    return {
        "name": route.get("name") or told.name,
        "match": told.name,
        "clusters": dict(told.shares),
        "answered": told.answered,
        "retries": limits.retries,
        "resends": _resent(limits),
        "route_ns": limits.route_ns,
        "per_try_ns": limits.per_try_ns,
        "written_per_try_ns": duration.from_proto(written) if written else 0,
        "backoffs_ns": [limits.backoff_ns(retry) for retry in range(1, min(limits.retries, 100) + 1)],
        "injected": {"aborts": told.injected.abort_share, "delays": told.injected.delay_share},
        "worst_ns": told.worst_ns,
        "amplification": told.amplification,
    }


def _resent(limits: Resending) -> list[str]:
    """The failures, statuses as text, after which a request is sent again."""
    if not limits.retries:
        return []
    return [str(failure) for failure in (*range(400, 600), *FAILURES) if resends(limits, failure)]


def _cluster(translation: Translation, name: str, endpoints: Sequence[Endpoint], scale: float) -> Json:
    cluster = translation.clusters[name]
    chosen = members(translation, name, endpoints)
    told, most = ejection(cluster, len(chosen)), ceiling(cluster)
    options = cluster.get("typed_extension_protocol_options", {}).get(_OPTIONS, {})
    common = options.get("common_http_protocol_options", {})
    detects = cluster.get("outlier_detection") is not None
    return {
        "instances": [index for index, endpoint in enumerate(endpoints) if endpoint in chosen],
        "detects": detects,
        "ejectable": told.ejectable,
        "on_5xx": told.on_5xx,
        "on_gateway": told.on_gateway,
        "on_local": told.on_local,
        "base_ns": told.base_ns,
        "merge_ns": duration.from_proto(cluster.get("common_lb_config", {}).get("update_merge_window", MERGE)),
        "percent": cluster.get("outlier_detection", {}).get("max_ejection_percent", 10) if detects else 0,
        "in_flight": most.in_flight,
        "connections": most.connections,
        "per_connection": int(common.get("max_requests_per_connection", 0)),
        "idle_ns": duration.from_proto(common["idle_timeout"]) if "idle_timeout" in common else round(IDLE_NS * scale),
        "hashed": cluster.get("lb_policy") in ("RING_HASH", "MAGLEV"),
    }


def _routes_of(translation: Translation, headers: Mapping[str, str]) -> dict[str, int | None]:
    """Where each operation of a user with these headers goes; `{n}` stands for any number."""
    sent = {name: value.replace("{n}", "1") for name, value in headers.items()}
    return {op: route_for(translation.routes, *request, sent) for op, request in REQUESTS.items()}
