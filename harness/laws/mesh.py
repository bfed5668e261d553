"""Mesh laws: the sidecar does what its YAML says, and the YAML says what protects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.laws.case import Case, Ints, rows_from
from harness.laws.mesh_ejection import Spell, spells
from harness.laws.mesh_view import NO_MESH, Compared, MeshView, call_rows, compared, flagged, mesh_of
from harness.laws.registry import (
    Ruling,
    broken,
    exercise,
    inapplicable,
    law,
    listed,
    passed,
    plural,
    unexercised,
)

AGREE = 0.95
"""The share of requests that must be as predicted: logs and clocks of two processes are not one (issue: 95 of 100)."""

POLICY_RULES = ("I", "T4", "T5", "R6", "R8", "P3")
"""Findings of the audit by the start of their rule that are about what the mesh's policy means."""

NOWHERE = -1
"""In place of a route, where the policy or the log has none."""

FAILING = frozenset({"status", "sequence", "refuse", "reset_peer", "kill", "restart", "timeout", "pause", "quota"})
"""Faults that make attempts fail in ways that a mesh reacts to."""


@law(
    "I1",
    "PolicyCompiles",
    family="mesh",
    rule="the mesh's files say what they seem to: no field that is dropped or refused, no route without time-out, no "
    "subset without pods, no POST that is sent again, tries that fit into their time-out",
    trap="Istio accepts `consecutiveErrors` and sends Envoy nothing; mesh-wide defaults may differ from the library's",
    cure="`kato-harness audit` names file and line; deploy/istio/fixed has files without findings",
    example="the guide's DestinationRule names an ejection threshold that is dropped",
    static=True,
    part="mesh",
)
def policy_compiles(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    found = [finding for finding in view.facts.get("findings", ()) if finding["rule"].startswith(POLICY_RULES)]
    grave = [finding for finding in found if finding["severity"] == "gate"]
    named = listed({finding["rule"] for finding in grave or found})
    if grave:
        return Ruling("fail", f"the mesh's files have {plural(len(grave), 'grave finding')}: {named}", measured=named)
    if found:
        return Ruling("warn", f"the mesh's files have {plural(len(found), 'finding')}: {named}", severity="warn")
    return passed("the mesh's files have no finding")


@law(
    "I2",
    "MeshRetries",
    family="mesh",
    rule="a request gets at most 1 + attempts tries, the next one only after what `retryOn` names and within Envoy's "
    "back-off, and gets it whenever the policy says so",
    trap="a caller can raise the number by x-envoy-max-retries, and sidecars at both ends each re-try",
    cure="give every route its own retries: the defaults re-try twice, and `5xx` re-sends POST too",
    example="a route with attempts: 3 and retryOn: 5xx sends a failing POST four times",
    needs=FAILING,
    wants="attempts that fail: status, refuse, reset_peer or a pause longer than perTryTimeout",
    part="mesh",
)
def mesh_retries(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    seen = list(compared(view))
    met = [found for found in seen if found.failure or found.tries > 1]
    if not met:
        return unexercised(f"no try of the sidecar failed; it takes {exercise('I2')}")
    wrong = [found for found in met if found.wrong]
    measured = (
        f"{len(met) - len(wrong):,} of {plural(len(met), 'failing request')} as predicted; {_traffic(view, seen)}"
    )
    if len(wrong) <= (1 - AGREE) * len(met):
        return passed("the sidecar sent what its policy says", measured=measured)
    common, times = Counter(found.wrong for found in wrong).most_common(1)[0]
    rows = call_rows(case, view.requests, rows_from(found.row for found in wrong))
    reason = f"{plural(len(wrong), 'request')} got other tries than the policy says, {times:,} of them: {common}"
    return broken(case, rows, reason, of=len(met), measured=measured, bound=f"{AGREE:.0%} as predicted")


def _traffic(view: MeshView, seen: list[Compared]) -> str:
    """Observed tries by route and first failure, most frequent first: what stands beside the prediction."""
    groups: dict[tuple[int, str], list[int]] = {}
    for found in seen:
        if found.failure:
            groups.setdefault((found.route, found.failure), []).append(found.tries)
    most = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))[:6]
    return "; ".join(
        f"{view.name(route)} {failure}: {_range(min(tries), max(tries))}"
        f" (predicted {_predicted(view.routes[route], failure)})"
        for (route, failure), tries in most
    )


