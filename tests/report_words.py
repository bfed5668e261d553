"""The words around a synthetic run: its manifest, and verdicts of every status as laws would give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table
from harness.laws.judge import Judgement
from harness.model import Finding, SloResult, Span, Verdict

OUTCOMES = ("ok", "error", "timeout", "rejected", "degraded", "cancelled", "overflow")


def judgement_of(
    *verdicts: Verdict,
    slos: Sequence[SloResult] = (),
    findings: Sequence[Finding] = (),
    notices: Sequence[str] = (),
    exit_code: int = 1,
) -> Judgement:
    """A judgement with these verdicts."""
    return Judgement(verdicts, tuple(slos), tuple(findings), exit_code, tuple(notices))


VERDICTS = (
    Verdict(
        "T1",
        "EveryCallBounded",
        "pass",
        "all 880 calls ended within their bound",
        measured="1.02 s",
        bound="10.25 s",
    ),
    Verdict(
        "B3",
        "CountsRightFailures",
        "fail",
        "112 answers of 503 in a row left the breaker closed",
        "count 5xx as failures: raise_for_status() inside the breaker, and no exclude= for HTTPStatusError",
        "112 in a row",
        "5",
        phase="fault:burst_503",
        witnesses=({"call": 400, "status": 503}, {"call": 404}),
    ),
    Verdict(
        "B8",
        "NoSerialisation",
        "fail",
        "the breaker holds its lock during the call",
        "call through a breaker that locks only its state, or give each worker its own",
        "at most 1 attempt at a time with 19 calls in flight",
        "more than 1",
        phase="fault:latency_step",
        witnesses=({"call": 430, "where": "app/kato.py:41", "in_flight": 19},),
    ),
    Verdict(
        "D2",
        "NoDuplicate",
        "fail",
        "3 observations were committed twice",
        "make observe idempotent",
        "3",
        "0",
        accepted="until 2027-02-01: retry after time-out (CHK-812)",
        witnesses=({"call": 520},),
    ),
    Verdict("M2", "NoMetastability", "fail", "still out of band 24 s after the outage", "shed load", required=False),
    Verdict(
        "K1",
        "PolicyDeclared",
        "warn",
        "no total time-out is declared",
        "declare timeout.total",
        severity="warn",
    ),
    Verdict("B5", "HalfOpenSingleTrial", "inconclusive", "4 calls during the trial, 10 needed"),
    Verdict(
        "R5",
        "RetryAfterHonoured",
        "not_exercised",
        "no answer carried Retry-After; a fault `status` with retry_after would",
    ),
    Verdict("R6", "Amplification", "pass", "1.31 attempts a call at worst", measured="1.31", bound="3", scaled=True),
    Verdict("B10", "ClockRobust", "not_applicable", "wall clock wasn't moved", required=False),
    Verdict("X3", "HarnessNotTheBottleneck", "pass", "dispatch delay p99 1.9 ms", measured="1.9 ms", bound="25 ms"),
)
"""Of every status, the way laws speak of the guide's pybreaker client."""

SLOS = (
    SloResult("quick", "p(95) < 300ms in baseline", "pass", "31.2 ms", "with 95 % confidence", samples=160),
    SloResult("usable", "goodput > 10/s in fault:outage", "fail", "1.3/s", "most calls were rejected", samples=120),
)


def demo_judgement() -> Judgement:
    """`VERDICTS` and `SLOS`, with a finding, as one judgement."""
    return judgement_of(
        *VERDICTS,
        slos=SLOS,
        findings=(
            Finding("K2", "timeout.read", "declared 10 s, read 5 s from app/kato.py:12", "set httpx.Timeout(read=10)"),
        ),
        exit_code=1,
    )


def manifest_of(calls: Table, outcome: NDArray[np.int64], phases: Sequence[Span], seed: int) -> dict[str, Any]:
    """The manifest of a synthetic run of the guide's pybreaker client."""
    counts = np.bincount(outcome, minlength=len(OUTCOMES))
    return {
        "format": 1,
        "run": {
            "id": "2026-11-03T101500-demo-7",
            "name": "demo",
            "integration": "guide-pybreaker",
            "profile": "fast",
            "scale": 0.1,
            "question": "Does the guide's pybreaker client keep its promises when KATO is slow, failing and gone?",
            "seed": seed,
            "started": "2026-11-03T10:15:00Z",
            "harness": "0.1.0",
            "target": "embedded (fast)",
            "plan_sha256": "9f2c" * 16,
        },
        "start_ns": phases[0].start_ns,
        "end_ns": phases[-1].end_ns,
        "phases": [{"name": span.name, "start_ns": span.start_ns, "end_ns": span.end_ns} for span in phases],
        "policy": {
            "declared": {"timeout": {"read": 10.0}, "breaker": {"fail_max": 5, "reset_timeout": 60.0}},
            "read": {"timeout": {"read": 5.0, "connect": 5.0}, "breaker": {"fail_max": 5}},
            "effective": {
                "timeout": {"read": 10.0, "connect": 5.0},
                "breaker": {"fail_max": 5, "reset_timeout": 60.0},
                "sessions": "one_per_user",
            },
            "sources": {
                "timeout.read": "declared",
                "timeout.connect": "read app/kato.py:12",
                "breaker.fail_max": "declared",
                "breaker.reset_timeout": "declared",
                "sessions": "default",
            },
        },
        "scenario": {
            "format": "kato-harness/1",
            "question": "…",
            "integration": "guide-pybreaker",
            "load": {"rate": "20/s", "duration": "44s"},
        },
        "accounting": {"issued": len(calls), **{name: int(n) for name, n in zip(OUTCOMES, counts, strict=True)}},
        "machine": {"cpu": "2 cores", "python": "3.11.7", "toxiproxy": "2.12.0"},
        "facts": {"hooks": ["httpx"]},
        "finished": True,
    }
