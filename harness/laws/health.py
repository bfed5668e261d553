"""Health laws: what an orchestrator's probes were told, while the stores behind KATO were broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.evidence.table import Table
from harness.laws.case import EPSILON_NS, Case, Window
from harness.laws.registry import Ruling, exercise, inapplicable, law, passed, plural, unexercised

HARD = ("redis", "clickhouse")
"""Stores without which KATO answers nothing, or nothing true (contract, section 7)."""
BROKEN = ("refused", "hung", "error")
GONE = ("refuse", "kill", "timeout", "pause", "reset_peer")
"""What takes KATO away from a service."""
STALLS = ("store", "latency", "delay", *GONE)
UNWELL = (
    "unhealthy", "down", "dead", "fail", "failed", "failing", "failure", "error", "critical", "unavailable",
    "out of service", "not ready", "unready",
)  # fmt: skip
"""Words by which an answer says that it should get no requests; who is degraded still serves."""
SAMPLES = 3
"""laws.md, H1: flapping; three in a row decide."""
UNPROBED = inapplicable("nobody probes: topology: {probes: {readiness: …, liveness: …}}")


def _probes(case: Case, name: str) -> Table:
    table = case.history.probes
    return table.where(table["probe"].among(name))


def _facts(case: Case) -> Mapping[str, Any]:
    found: Mapping[str, Any] = case.facts.get("probes") or {}
    return found


def _of(case: Case) -> str:
    """Who was probed: KATO, or the service."""
    return str(_facts(case).get("of") or "KATO")


def _losses(case: Case) -> list[Window]:
    """The faults of a hard dependency: of a store, and, where a service is probed, of KATO, if nobody was served."""
    own = _of(case) != "KATO"
    return [
        window
        for window in case.windows
        if (window.kind == "store" and window.params.get("store") in HARD and window.params.get("mode") in BROKEN)
        or (own and window.kind in GONE and not _served(case, window))
    ]


def _served(case: Case, window: Window) -> bool:
    """Whether somebody who asked within the fault was served, degraded or not."""
    calls = case.calls
    asked = (calls["start_ns"] >= window.sure_ns) & (calls["end_ns"] < window.end_ns - EPSILON_NS)
    return bool((asked & calls["outcome"].among("ok", "degraded")).any())


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
    rule="readiness is 2xx when the probed is well, and is not within two periods of the loss of a hard dependency",
    trap="one late answer is no verdict: three in a row decide; to a service KATO is one only where nobody is served "
    "without it",
    cure="probe what asks the stores (deploy/kubernetes/fixed), for KATO has no /ready, and its /health looks at none; "
    "a service that can serve nobody answers 503",
    example="the guide's readinessProbe on /ready: 404, so that no pod is ever Ready",
    wants="topology: {probes: {readiness: PATH}}; for its second half fault kind store",
)
def readiness(case: Case) -> Ruling:
    told = _facts(case)
    if not told.get("readiness"):
        return UNPROBED
    table = _probes(case, "readiness")
    calm = _calm(case, table)
    warm = np.cumsum(_well(calm)) > 0
    cold = ~_well(calm) & (warm | ~warm.any())  # what starts slowly is not ready until it is
    if _longest(cold) >= SAMPLES:
        row = int(np.flatnonzero(cold)[0])
        seen = calm["status"][row] or calm["error"][row]
        reason = f"{told['readiness']} answers {seen} while {_of(case)} is well"
        return Ruling("fail", reason, measured=f"{seen}", bound="2xx")
    wait_ns = round(2 * told["period_s"] * 1e9)
    blind = [w for w in _losses(case) if _longest(_well(_during(table, w, wait_ns))) >= SAMPLES]
    if blind:
        reason = f"{told['readiness']} went on answering 2xx in {', '.join(w.name for w in blind)}"
        return Ruling("fail", reason, measured="2xx", bound="not 2xx within 2 periods")
    if not len(calm):
        return unexercised("no probe was made without a fault")
    if not any(len(_during(table, w, wait_ns)) >= SAMPLES for w in _losses(case)):
        lost = "fault kind store, mode refused" if _of(case) == "KATO" else "fault kind refuse or timeout"
        return unexercised(f"{_of(case)} was ready; no dependency was lost for long: {lost}")
    return passed(f"ready in peace, not ready without what it needs: {plural(len(table), 'probe')}")


@law(
    "H2",
    "LivenessIndependent",
    family="health",
    rule="while a dependency stalls, liveness answers in time, and nobody is restarted",
    trap="Docker's HEALTHCHECK has the same trap",
    cure="tcpSocket, or a failureThreshold beyond any outage: a restart mends no store",
    example="livenessProbe on /health: it does not answer while Redis hangs, so all pods are restarted",
    needs=frozenset(STALLS),
    wants="fault kind store, mode hung (timeout for a service), and topology: {probes: {liveness: PATH}}",
)
def liveness(case: Case) -> Ruling:
    told = _facts(case)
    if not told.get("liveness"):
        return UNPROBED
    table = _probes(case, "liveness")
    kinds = ("store",) if _of(case) == "KATO" else STALLS
    stalled = [(w, _during(table, w)) for w in case.windows if w.kind in kinds]
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
    return passed(f"{plural(count, 'probe')} during such faults: nobody was restarted", measured="0 restarts")


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
    unwell = table["said"].among(*(word for word in table["said"].names if _unwell(word)))
    count, lied = int(unwell.sum()), int((unwell & (table["status"] < 500)).sum())
    if lied:
        words = ", ".join(sorted(set(table["said"][np.flatnonzero(unwell & (table["status"] < 500))].tolist())))
        return Ruling("fail", f"{plural(lied, 'answer')} said {words} with a status below 500", measured=f"{lied}")
    if not count:
        return unexercised("no answer said unhealthy; KATO 3.10.1 says it for its host's CPU and memory alone")
    return passed(f"{plural(count, 'answer')} that said unhealthy had a status of 5xx")


def _unwell(word: str) -> bool:
    return word.lower().replace("_", " ").replace("-", " ") in UNWELL or word.endswith(":false")