def _predicted(told: Mapping[str, Any], failure: str) -> str:
    """The tries of a request whose first one meets `failure`: later ones may succeed, and time may run out."""
    return _range(2, int(told["retries"]) + 1) if failure in told["resends"] else "1"


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


@law(
    "I4",
    "Ejection",
    family="mesh",
    rule="after 5 failures in a row (or as many as the policy says) an endpoint gets no request for baseEjectionTime",
    trap="maxEjectionPercent is 10 % by default, and one of three endpoints is 33 %: nobody is ejected, not even the "
    "first; Istio drops `consecutiveErrors`; the count is each sidecar's own",
    cure="write consecutive5xxErrors and a maxEjectionPercent that leaves room for one endpoint",
    example="the guide's policy leaves an endpoint that answers 503 a third of all first tries",
    needs=FAILING,
    wants="failures of one instance only: `only: {instance: 1}` on status, kill or refuse",
    zero_tolerance=True,
    part="mesh",
)
def ejection(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    watched = {name: told for name, told in view.clusters.items() if told["detects"] and len(told["instances"]) > 1}
    if not watched:
        return inapplicable("no cluster with several endpoints has outlier detection")
    found = [spell for name, told in watched.items() for spell in spells(view, name, told)]
    if not found:
        return unexercised(f"no endpoint failed so often in a row; it takes {exercise('I4')}")
    kept = [spell for spell in found if len(spell.rows)]
    if not kept:
        return passed(_left_alone(found), measured="0 requests to ejected endpoints", bound="0")
    rows = call_rows(case, view.attempts, np.concatenate([spell.rows for spell in kept]))
    return broken(
        case, rows, _kept_on(view, kept), measured=f"{sum(len(spell.rows) for spell in kept):,} requests", bound="0"
    )


def _left_alone(found: list[Spell]) -> str:
    times = sum(spell.times for spell in found)
    who = listed({f"instance {spell.instance}" for spell in found})
    return f"{who} got nothing for as long as the policy says, {plural(times, 'time')}"


def _kept_on(view: MeshView, kept: list[Spell]) -> str:
    worst = max(kept, key=lambda spell: len(spell.rows))
    told = view.clusters[worst.cluster]
    share = f"{worst.share:.0%} of its cluster's first tries" if worst.share else "its share"
    said = (
        f"instance {worst.instance} failed {worst.threshold} times in a row and went on getting requests"
        f" ({len(worst.rows):,} within the ejection time, {share})"
    )
    if told["ejectable"]:
        return said
    count = len(told["instances"])
    return f"{said}: one of {count} endpoints is {1 / count:.0%}, more than maxEjectionPercent {told['percent']} %"


@law(
    "I5",
    "HeaderRouting",
    family="mesh",
    rule="a request goes where its headers say: to the route of its user's kind, only to that route's subset, in the "
    "shares of its weights",
    trap="a regex must match the whole value; a subset without pods answers 503 (no healthy upstream)",
    cure="give every subset pods that carry its labels, and end the routes with one for everybody",
    example="the guide's premium users get 503: no pod template carries tier: premium",
    wants="kinds of users with headers (users_are), or routes with weights",
    zero_tolerance=True,
    part="mesh",
)
def header_routing(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    if len(view.used_routes()) < 2 and all(len(route["clusters"]) < 2 for route in view.routes):
        return inapplicable("all requests take one route to one cluster")
    if not len(view.requests):
        return unexercised("the sidecar saw no request")
    empty = {name for name, told in view.clusters.items() if not told["instances"]}
    lost = np.flatnonzero(flagged(view.requests, "UH", "NC") & view.requests["cluster"].among(*empty))
    if len(lost):
        names = listed({f"`{name.split('|')[2] or name}`" for name in view.requests["cluster"][lost].tolist()})
        reason = f"{plural(len(lost), 'request')} got 503, because no pod carries the labels of subset {names}"
        return broken(case, call_rows(case, view.requests, lost), reason, of=len(view.requests))
    strayed = _strayed(case, view)
    if len(strayed):
        reason = f"{plural(len(strayed), 'request')} took another route than its user's headers say"
        return broken(case, call_rows(case, view.requests, strayed), reason, of=len(view.requests))
    if words := _outside(view):
        return Ruling("fail", words)
    taken = np.unique(view.requests["route"]).tolist()
    return passed(f"all {plural(len(view.requests), 'request')} took the routes of their users ({len(taken)} of them)")


def _strayed(case: Case, view: MeshView) -> Ints:
    """The requests on a route that is not the one of their user and operation."""
    kinds = view.facts.get("kinds")
    if not kinds:
        return rows_from(())
    rows, taken = case.rows_of(view.requests["call"]), view.requests["route"]
    users, ops = case.calls["user"], case.calls["op"]
    wanted = np.full((len(users.names), len(ops.names)), NOWHERE)
    for at, user in enumerate(users.names):
        routes = view.facts["users"][kinds[user]]["routes"] if user in kinds else {}
        for to, op in enumerate(ops.names):
            wanted[at, to] = NOWHERE if routes.get(op) is None else routes[op]
    told = wanted[users.codes[rows], ops.codes[rows]]
    strayed: Ints = np.flatnonzero((rows >= 0) & (told != NOWHERE) & (taken != NOWHERE) & (taken != told))
    return strayed


def _outside(view: MeshView) -> str:
    """Tries at instances that are none of their cluster's, or shares of weights that are missed by four sigma."""
    for name, told in view.clusters.items():
        mine = view.attempts["cluster"].among(name)
        places = set(np.unique(view.attempts["instance"][mine]).tolist()) - set(told["instances"]) - {-1}
        if places:
            return f"requests for {name} reached instance {listed(map(str, places))}, which is none of its endpoints"
    for index, route in enumerate(view.routes):
        mine = view.requests["route"] == index
        count = int(mine.sum())
        for name, share in route["clusters"].items():
            seen = int((mine & view.requests["cluster"].among(name)).sum())
            if abs(seen - count * share) > 4 * (count * share * (1 - share)) ** 0.5 + 1:
                return f"{seen:,} of {count:,} requests on {view.name(index)} went to {name}, not {share:.0%} of them"
    return ""


@law(
    "I6",
    "ConnReuse",
    family="mesh",
    rule="a connection from the sidecar carries at most maxRequestsPerConnection requests",
    trap="a low number makes a handshake a request: 5 means one new connection for every five requests",
    cure="leave maxRequestsPerConnection out unless endpoints must be re-balanced",
    example="the guide's 5",
    wants="more requests than the policy allows on one connection",
    zero_tolerance=True,
    part="mesh",
)
def connection_reuse(case: Case) -> Ruling:
    view = mesh_of(case)
    if view is None:
        return NO_MESH
    limits = {
        instance: told["per_connection"]
        for told in view.clusters.values()
        for instance in told["instances"]
        if told["per_connection"]
    }
    if not limits:
        return inapplicable("no cluster limits the requests of a connection")
    seen = case.history.arrivals
    place = seen["instance"] * (1 << 40) + seen["connection"]
    _, first, at, count = np.unique(place, return_index=True, return_inverse=True, return_counts=True)
    limit = np.array([limits.get(int(instance), 1 << 40) for instance in seen["instance"][first]], np.int64)
    bound = f"{max(limits.values())} a connection"
    if not len(count) or (count < limit).all():
        return unexercised(f"no connection carried so many requests; it takes {exercise('I6')}")
    over = count > limit
    if over.any():
        rows = call_rows(case, seen, np.flatnonzero(over[at]))
        reason = f"{plural(int(over.sum()), 'connection')} carried more requests than the policy allows"
        return broken(case, rows, reason, of=len(seen), measured=f"{count.max()}", bound=bound)
    reason = f"{plural(int((count == limit).sum()), 'connection')} ended at the limit, none beyond"
    return passed(reason, measured=f"{count.max()}", bound=bound)
