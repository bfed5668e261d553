"""Who can be ejected and what overflows: a cluster's outlier detection and circuit breakers as Envoy applies them.

Rules: Envoy's outlier detection documentation and source/common/upstream/outlier_detection_impl.cc (defaults:
consecutive_5xx 5, gateway failures counted but not enforced, max_ejection_percent 10 also for the first host, interval
10 s, base_ejection_time 30 s, longest 300 s).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.mesh import duration

DEFAULT_CONSECUTIVE = 5
DEFAULT_MAX_PERCENT = 10
UNLIMITED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Ejection:
    """How a bad endpoint of a cluster is taken out.

    `hosts`: endpoints in the cluster (0: unknown). `ejectable`: how many of them may be out at once. `on_5xx`,
    `on_gateway`, `on_local`: failures in a row that eject, None: never (by any 5xx; by 502, 503, 504; by failures to
    connect, resets and time-outs). `base_ns`, `longest_ns`: the n-th ejection lasts min(n · base, longest).
    """

    hosts: int
    ejectable: int
    on_5xx: int | None
    on_gateway: int | None
    on_local: int | None
    base_ns: int
    longest_ns: int

    def after(self, failure: int | str) -> int | None:
        """Failures in a row after which an endpoint is ejected; None when it never is."""
        if not self.ejectable:
            return None
        if isinstance(failure, str):
            return self.on_local
        bounds = [
            self.on_5xx if 500 <= failure <= 599 else None,
            self.on_gateway if failure in (502, 503, 504) else None,
        ]
        return min((bound for bound in bounds if bound is not None), default=None)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one sidecar carries at most; more is answered 503 with `x-envoy-overloaded` at once and not re-sent.

    None: no ceiling. `in_flight`: calls at once over HTTP/1.1; `connections`, `pending`, `retries`: as configured.
    """

    connections: int | None
    pending: int | None
    requests: int | None
    retries: int | None

    @property
    def in_flight(self) -> int | None:
        """Each connection carries one request, the rest waits; a tighter request limit goes before that."""
        if self.requests is not None and (self.connections is None or self.requests < self.connections):
            return self.requests
        if self.connections is None or self.pending is None:
            return None
        return self.connections + self.pending


def ejection(cluster: Mapping[str, Any], hosts: int) -> Ejection:
    """The ejection rules of an Envoy cluster with `hosts` endpoints."""
    told = cluster.get("outlier_detection")
    if told is None:
        return Ejection(hosts, 0, None, None, None, 0, 0)
    percent = told.get("max_ejection_percent", DEFAULT_MAX_PERCENT)
    on_5xx = _bound(told, "consecutive_5xx", enforced=100)
    on_gateway = _bound(told, "consecutive_gateway_failure", enforced=0)
    local = _bound(told, "consecutive_local_origin_failure", enforced=100)
    split = told.get("split_external_local_origin_errors", False)
    bounds = [bound for bound in (on_5xx, on_gateway) if bound is not None]
    base = duration.from_proto(told.get("base_ejection_time", "30s"))
    return Ejection(
        hosts=hosts,
        ejectable=ejectable(hosts, percent),
        on_5xx=on_5xx,
        on_gateway=on_gateway,
        # Unless they are told apart, failures of our own making count as 503 and 504.
        on_local=local if split else min(bounds, default=None),
        base_ns=base,
        longest_ns=max(base, 300 * duration.NS),
    )


def ejectable(hosts: int, percent: int) -> int:
    """How many of `hosts` may be out at once: a host is only ejected while the share stays within `percent`."""
    return hosts * min(percent, 100) // 100


def ceiling(cluster: Mapping[str, Any]) -> Ceiling:
    """The circuit breakers of an Envoy cluster."""
    limits = cluster.get("circuit_breakers", {}).get("thresholds", [{}])[0]
    return Ceiling(
        connections=_limit(limits, "max_connections"),
        pending=_limit(limits, "max_pending_requests"),
        requests=_limit(limits, "max_requests"),
        retries=_limit(limits, "max_retries"),
    )


def _bound(told: Mapping[str, Any], name: str, *, enforced: int) -> int | None:
    """The failures in a row that eject, None where the detector is off."""
    return told.get(name, DEFAULT_CONSECUTIVE) if told.get(f"enforcing_{name}", enforced) else None


def _limit(limits: Mapping[str, Any], name: str) -> int | None:
    value = limits.get(name, UNLIMITED)
    return None if value == UNLIMITED else int(value)
