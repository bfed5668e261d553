"""Discovery laws: who gets requests, and what a registry's silence, errors and moves cost the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import limits_ns
from harness.laws.case import EPSILON_NS, Case, Ints, Window
from harness.laws.registry import (
    Ruling,
    broken,
    exercise,
    inapplicable,
    inconclusive,
    law,
    listed,
    passed,
    plural,
    unexercised,
)
from harness.stats import quantile

DOWN = frozenset({"refuse", "kill", "restart", "timeout", "reset_peer", "pause"})
UNWELL = frozenset({"status", "drop_before_commit", "commit_then_status", "commit_then_drop"})
"""Faults of one instance: it is gone, or answers with failures."""

KATO_OPS = ("open_session", "observe", "predict", "learn")
SPREAD_CALLS = 300
SPREAD_P = 0.01
LEAST_SHARE = 0.6
"""laws.md, S2: χ² p > 0.01 and each of three instances ≥ 20 %, over at least 300 operations."""

KEEP_ALIVE_S = 5.0
"""How long a client may keep a connection to an address that its name no longer has (httpx, KATO); scaled."""

NO_REGISTRY = inapplicable("the client asks no registry")


def registry_of(case: Case, *kinds: str) -> Mapping[str, Any] | None:
    """The fact `registry` of a run whose client asks one of these kinds (consul, dns)."""
    facts = case.facts.get("registry")
    if facts and facts["kind"] == "consul" and case.facts.get("asks_registry") is False:
        return None
    return facts if facts and facts["kind"] in kinds else None


def about_registry(window: Window) -> bool:
    """Is the fault the registry's?"""
    return window.kind == "registry" or window.params.get("only", {}).get("part") == "registry"


def instance_of(window: Window) -> int | None:
    """The one instance of KATO that a fault is about."""
    found = window.params.get("only", {}).get("instance")
    return None if found is None else int(found)


def _outside(case: Case, windows: tuple[Window, ...]) -> Mask:
    """The calls that overlap none of these faults."""
    calls, clear = case.calls, np.ones(len(case.calls), bool)
    for window in windows:
        clear &= (calls["end_ns"] < window.start_ns) | (calls["start_ns"] > window.end_ns)
    return clear


def _within(case: Case, window: Window) -> Mask:
    """The calls that began while the fault was in force."""
    began = case.calls["start_ns"]
    return (began >= window.start_ns) & (began < window.end_ns)  # type: ignore[no-any-return]


@law(
    "S1",
    "StaleInstance",
    family="discovery",
    rule="an instance that is dead or unwell gets no request once check interval + time-out + the client's refresh "
    "(as long as the interval) are over",
    trap="pooled connections outlive discovery; KATO's /health answers 200 while its stores are down, so that no check "
    "ever takes it out",
    cure="a check that fails with its instance, a short interval, blocking queries, pools that end with their instance",
    example="observes fail on one instance, its /health does not: it keeps its share",
    needs=DOWN | UNWELL,
    wants="a fault of one instance (`only: {instance: 1}`) that outlasts two check intervals",
    part="registry",
)
def stale_instance(case: Case) -> Ruling:
    facts = registry_of(case, "consul")
    if facts is None:
        return NO_REGISTRY
    wait_ns = round((2 * facts["interval_s"] + facts["timeout_s"]) * 1e9) + EPSILON_NS
    judged = [w for w in case.windows if instance_of(w) is not None and w.kind in DOWN | UNWELL]
    judged = [w for w in judged if w.end_ns > w.start_ns + wait_ns and _within(case, w).any() and _used(case, w)]
    if not judged:
        return unexercised(f"no instance in use was down for longer than its checks take; it takes {exercise('S1')}")
    found = [(window, _sent_after(case, window, window.start_ns + wait_ns)) for window in judged]
    late = [(window, rows) for window, rows in found if len(rows)]
    bound = f"{wait_ns / 1e9:.2f} s"
    if late:
        window, rows = max(late, key=lambda each: len(each[1]))
        why = "" if window.kind in DOWN else ", because its check went on passing"
        who = f"instance {instance_of(window)} got {plural(len(rows), 'call')}"
        reason = f"{who} later than {bound} after fault {window.name} began{why}"
        return broken(case, rows, reason, measured=f"{len(rows)} calls", bound=bound)
    who = listed({f"instance {instance_of(window)}" for window in judged})
    return passed(f"{who} got nothing any more {bound} after it was down", measured="0 calls", bound=bound)


def _used(case: Case, window: Window) -> bool:
    """Did calls reach the fault's instance before it? One that nobody asks is left alone by nobody's merit."""
    seen = case.arrivals.table
    mine = (seen["instance"] == instance_of(window)) & seen["op"].among(*KATO_OPS)
    return bool((mine & (seen["arrive_ns"] < window.start_ns)).any())


