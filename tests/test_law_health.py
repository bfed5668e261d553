"""Health laws on literal histories."""

from __future__ import annotations

from typing import Any

from law_cases import promise, said

FACTS: dict[str, Any] = {"probes": {"readiness": "/ready", "liveness": "/health", "period_s": 1.0, "failures": 3}}
FAULTS = 'name kind applied_ms cleared_ms params\nloss store 10000 20000 {"store":"redis","mode":"%s"}'
HEAD = "probe path start_ms end_ms status error said"


def law(id: str, probe: str, calm: int, lost: int, mode: str = "refused", said_: str = "-", facts: Any = None) -> Any:
    """A probe a second for 10 s in peace and 10 s without Redis, each with that status."""
    rows = [HEAD]
    for second in range(20):
        at, status = 1000 * second + 100, calm if second < 10 else lost
        rows.append(f"{probe} /x {at} {at + 5} {status} - {said_}")
    told = FACTS if facts is None else facts
    return said(id, promise(), told, probes="\n".join(rows), faults=FAULTS % mode)


def test_h1_passes_when_readiness_follows_the_store() -> None:
    assert law("H1", "readiness", 200, 503).status == "pass"


def test_h1_fails_on_a_path_that_is_not_there() -> None:
    """The guide's /ready."""
    verdict = law("H1", "readiness", 404, 404)
    assert verdict.status == "fail" and "404" in verdict.reason


def test_h1_fails_when_a_lost_store_changes_nothing() -> None:
    """KATO's /health."""
    verdict = law("H1", "readiness", 200, 200)
    assert verdict.status == "fail" and "went on" in verdict.reason


def test_h2_fails_when_liveness_stops_answering() -> None:
    assert law("H2", "liveness", 200, 0, "hung").status == "fail"


def test_h2_passes_when_nobody_is_restarted() -> None:
    assert law("H2", "liveness", 200, 200, "hung").status == "pass"


def test_h3_holds_the_body_to_the_status() -> None:
    assert law("H3", "readiness", 200, 200, said_="unhealthy").status == "fail"
    assert law("H3", "readiness", 503, 503, said_="unhealthy").status == "pass"
    assert law("H3", "readiness", 200, 200, said_="healthy").status == "not_exercised"


def test_without_probes_they_do_not_apply() -> None:
    assert law("H1", "readiness", 200, 200, facts={}).status == "not_applicable"
    assert law("H2", "liveness", 200, 200, facts={}).status == "not_applicable"
    assert law("H3", "readiness", 200, 200, facts={}).status == "not_applicable"
