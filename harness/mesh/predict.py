"""What the YAML implies, before any traffic: attempts, durations, amplification, ejections, overflows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.mesh import duration
from harness.mesh.attempts import FAILURES, Resending, Sent, resending, resends, send
from harness.mesh.ejection import Ceiling, Ejection, ceiling, ejection
from harness.mesh.translate import Translation
from harness.policy import Policy

NO_LIMITS = Resending()
_PARTS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_REDIRECTS = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}
STATUSES = (409, 429, 500, 502, 503, 504)
"""The statuses whose treatment differs between retry conditions."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One call on one route when every attempt of it meets `failure`.

    `mesh`: what the sidecar makes of one request. `requests`: how many the client sends. `wire`: attempts on the wire a
    call, (least, most). `ns`: time to the end of the call, None without end; the client's own waits are included.
    """

    failure: int | str
    mesh: Sent
    requests: int
    wire: tuple[int, int]
    ns: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Injected:
    """Faults that the sidecar itself injects, before the router, so outside time-outs and re-tries; shares 0 to 1."""

    abort_share: float = 0.0
    abort_status: int | None = None
    delay_share: float = 0.0
    delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class RouteTraffic:
    """What a route does. `shares`: cluster to share of its requests; `mirrors`: cluster to share of copies;
    `resends_writes`: failures after which a POST that may have been carried out is sent again; `answered`: the status
    of a route that answers by itself (redirect, direct response)."""

    name: str
    host: str
    shares: Mapping[str, float] = field(default_factory=dict)
    limits: Resending = NO_LIMITS
    expected: tuple[Expected, ...] = ()
    resends_writes: tuple[int | str, ...] = ()
    mirrors: Mapping[str, float] = field(default_factory=dict)
    injected: Injected = Injected()
    answered: int | None = None

    def on(self, failure: int | str) -> Expected:
        """The expectation for a failure. Raises KeyError for one that was not asked for."""
        for expected in self.expected:
            if expected.failure == failure:
                return expected
        raise KeyError(failure)

    @property
    def worst_ns(self) -> int | None:
        """The longest one request may take in the sidecar; None: no bound."""
        if any(expected.mesh.ns is None for expected in self.expected):
            return None
        longest = max((expected.mesh.ns[1] for expected in self.expected if expected.mesh.ns), default=0)
        return longest + (self.injected.delay_ns if self.injected.delay_share else 0)

    @property
    def amplification(self) -> int:
        """Attempts on the wire a call at worst, the client's own re-tries included."""
        return max((expected.wire[1] for expected in self.expected), default=1)


@dataclass(frozen=True, slots=True)
class ClusterTraffic:
    """Who can be ejected from a cluster, and where it overflows."""

    name: str
    ejection: Ejection
    ceiling: Ceiling


@dataclass(frozen=True, slots=True)
class Prediction:
    """Everything that is expected of a translation, route by route and cluster by cluster."""

    routes: tuple[RouteTraffic, ...]
    clusters: tuple[ClusterTraffic, ...]

    def lines(self) -> tuple[str, ...]:
        """The prediction in words, a line each: what `plan --mesh` prints."""
        return (*(line for route in self.routes for line in _route_lines(route)), *map(_cluster_line, self.clusters))


def predict(
    translation: Translation,
    client_policy: Policy | None = None,
    op: str = "observe",
    failures: Sequence[int | str] = (*STATUSES, *FAILURES),
) -> Prediction:
    """What calls of `op` by a client with `client_policy` (None: one request, endless patience) become in the mesh."""
    policy = (client_policy or Policy()).of(op)
    routes = [
        _route(translation, host.host, route, policy, op, failures)
        for host in translation.virtual_hosts
        for route in host.routes
    ]
    clusters = [
        ClusterTraffic(name, ejection(cluster, translation.size(name)), ceiling(cluster))
        for name, cluster in translation.clusters.items()
    ]
    return Prediction(tuple(routes), tuple(clusters))


def expect(limits: Resending, failure: int | str, policy: Policy, op: str, after_ns: int = 0) -> Expected:
    """One call when every attempt meets `failure` after `after_ns`: the sidecar's re-tries inside the client's."""
    patience = _patience_ns(policy)
    mesh = send(limits, failure, after_ns, patience)
    requests = _requests(policy, op, mesh)
    wire = (mesh.attempts[0] * requests, mesh.attempts[1] * requests)
    ends = None
    if mesh.ns is not None:
        waits = _waits_ns(policy, requests)
        ends = (mesh.ns[0] * requests, mesh.ns[1] * requests + waits)
        total = _ns(policy.timeout.total) if policy.timeout else 0
        ends = (min(ends[0], total), min(ends[1], total)) if total else ends
    return Expected(failure, mesh, requests, wire, ends)


def describe(match: Mapping[str, Any]) -> str:
    """A route match in words."""
    if "path" in match:
        words = [f"path = {match['path']}"]
    elif "safe_regex" in match:
        words = [f"path ~ {match['safe_regex']['regex']}"]
    else:
        words = [f"{match['prefix']}*"]
    words += [_condition(header) for header in match.get("headers", ())]
    words += [f"?{_condition(query)}" for query in match.get("query_parameters", ())]
    return " and ".join(words)


def _condition(header: Mapping[str, Any]) -> str:
    how = header.get("string_match", {})
    value = how.get("exact") or (how.get("prefix") and f"{how['prefix']}*") or how.get("safe_regex", {}).get("regex")
    sign = "~" if "safe_regex" in how else "="
    text = f"{header['name']} {sign} {value}" if value is not None else f"{header['name']} is there"
    return f"not ({text})" if header.get("invert_match") else text