def _sent_after(case: Case, window: Window, from_ns: int) -> Ints:
    """The calls (rows) that were sent to the fault's instance after that moment while it was in force.

    What a dead instance refuses never arrives: failed attempts count where nothing else was broken.
    """
    seen = case.arrivals
    at = seen.table["arrive_ns"]
    there = (seen.table["instance"] == instance_of(window)) & seen.table["op"].among(*KATO_OPS)
    rows = seen.row[there & (at > from_ns) & (at < window.end_ns)]
    others = tuple(other for other in case.windows if other is not window)
    if window.kind in DOWN:
        tries = case.attempts
        began = tries.table["start_ns"]
        failed = ~tries.table["result"].among("", "4xx", "5xx", "cancelled", "pool_timeout")
        lost = tries.row[failed & (began > from_ns) & (began < window.end_ns)]
        rows = np.concatenate([rows, lost[_outside(case, others)[lost]]])
    unique: Ints = np.unique(rows)
    return unique


@law(
    "S2",
    "Spread",
    family="discovery",
    rule="without faults all instances get requests alike: χ² p > 0.01, and each at least 0.6 of its even share",
    trap="a registry may shuffle its answers, which makes `instances[0]` look like a choice",
    cure="take real turns, or the least pending one",
    example="the guide's `instances[0]`: 100 / 0 / 0",
    calls=SPREAD_CALLS,
    wants="300 calls without faults, and several instances",
    part="registry",
)
def spread(case: Case) -> Ruling:
    count = int(case.facts.get("replicas") or 1)
    if registry_of(case, "consul") is None:
        return NO_REGISTRY
    if count < 2:
        return inapplicable("there is one instance only")
    seen = case.arrivals
    mine = seen.table["op"].among(*KATO_OPS) & _outside(case, case.windows)[seen.row]
    got = np.bincount(seen.table["instance"][mine], minlength=count)[:count]
    if got.sum() < SPREAD_CALLS:
        return inconclusive(f"{plural(int(got.sum()), 'request')} without faults, {SPREAD_CALLS} are needed")
    shares = " / ".join(f"{share:.0%}" for share in got / got.sum())
    p = _even(got)
    if p <= SPREAD_P or got.min() < LEAST_SHARE / count * got.sum():
        least = int(got.argmin())
        reason = f"requests are not spread over {count} instances: {shares}; instance {least} got {int(got[least])}"
        return Ruling("fail", reason, measured=f"{shares}, p = {p:.2g}", bound=f"{LEAST_SHARE / count:.0%} each")
    return passed(f"requests are spread over {count} instances", measured=f"{shares}, p = {p:.2g}")


def _even(got: Ints) -> float:
    """The p-value of Pearson's χ² against even shares."""
    from scipy.special import chdtrc  # scipy.stats would take 2 s to import

    fair = got.sum() / len(got)
    return float(chdtrc(len(got) - 1, ((got - fair) ** 2).sum() / fair))


@law(
    "S3",
    "RegistryOutage",
    family="discovery",
    rule="while the registry is gone, silent or names nobody, calls go on with the last good answer, and no slower",
    trap="the first look-up of all has nothing to go on with",
    cure="keep the last good answer, and ask in the background",
    example="the guide asks Consul before every call: its silence is KATO's",
    needs=frozenset({"registry", "timeout", "refuse", "latency", "reset_peer"}),
    wants="a fault of the registry: `only: {part: registry}`, or kind registry",
    part="registry",
)
def registry_outage(case: Case) -> Ruling:
    if registry_of(case, "consul") is None:
        return NO_REGISTRY
    windows = [window for window in case.windows if about_registry(window)]
    others = tuple(window for window in case.windows if not about_registry(window))
    under = np.any([_within(case, window) for window in windows], axis=0)
    judged = under & _outside(case, others) & ~case.calls["outcome"].among("overflow", "cancelled")
    if not judged.any():
        return unexercised(f"no call was made while the registry was out; it takes {exercise('S3')}")
    calm = _outside(case, case.windows) & case.calls["outcome"].among("ok")
    took = case.calls["end_ns"] - case.calls["start_ns"]
    usual = int(quantile(took[calm], 0.99)) if calm.any() else 0
    limit = usual + case.epsilon_ns
    failed = judged & ~case.calls["outcome"].among("ok", "degraded")
    slow = judged & (took > limit)
    if failed.any() or slow.any():
        rows = np.flatnonzero(failed | slow)
        rows = rows[np.argsort(-took[rows], kind="stable")]
        why = f"{plural(int(failed.sum()), 'call')} failed" if failed.any() else f"{int(slow.sum()):,} were slower"
        reason = f"{why} while only the registry was out, of {int(judged.sum()):,}"
        return broken(
            case, rows, reason, of=int(judged.sum()), measured=f"{took[rows[0]] / 1e9:.2f} s",
            bound=f"{usual / 1e6:.0f} ms + ε",
        )  # fmt: skip
    slowest = f"{took[judged].max() / 1e6:.0f} ms"
    return passed(f"{plural(int(judged.sum()), 'call')} went on without the registry", measured=slowest)


