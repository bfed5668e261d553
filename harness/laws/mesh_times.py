"""Mesh laws about time and room: route time-outs, how they nest, idle connections, and what overflows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.evidence.table import Mask
from harness.laws.budget import client_budget
from harness.laws.case import EPSILON_NS, Case, Ints
from harness.laws.mesh_view import NO_MESH, MeshView, call_rows, flagged, mesh_of, took_ns
from harness.laws.registry import (
    Ruling,
    broken,
    exercise,
    inapplicable,
    law,
    passed,
    plural,
    unexercised,
)

STALLING = frozenset({"timeout", "pause", "latency", "delay", "drip", "slicer", "bandwidth", "store"})
SHED_NS = 50_000_000
"""laws.md, P3: an overflow is answered within 50 ms."""


@law(
    "T4",
    "TimeoutNesting",
    family="time-outs",
    rule="perTryTimeout < the route's timeout < the caller's time-out, on every route that the client's calls take",
    trap="a perTryTimeout that isn't below the route's is ignored; a caller that leaves first makes re-tries on "
    "slowness dead code",
    cure="shorten the inner ones: perTryTimeout 1s, timeout 4s for a caller that waits 5 s",
    example="the guide's 10 s a try inside 30 s for callers that wait 5 or 10 s",
    static=True,
    part="mesh",
)
def timeout_nesting(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    wrong, judged = [], 0
    for index, ops in view.used_routes():
        told = view.routes[index]
        per_try, route = told["written_per_try_ns"] if told["retries"] else 0, told["route_ns"]
        caller = _patience_ns(case, ops.split(", "))
        judged += bool((per_try and (route or caller)) or (route and caller))
        if per_try and route and per_try >= route:
            wrong.append(f"{view.name(index)}: perTryTimeout {_s(per_try)} is not below its timeout {_s(route)}")
        if per_try and caller and caller <= per_try:
            wrong.append(f"{view.name(index)}: the caller leaves after {_s(caller)}, a try may take {_s(per_try)}")
        elif route and caller and caller <= route:
            wrong.append(f"{view.name(index)}: the caller leaves after {_s(caller)}, the route after {_s(route)}")
    if wrong:
        left = int(flagged(view.requests, "DC").sum())
        seen = f"; {plural(left, 'request')} ended because the caller left" if left else ""
        return Ruling("fail", "; ".join(wrong) + seen, measured=f"{len(wrong)} of {judged} out of order")
    if not judged:
        return inapplicable("there are no two time-outs to nest")
    return passed(f"time-outs nest on {plural(judged, 'route')}")


def _patience_ns(case: Case, ops: list[str]) -> int:
    """When the client gives up one request of these operations; 0: not known, or never."""
    shortest = []
    for op in ops:
        told = case.policy.of(op).timeout
        shortest += [seconds for seconds in (told.read, told.total) if seconds] if told else []
    return round(min(shortest, default=0.0) * 1e9)


def _s(ns: int) -> str:
    return f"{ns / 1e9:g} s"


@law(
    "T5",
    "BudgetFitsAttempts",
    family="time-outs",
    rule="(1 + attempts) × perTryTimeout + Σ back-off ≤ the route's timeout; and a call that makes several requests in "
    "a row ends within the client's declared total",
    trap="`attempts` counts re-tries: 3 means up to four tries",
    cure="raise the route's timeout, or lower attempts or perTryTimeout",
    example="the guide's 4 × 10 s in 30 s: the fourth try never starts; three requests of 30 s behind one caller",
    severity="warn",
    static=True,
)
def budget_fits_attempts(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return client_budget(case)
    limited = [(index, view.routes[index]) for index, _ in view.used_routes()]
    limited = [(index, told) for index, told in limited if told["retries"] and told["per_try_ns"] and told["route_ns"]]
    if not limited:
        return inapplicable("no route re-tries within both a perTryTimeout and a timeout")
    tight = [(index, told, _needed_ns(told)) for index, told in limited if _needed_ns(told) > told["route_ns"]]
    if not tight:
        return passed(f"all tries fit into their time-out on {plural(len(limited), 'route')}")
    index, told, needed = max(tight, key=lambda each: each[2] / each[1]["route_ns"])
    tries = int(told["retries"]) + 1
    reason = f"{view.name(index)}: {tries} × {_s(told['per_try_ns'])} and back-off take {_s(needed)}, the route "
    ended = flagged(view.requests, "UT") & (view.requests["route"] == index)
    seen = f"; requests that it ended had {int(view.requests['tries'][ended].max())} tries" if ended.any() else ""
    end = _s(told["route_ns"])
    return Ruling("warn", f"{reason}ends after {end}{seen}", measured=_s(needed), bound=end)


def _needed_ns(told: Mapping[str, Any]) -> int:
    return (int(told["retries"]) + 1) * int(told["per_try_ns"]) + int(sum(told["backoffs_ns"]))


@law(
    "I3",
    "RouteTimeout",
    family="mesh",
    rule="every route that calls take has a time-out, and a request on it ends within that + ε",
    trap="perTryTimeout stops counting once headers are sent: a dripped answer is bounded by the route's only",
    cure="give every route a `timeout`; none means none",
    example="the guide's premium route: its callers wait as long as they like",
    needs=STALLING,
    wants="answers slower than the route's time-out: pause, latency or timeout",
    part="mesh",
)
def route_timeout(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    routes, requests = view.routes, view.requests
    limits = np.array([told["route_ns"] for told in routes], np.int64)
    endless = [index for index, _ in view.used_routes() if routes[index]["answered"] is None and not limits[index]]
    took = took_ns(requests)
    if endless:
        longest = took[np.isin(requests["route"], endless)].max(initial=0)
        names = ", ".join(view.name(index) for index in endless)
        return Ruling("fail", f"no time-out on route {names}: nothing in the mesh ends its calls", measured=_s(longest))
    limit = limits[np.maximum(requests["route"], 0)]
    late = (requests["route"] >= 0) & (limit > 0) & (took > limit + EPSILON_NS)
    if late.any():
        reason = f"{plural(int(late.sum()), 'request')} outlived their route's time-out"
        rows = call_rows(case, requests, late)
        return broken(case, rows, reason, measured=_s(took[late].max()), bound=_s(limit[late].max()))
    ended = flagged(requests, "UT") & (took >= 0.9 * limit)
    if not ended.any():
        return unexercised(f"no request lasted as long as its route's time-out; it takes {exercise('I3')}")
    longest = _s(took[ended].max())
    return passed(f"{plural(int(ended.sum()), 'request')} ended at their route's time-out", measured=longest)


@law(
    "P3",
    "MeshOverflow",
    family="pools",
    rule="a call over maxConnections + http1MaxPendingRequests is answered 503 within 50 ms and not sent again",
    trap="the limits are each sidecar's own, not the service's",
    cure="limit connections and pending requests to what the endpoints can work off within the time-out",
    example="100 connections and 50 waiting: the 151st call at once is refused",
    needs=frozenset({"pause", "latency", "timeout", "delay"}),
    wants="more calls at once than the ceiling: latency or a pause under load",
    part="mesh",
)
def mesh_overflow(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    if all(told["in_flight"] is None for told in view.clusters.values()):
        return inapplicable("no cluster has a ceiling")
    requests = view.requests
    # The flag is also set where another failure's re-try found no room: that request had its first try.
    full = flagged(requests, "UO") & ~flagged(requests, "UT", "UC", "UF", "UR")
    if not full.any():
        return unexercised(f"no call met a full sidecar; it takes {exercise('P3')}")
    slow, again = full & (requests["tries"] == 1) & (took_ns(requests) > SHED_NS), _shed_and_sent_again(view)
    wrong: Mask = slow | again
    measured = f"{int(full.sum()):,} shed, the slowest after {took_ns(requests)[full].max() / 1e6:.0f} ms"
    if wrong.any():
        why = "was sent again" if again.any() else "waited for more than 50 ms"
        reason = f"{plural(int(wrong.sum()), 'call')} of those that the full sidecar refused {why}"
        return broken(case, call_rows(case, requests, wrong), reason, of=int(full.sum()), measured=measured)
    reason = f"{plural(int(full.sum()), 'call')} over the ceiling got 503 at once"
    return passed(reason, measured=measured, bound="50 ms")


def _shed_and_sent_again(view: MeshView) -> Mask:
    """The requests of which a try met a full sidecar and was not the last."""
    again = np.zeros(len(view.requests), bool)
    tries = flagged(view.attempts, "UO") & (view.request >= 0)
    rows = view.request[tries]
    again[rows[view.attempts["try"][tries] < view.requests["tries"][rows]]] = True
    return again


KEEP_ALIVE_NS = 5_000_000_000
"""KATO closes a connection that was idle for 5 s (contract, section 5)."""

NEAR = 0.2
"""A pause this close to the keep-alive time, as a share of it, can race with the server's close."""


