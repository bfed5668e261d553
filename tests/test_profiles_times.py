"""Service times of the embedded KATO as they were measured: stalls, spread, and what node and session add."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profile_rig import ONE, service_ms
from standin_kato import StandInKato
from witness_rig import Rig

from harness.rng import Stream
from harness.twin.http import Request
from harness.twin.kato.messages import Answer
from harness.twin.profiles import STALLS, custom_profile
from harness.twin.service import KINDS, MEASURED, Cost, Curve, Service


def test_the_loop_stalls_twice_in_ten_seconds(tmp_path: Path) -> None:
    """A hundred milliseconds each: two of a thousand requests in ten seconds wait for them."""
    rig = Rig(tmp_path, custom_profile({"workers": 1, "stalls": {"every": "10s", "count": 2, "length": "100ms"}}))
    client = rig.client()
    for _ in range(1000):
        client.observe()
        rig.timers.advance(0.010)
    slow = [ms for ms in service_ms(rig) if ms > 0]
    assert max(slow) == pytest.approx(100, abs=10)
    assert sum(1 for ms in slow if ms > 95) == 2


@given(st.integers(0, 10**11), st.integers(0, 10**10))
def test_work_is_never_done_during_a_stall(start_ns: int, work_ns: int) -> None:
    """It takes its own time and that of each stall that it meets, never less, and never ends inside one."""
    end_ns = STALLS.finish_ns(start_ns, work_ns)
    gap = STALLS.every_ns // STALLS.count
    begins = range(start_ns // gap * gap, end_ns, gap)
    stalls = sum(1 for at in begins if at + STALLS.length_ns > start_ns)
    assert work_ns <= end_ns - start_ns <= work_ns + stalls * STALLS.length_ns
    if work_ns:
        assert (end_ns - 1) % gap >= STALLS.length_ns


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in MEASURED])
def test_draws_have_the_measured_median_and_spread(kind: str) -> None:
    """Lognormal: half of them below the median, 95 % below median × exp(1.645 sigma)."""
    draws = Stream(3, "service")
    curve = MEASURED[kind]
    times = sorted(Service(MEASURED).draw_s(Cost(kind), draws, number) for number in range(4000))
    assert median(times) == pytest.approx(curve.median_s(0), rel=0.04)
    assert times[3800] == pytest.approx(curve.median_s(0) * math.exp(1.645 * curve.sigma), rel=0.08)


@pytest.mark.parametrize(("patterns", "ms"), [(0, 8.0), (10, 10.7), (20, 13.4), (60, 17.1), (100, 20.8), (180, 28.2)])
def test_medians_lie_on_the_line_through_the_measured_points(patterns: int, ms: float) -> None:
    """Between them and beyond the last."""
    assert MEASURED["predict"].median_s(patterns) * 1000 == pytest.approx(ms)


def test_equal_seeds_take_equal_times() -> None:
    """The n-th request's time depends on seed, n and cost alone."""
    service = Service(MEASURED)
    one = [service.draw_s(Cost("observe"), Stream(5, "service"), number) for number in range(50)]
    other = [service.draw_s(Cost("observe"), Stream(5, "service"), number) for number in reversed(range(50))]
    assert one == other[::-1]
    assert len(set(one)) == 50


class LearningKato(StandInKato):
    """Also learns a new pattern each time, and opens sessions on one node without predictions where asked to."""

    learnt = 0

    def handle(self, request: Request) -> Answer:
        if not request.path.endswith("/learn"):
            answer = super().handle(request)
            body = answer.body
            if b"false" in request.body:
                body = body.replace(b"}", b', "process_predictions":false}')
            return Answer(answer.status, body, session_id=answer.session_id, node_id="n1", committed=True)
        self.learnt += 1
        body = b'{"pattern_name":"PTRN|%040x"}' % self.learnt
        return Answer(200, body, session_id="s1", node_id="n1", committed=True)


EXACT = Service({kind: Curve(curve.points, 0.0) for kind, curve in MEASURED.items()})


def test_a_request_costs_what_its_node_and_session_make_it_cost(tmp_path: Path) -> None:
    """First use of a node, patterns learnt since, predictions switched off: the rows of the measurement."""
    rig = Rig(tmp_path, replace(ONE, service=EXACT), LearningKato())
    client = rig.client()

    def took(path: str, body: bytes = b"{}") -> float:
        client.post(path, body)
        rig.timers.advance(1)
        return service_ms(rig)[-1]

    assert took("/sessions/s1/observe") == pytest.approx(19.5)
    assert took("/sessions/s1/observe") == pytest.approx(10.2)
    for _ in range(20):
        assert took("/sessions/s1/learn") == pytest.approx(19.6)
    assert took("/sessions/s1/observe") == pytest.approx(17.6)
    assert took("/sessions/s1/observe-sequence", b'{"observations":[{},{},{}]}') == pytest.approx(3 * 17.6)
    client.get("/sessions/s1/predictions")
    rig.timers.advance(1)
    assert service_ms(rig)[-1] == pytest.approx(13.4)
    assert took("/sessions", b'{"config":{"process_predictions":false}}') == pytest.approx(4.4)
    assert took("/sessions/s2/observe") == pytest.approx(6.9)


def test_sessions_that_share_a_node_are_warned_of_once(tmp_path: Path) -> None:
    """With the reason: a real worker can freeze."""
    rig = Rig(tmp_path, kato=LearningKato())
    client = rig.client()
    assert rig.warnings == []
    for _ in range(3):
        client.post("/sessions")
    (warning,) = rig.warnings
    assert "'n1'" in warning
    assert "freezes" in warning
    assert rig.witness.backend.stats()["shared_nodes"] == 1