@law(
    "S4",
    "DNS",
    family="discovery",
    rule="a name that is missing or answered late holds no call beyond its time-outs; a moved address is left within "
    "TTL + keep-alive",
    trap="getaddrinfo is covered by no time-out of an HTTP client; a pool never asks again while its connection lives",
    cure="look names up in the background, keep the last good answer, close connections to addresses that are gone",
    example="a requests.Session stays with a pod that its service no longer has",
    needs=frozenset({"registry"}),
    wants="fault kind registry: missing, slow or moved, on topology: {discovery: dns}",
    part="registry",
)
def dns(case: Case) -> Ruling:
    facts = registry_of(case, "dns")
    if facts is None:
        return inapplicable("the client finds KATO by no name of ours")
    windows = [window for window in case.windows if window.kind == "registry"]
    if not windows:
        return unexercised(f"names were answered as they should; it takes {exercise('S4')}")
    if len(rows := _outlived(case, windows)):
        took = (case.calls["end_ns"] - case.calls["start_ns"])[rows].max()
        reason = f"{plural(len(rows), 'call')} outlived their time-outs while the name was not to be had"
        return broken(case, rows, reason, measured=f"{took / 1e9:.2f} s")
    wait_ns = round((facts["ttl_s"] + KEEP_ALIVE_S * facts["scale"]) * 1e9) + EPSILON_NS
    moves = [window for window in windows if window.params.get("mode") == "moved"]
    stayed = [rows for window in moves if len(rows := _at_the_old_address(case, window, wait_ns, facts["leaves"]))]
    bound = f"{wait_ns / 1e9:.2f} s"
    if stayed:
        rows = np.unique(np.concatenate(stayed))
        reason = f"{plural(len(rows), 'call')} went to the old address {bound} after the name had moved"
        return broken(case, rows, reason, measured=f"{len(rows)} calls", bound=bound)
    followed = [window for window in moves if window.end_ns > window.start_ns + wait_ns]
    said = f"a moved name was followed within {bound}; " if followed else ""
    return passed(
        f"{said}no call outlived its time-outs in {plural(len(windows), 'fault')} of the resolver", bound=bound
    )


def _outlived(case: Case, windows: list[Window]) -> Ints:
    """The calls (rows) under a resolver's fault that lasted longer than their time-outs allow."""
    calls, limit = case.calls, limits_ns(case)
    under = np.any([(calls["start_ns"] < w.end_ns) & (calls["end_ns"] > w.start_ns) for w in windows], axis=0)
    late: Ints = np.flatnonzero(under & (limit > 0) & (calls["end_ns"] - calls["start_ns"] > limit))
    return late


def _at_the_old_address(case: Case, window: Window, wait_ns: int, leaves: list[int]) -> Ints:
    seen = case.arrivals
    at = seen.table["arrive_ns"]
    old = np.isin(seen.table["instance"], leaves) & seen.table["op"].among(*KATO_OPS)
    rows: Ints = np.unique(seen.row[old & (at > window.start_ns + wait_ns) & (at < window.end_ns)])
    return rows


@law(
    "S5",
    "EmptyAddress",
    family="discovery",
    rule="where Service.Address is empty the client uses Node.Address",
    trap="an agent on the same host makes both look alike; the node must be reachable, else its refusal hides the bug",
    cure='address = service["Address"] or node["Address"]',
    example="the guide makes `http://:8000` of it (consul#4599)",
    wants="topology: {discovery: {kind: consul, address: node}}",
    part="registry",
)
def empty_address(case: Case) -> Ruling:
    facts = registry_of(case, "consul")
    if facts is None:
        return NO_REGISTRY
    if facts["address"] != "node":
        return unexercised(f"every service had an address; it takes {exercise('S5')}")
    calm = _outside(case, case.windows) & ~case.calls["outcome"].among("overflow", "cancelled")
    if not calm.any():
        return inconclusive("no call was made without a fault")
    reached = case.arrivals.any(case.arrivals.table["op"].among(*KATO_OPS))
    lost = calm & ~reached & ~case.calls["outcome"].among("ok")
    if lost.any():
        reason = f"{plural(int(lost.sum()), 'call')} reached nobody, because the service's address was empty"
        return broken(case, np.flatnonzero(lost), reason, of=int(calm.sum()))
    return passed(f"{plural(int(calm.sum()), 'call')} found their way by the node's address")