@law(
    "I7",
    "IdleRace",
    family="mesh",
    rule="client and sidecar give up idle connections before the server does (KATO: 5 s), so none is lost to its close",
    trap="it shows only where pauses are about as long as the server's keep-alive; Envoy's own idle time-out is 1 h",
    cure="idleTimeout: 3s in the DestinationRule; keepalive_expiry below 5 s in the client",
    example="a POST every 5 s over httpx's default pool: some get a reset",
    wants="pauses of about the server's keep-alive time between calls",
)
def idle_race(case: Case) -> Ruling:
    keep_ns = round(float(case.facts.get("keep_alive_s") or 0) * 1e9)
    if not keep_ns:
        return inapplicable("this KATO keeps idle connections for ever")
    lost = _lost_to_idleness(case)
    if len(lost):
        reason = f"{plural(len(lost), 'call')} lost a request on a connection that had been idle, without any fault"
        return broken(case, lost, reason, of=len(case.calls))
    pauses = _pauses(case, keep_ns)
    if view := mesh_of(case):
        scale = float(view.facts.get("scale") or 1.0)
        idle = max((told["idle_ns"] / scale for told in view.clusters.values() if told["instances"]), default=0)
        if idle >= KEEP_ALIVE_NS:
            reason = f"the sidecar keeps idle connections for {idle / 1e9:g} s, KATO for {KEEP_ALIVE_NS / 1e9:g} s"
            return Ruling("warn", f"{reason}; {plural(pauses, 'pause')} came near that", severity="warn")
    if not pauses:
        return unexercised(f"no pause was about as long as KATO's keep-alive; it takes {exercise('I7')}")
    return passed(f"no request was lost after {plural(pauses, 'pause')} of about KATO's keep-alive time")


def _lost_to_idleness(case: Case) -> Ints:
    """The calls (rows) with an attempt that was reset on a used connection while no fault was in force."""
    tries = case.attempts
    reset = (tries.table["reused"] > 0) & tries.table["result"].among("reset", "protocol_error")
    lost = tries.any(reset)
    view = mesh_of(case)
    if view is not None:
        cut = flagged(view.attempts, "UC") & (took_ns(view.attempts) < KEEP_ALIVE_NS // 10)
        lost[call_rows(case, view.attempts, cut)] = True
    rows: Ints = np.flatnonzero(lost & ~case.during())
    return rows


def _pauses(case: Case, keep_ns: int) -> int:
    """How often the client was quiet for about the keep-alive time."""
    calls = case.calls
    order = np.argsort(calls["start_ns"])
    busy_until = np.maximum.accumulate(calls["end_ns"][order])
    gaps = calls["start_ns"][order][1:] - busy_until[:-1]
    return int((np.abs(gaps - keep_ns) <= NEAR * keep_ns).sum())
