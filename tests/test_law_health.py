"""Health laws on literal histories."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said

from harness.run.prober import said as read

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


def test_h1_lets_who_starts_slowly_be_not_ready_until_it_is() -> None:
    """Once it was ready, it stays so in peace; never ready is no slow start."""
    assert slow(["503"] * 6 + ["200"] * 4).status == "not_exercised"
    assert slow(["503"] * 6 + ["200"] + ["503"] * 3).status == "fail"
    assert slow(["503"] * 10).status == "fail"


def slow(statuses: list[str]) -> Any:
    """A readiness probe a second, without a fault."""
    rows = [f"readiness /x {1000 * at} {1000 * at + 5} {status} - -" for at, status in enumerate(statuses)]
    return said("H1", promise(), FACTS, probes="\n".join([HEAD, *rows]))


SERVICE = {"probes": {**FACTS["probes"], "of": "the service"}}


def service(id: str, probe: str, lost: int, kind: str = "refuse", outcome: str = "error") -> Any:
    """A probe a second of a service, 10 s in peace and 10 s under a fault, in which one user asked."""
    rows = [HEAD, *(f"{probe} /x {1000 * at} {1000 * at + 5} {200 if at < 10 else lost} - -" for at in range(20))]
    faults = f"name kind applied_ms effective_ms cleared_ms\ngone {kind} 10000 10010 20000"
    calls = f"call op start_ms end_ms outcome\n1 observe 9000 9010 ok\n2 observe 12000 12010 {outcome}"
    return said(id, promise(), SERVICE, probes="\n".join(rows), faults=faults, calls=calls)


def test_h1_asks_a_service_that_serves_nobody_without_kato_not_to_be_ready() -> None:
    """One that serves its users all the same may well be; a slow KATO is not gone."""
    assert service("H1", "readiness", 503).status == "pass"
    verdict = service("H1", "readiness", 200)
    assert verdict.status == "fail" and "gone" in verdict.reason
    assert service("H1", "readiness", 200, outcome="degraded").status == "not_exercised"
    assert service("H1", "readiness", 200, kind="latency").status == "not_exercised"
    assert service("H1", "readiness", 503, outcome="ok").status == "not_exercised"


def test_h2_asks_a_service_to_live_on_without_kato() -> None:
    """Whatever takes KATO away, or makes it slow."""
    for kind in ("refuse", "timeout", "latency"):
        assert service("H2", "liveness", 0, kind).status == "fail"
        assert service("H2", "liveness", 200, kind).status == "pass"
    assert service("H2", "liveness", 0, "status").status == "not_exercised"


def test_h3_knows_the_words_and_flags_of_other_frameworks() -> None:
    """Who is degraded still serves."""
    for word in ("DOWN", "fail", "out_of_service", "not-ready", "ready:false", "ok:false"):
        assert law("H3", "readiness", 200, 200, said_=word).status == "fail", word
        assert law("H3", "readiness", 503, 503, said_=word).status == "pass", word
    for word in ("UP", "pass", "degraded", "ready:true", "warn"):
        assert law("H3", "readiness", 200, 200, said_=word).status == "not_exercised", word


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"status": "UP", "components": {"redis": {"status": "DOWN"}}}', "up"),
        (b'{"status": "fail", "output": "no KATO"}', "fail"),
        (b'{"ready": false, "checks": []}', "ready:false"),
        (b'{"healthy": true}', "healthy:true"),
        (b'{"status": 503, "state": "Unhealthy"}', "unhealthy"),
        (b'"DOWN"', "down"),
        (b"not ready\n", "not ready"),
        (b"<html><body>It works, and so much more</body></html>", ""),
        (b"[1]", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
    ],
)
def test_what_a_body_says_of_health_is_found_in_many_shapes(body: bytes, word: str) -> None:
    """Its own status comes first, not that of what it needs."""
    assert read(body) == word


def test_h3_holds_the_body_to_the_status() -> None:
    assert law("H3", "readiness", 200, 200, said_="unhealthy").status == "fail"
    assert law("H3", "readiness", 503, 503, said_="unhealthy").status == "pass"
    assert law("H3", "readiness", 200, 200, said_="healthy").status == "not_exercised"


def test_without_probes_they_do_not_apply() -> None:
    assert law("H1", "readiness", 200, 200, facts={}).status == "not_applicable"
    assert law("H2", "liveness", 200, 200, facts={}).status == "not_applicable"
    assert law("H3", "readiness", 200, 200, facts={}).status == "not_applicable"