def _route(
    translation: Translation,
    host: str,
    route: Mapping[str, Any],
    policy: Policy,
    op: str,
    failures: Sequence[int | str],
) -> RouteTraffic:
    name = describe(route["match"])
    if "route" not in route:
        return RouteTraffic(name, host, answered=_answered(route))
    action = route["route"]
    shares = _shares(action)
    limits = resending(action, translation.clusters.get(next(iter(shares), "")))
    writes = (500, 502, 503, 504, "reset")
    return RouteTraffic(
        name=name,
        host=host,
        shares=shares,
        limits=limits,
        expected=tuple(expect(limits, failure, policy, op) for failure in failures),
        resends_writes=tuple(failure for failure in writes if limits.retries and resends(limits, failure)),
        mirrors={
            mirror["cluster"]: _share(mirror["runtime_fraction"]["default_value"])
            for mirror in action.get("request_mirror_policies", ())
        },
        injected=_injected(route.get("typed_per_filter_config", {}).get("envoy.filters.http.fault", {})),
    )


def _answered(route: Mapping[str, Any]) -> int:
    if "direct_response" in route:
        return int(route["direct_response"]["status"])
    return _REDIRECTS[route.get("redirect", {}).get("response_code", "MOVED_PERMANENTLY")]


def _injected(fault: Mapping[str, Any]) -> Injected:
    abort, delay = fault.get("abort", {}), fault.get("delay", {})
    return Injected(
        abort_share=_share(abort.get("percentage", {})),
        # A gRPC status comes as 200 to a caller that speaks plain HTTP.
        abort_status=abort.get("http_status", 200) if abort else None,
        delay_share=_share(delay.get("percentage", {})),
        delay_ns=_proto_ns(delay.get("fixed_delay")),
    )


def _share(fraction: Mapping[str, Any]) -> float:
    """A fractional percent as 0 to 1."""
    return float(fraction.get("numerator", 0)) / _PARTS[fraction.get("denominator", "HUNDRED")]


def _proto_ns(text: str | None) -> int:
    return duration.from_proto(text) if text else 0


def _shares(action: Mapping[str, Any]) -> dict[str, float]:
    if "cluster" in action:
        return {action["cluster"]: 1.0}
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    total = sum(cluster["weight"] for cluster in weighted)
    return {cluster["name"]: cluster["weight"] / total for cluster in weighted}


def _patience_ns(policy: Policy) -> int:
    """When the client gives up one request: the shorter of its read and total time-outs."""
    told = policy.timeout
    return min((ns for ns in (_ns(told.read), _ns(told.total)) if ns), default=0) if told else 0


def _requests(policy: Policy, op: str, mesh: Sent) -> int:
    """How many requests the client sends when each ends as `mesh` does."""
    retry = policy.retry
    if retry is None or (retry.calls is not None and op not in retry.calls):
        return 1
    if retry.calls is None and op != "predict":
        return 1
    return retry.max_attempts if _seen(mesh) & set(retry.on) else 1


def _seen(mesh: Sent) -> set[str]:
    """What the client sees, in the words of a policy: behind a sidecar a refused connection is a 503."""
    if mesh.status is None:
        return {"timeout", "read_timeout"}
    return {str(mesh.status), f"{mesh.status // 100}xx"}


def _waits_ns(policy: Policy, requests: int) -> int:
    backoff = policy.retry.backoff if policy.retry else None
    if backoff is None:
        return 0
    longest = backoff.max if backoff.max is not None else float("inf")
    return sum(_ns(min(longest, backoff.initial * backoff.multiplier**n)) for n in range(requests - 1))


def _ns(seconds: float | None) -> int:
    return int(seconds * duration.NS) if seconds else 0


def _route_lines(route: RouteTraffic) -> Iterable[str]:
    if route.answered is not None:
        yield f"route {route.name}: answered {route.answered} by the sidecar"
        return
    limits = route.limits
    to = ", ".join(f"{share:.0%} {name}" for name, share in route.shares.items()) or "nowhere"
    per_try = duration.words(limits.per_try_ns)
    yield f"route {route.name} -> {to}: time-out {duration.words(limits.route_ns)}, per try {per_try}"
    worst = "without end" if route.worst_ns is None else f"{route.worst_ns / duration.NS:g} s"
    yield f"  one call: at worst {route.amplification} attempts on the wire, {worst} in the sidecar"
    for expected in route.expected:
        least, most = expected.wire
        count = str(most) if least == most else f"{least} to {most}"
        noun = "attempt" if most == 1 else "attempts"
        yield f"  {expected.failure}: {count} {noun}, the client sees {expected.mesh.status or 'no answer'}"
    injected = route.injected
    if injected.abort_share:
        yield f"  {injected.abort_share:.2%} of the calls are answered {injected.abort_status} by the sidecar itself"
    if injected.delay_share:
        yield f"  {injected.delay_share:.2%} of the calls wait {duration.words(injected.delay_ns)} first"
    for name, share in route.mirrors.items():
        yield f"  {share:.2%} of the calls are copied to {name}"
    if route.resends_writes:
        yield f"  POST is sent again after {', '.join(map(str, route.resends_writes))}"


def _cluster_line(cluster: ClusterTraffic) -> str:
    rules = cluster.ejection
    if not rules.ejectable:
        who = f"none of {rules.hosts} endpoints can be ejected"
    else:
        failures = rules.after(503) or "no number of"
        who = f"{rules.ejectable} of {rules.hosts} endpoints can be ejected after {failures} 503s in a row"
    most = cluster.ceiling.in_flight
    return (
        f"cluster {cluster.name}: {who}; {'no ceiling' if most is None else f'more than {most} calls at once overflow'}"
    )
