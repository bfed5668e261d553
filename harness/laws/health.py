"""Health laws: what an orchestrator's probes were told, while the stores behind KATO were broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.evidence.table import Table
from harness.laws.case import Case, Window
from harness.laws.registry import Ruling, exercise, inapplicable, law, passed, plural, unexercised

HARD = ("redis", "clickhouse")
"""Stores without which KATO answers nothing, or nothing true (contract, section 7)."""
BROKEN = ("refused", "hung", "error")
SAMPLES = 3
"""laws.md, H1: flapping; three in a row decide."""
UNPROBED = inapplicable("nobody probes: topology: {probes: {readiness: …, liveness: …}}")


def _probes(case: Case, name: str) -> Table:
    table = case.history.probes
    return table.where(table["probe"].among(name))


def _facts(case: Case) -> Mapping[str, Any]:
    found: Mapping[str, Any] = case.facts.get("probes") or {}
    return found


def _losses(case: Case) -> list[Window]:
    """The faults of a hard dependency."""
    return [
        window
        for window in case.windows
        if window.kind == "store" and window.params.get("store") in HARD and window.params.get("mode") in BROKEN
    ]


def _during(table: Table, window: Window, after_ns: int = 0) -> Table:
    start = table["start_ns"]
    return table.where((start >= window.start_ns + after_ns) & (start < window.end_ns))


def _calm(case: Case, table: Table) -> Table:
    clear = np.ones(len(table), bool)
    for window in case.windows:
        clear &= (table["end_ns"] < window.start_ns) | (table["start_ns"] > window.end_ns + 1_000_000_000)
    return table.where(clear)


def _well(table: Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray((table["status"] >= 200) & (table["status"] < 400), np.bool_)


def _longest(hits: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    """The longest row of hits."""
    longest = now = 0
    for hit in hits.tolist():
        now = now + 1 if hit else 0
        longest = max(longest, now)
    return longest


@law(
    "H1",
    "ReadinessExists",
    family="health",
    rule="readiness is 2xx when KATO is up, and is not within two periods of the loss of a hard dependency",
    trap="one late answer is no verdict: three in a row decide",
    cure="probe what asks the stores (deploy/kubernetes/fixed); KATO has no /ready, and its /health looks at no store",
    example="the guide's readinessProbe on /ready: 404, so that no pod is ever Ready",
    wants="topology: {probes: {readiness: PATH}}; for its second half fault kind store",
)
def readiness(case: Case) -> Ruling:
    told = _facts(case)
    if not told.get("readiness"):
        return UNPROBED
    table = _probes(case, "readiness")
    calm = _calm(case, table)
    if _longest(~_well(calm)) >= SAMPLES:
        row = int(np.flatnonzero(~_well(calm))[0])
        seen = calm["status"][row] or calm["error"][row]
        return Ruling("fail", f"{told['readiness']} answers {seen} while KATO is well", measured=f"{seen}", bound="2xx")
    wait_ns = round(2 * told["period_s"] * 1e9)
    blind = [w for w in _losses(case) if _longest(_well(_during(table, w, wait_ns))) >= SAMPLES]
    if blind:
        reason = f"{told['readiness']} went on answering 2xx in {', '.join(w.name for w in blind)}"
        return Ruling("fail", reason, measured="2xx", bound="not 2xx within 2 periods")
    if not len(calm):
        return unexercised("no probe was made without a fault")
    if not any(len(_during(table, w, wait_ns)) >= SAMPLES for w in _losses(case)):
        return unexercised("KATO was ready; no dependency was lost for long: fault kind store, mode refused")
    return passed(f"ready in peace, not ready without a store: {plural(len(table), 'probe')}")


@law(
    "H2",
    "LivenessIndependent",
    family="health",
    rule="while a dependency stalls, liveness answers in time, and nobody is restarted",
    trap="Docker's HEALTHCHECK has the same trap",
    cure="tcpSocket, or a failureThreshold beyond any outage: a restart mends no store",
    example="livenessProbe on /health: it does not answer while Redis hangs, so all pods are restarted",
    needs=frozenset({"store"}),
    wants="fault kind store, mode hung, and topology: {probes: {liveness: PATH}}",
)
def liveness(case: Case) -> Ruling:
    told = _facts(case)
    if not told.get("liveness"):
        return UNPROBED
    table = _probes(case, "liveness")
    stalled = [(w, _during(table, w)) for w in case.windows if w.kind == "store"]
    stalled = [(window, rows) for window, rows in stalled if len(rows) >= told["failures"]]
    if not stalled:
        return unexercised(f"no dependency stalled for long enough; it takes {exercise('H2')}")
    restarts = {w.name: _longest(~_well(rows)) // told["failures"] for w, rows in stalled}
    worst = max(restarts, key=lambda name: restarts[name])
    if restarts[worst]:
        reason = (
            f"{told['liveness']} failed often enough in {worst} for {plural(restarts[worst], 'restart')} of every pod"
        )
        return Ruling("fail", reason, measured=f"{restarts[worst]} restarts", bound="0")
    count = sum(len(rows) for _, rows in stalled)
    return passed(f"{plural(count, 'probe')} while stores were broken: nobody was restarted", measured="0 restarts")


@law(
    "H3",
    "HealthTruth",
    family="health",
    rule="a readiness answer whose body says unhealthy has a status of 5xx: nobody reads the body",
    trap="liveness may rightly stay 200: readiness alone is judged",
    cure="answer 503 with that body",
    example='200 {"status": "unhealthy"} keeps its share of requests in Consul, Kubernetes and compose',
    wants="a readiness endpoint that says it is unhealthy: fault kind store",
)
def truth(case: Case) -> Ruling:
    if not _facts(case).get("readiness"):
        return UNPROBED
    table = _probes(case, "readiness")
    unwell = table["said"].among("unhealthy")
    count, lied = int(unwell.sum()), int((unwell & (table["status"] < 500)).sum())
    if lied:
        return Ruling("fail", f"{plural(lied, 'answer')} said unhealthy with a status below 500", measured=f"{lied}")
    if not count:
        return unexercised("no answer said unhealthy; KATO 3.10.1 says it for its host's CPU and memory alone")
    return passed(f"{plural(count, 'answer')} that said unhealthy had a status of 5xx")
