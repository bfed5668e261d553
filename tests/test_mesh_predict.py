"""The prediction's arithmetic: Envoy's documented rules, and the guide's own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_yaml import THREE, destination_rule, route, translated, virtual_service

from harness.mesh import FAILURES, Prediction, Resending, load, predict, send, translate
from harness.mesh.ejection import ejectable
from harness.policy import Backoff, Policy, Retry, Timeout

S = 10**9
MS = 10**6


@pytest.fixture(scope="module")
def guide() -> Prediction:
    case = json.loads((Path(__file__).parent / "data" / "istio" / "guide.json").read_text(encoding="utf-8"))
    return predict(translate([node for doc in case["istio"] for node in load(json.dumps(doc), "guide")], THREE))


def test_the_guides_standard_route_tries_four_times(guide: Prediction) -> None:
    standard = guide.routes[1]
    assert standard.on(500).mesh.attempts == (4, 4)
    assert standard.on(409).mesh.attempts == (1, 1)
    assert standard.on("overflow").mesh.attempts == (1, 1)
    assert standard.resends_writes == (500, 502, 503, 504, "reset")


def test_forty_seconds_of_tries_do_not_fit_into_thirty(guide: Prediction) -> None:
    """Tries start at 0, 10 and 20 s; at 30 s the route's time-out answers 504 and the fourth never starts."""
    silent = guide.routes[1].on("silent").mesh
    assert silent.attempts == (3, 3)
    assert (silent.status, silent.ns) == (504, (30 * S, 30 * S))


def test_the_guides_premium_route_has_no_end(guide: Prediction) -> None:
    premium = guide.routes[0]
    assert premium.on(500).mesh.attempts == (1, 1)
    assert premium.on("refused").mesh.attempts == (3, 3)
    assert premium.on("silent").mesh.ns is None
    assert premium.worst_ns is None


def test_the_guide_ejects_nobody_and_overflows_at_150(guide: Prediction) -> None:
    by_name = {cluster.name.split("|")[2]: cluster for cluster in guide.clusters}
    assert by_name["standard"].ejection.hosts == 3
    assert by_name["standard"].ejection.after(503) is None
    assert by_name["standard"].ceiling.in_flight == 150
    assert any("none of 3 endpoints can be ejected" in line for line in guide.lines())


def test_the_clients_re_tries_multiply_the_meshs() -> None:
    service = virtual_service(route(retries={"attempts": 3, "retryOn": "5xx"}, timeout="1s"))
    policy = Policy(retry=Retry(max_attempts=3, on=("5xx",), calls=("observe",), backoff=Backoff(initial=2.0)))
    (found,) = predict(translated(service), policy).routes
    assert found.on(503).wire == (12, 12)
    assert found.amplification == 12
    assert found.on(503).ns == (0, (25 + 75 + 175) * MS * 3 + 6 * S)


def test_a_client_that_does_not_re_send_a_status_does_not_multiply() -> None:
    service = virtual_service(route(retries={"attempts": 3, "retryOn": "5xx"}, timeout="1s"))
    policy = Policy(retry=Retry(max_attempts=3, on=("connect_error",), calls=("observe",)))
    (found,) = predict(translated(service), policy).routes
    assert found.on("refused").wire == (4, 4)


def test_a_caller_less_patient_than_one_try_makes_re_tries_dead_code() -> None:
    retries = {"attempts": 3, "retryOn": "5xx", "perTryTimeout": "10s"}
    (found,) = predict(
        translated(virtual_service(route(retries=retries, timeout="30s"))), Policy(timeout=Timeout(read=5.0))
    ).routes
    assert found.on("silent").mesh.attempts == (1, 1)
    assert found.on("silent").mesh.status is None


def test_a_per_try_time_out_without_room_is_ignored() -> None:
    retries = {"attempts": 3, "retryOn": "5xx", "perTryTimeout": "3s"}
    (found,) = predict(translated(virtual_service(route(retries=retries, timeout="2s")))).routes
    assert found.limits.per_try_ns == 0
    assert found.on("silent").mesh.attempts == (1, 1)


def test_back_off_is_at_most_25_75_175_and_250_ms() -> None:
    limits = Resending(retries=9)
    assert [limits.backoff_ns(retry) // MS for retry in (1, 2, 3, 4, 5)] == [25, 75, 175, 250, 250]


@pytest.mark.parametrize(
    ("hosts", "percent", "out"), [(3, 10, 0), (3, 33, 0), (3, 34, 1), (2, 50, 1), (10, 10, 1), (4, 100, 4)]
)
def test_a_host_is_ejected_while_the_share_stays_within_the_percentage(hosts: int, percent: int, out: int) -> None:
    assert ejectable(hosts, percent) == out


@pytest.mark.parametrize(
    ("outlier", "failure", "after"),
    [
        ({"maxEjectionPercent": 50}, 500, 5),
        ({"maxEjectionPercent": 50}, "refused", 5),
        ({"maxEjectionPercent": 50, "consecutiveGatewayErrors": 2}, 503, 2),
        ({"maxEjectionPercent": 50, "consecutiveGatewayErrors": 2}, 500, 5),
        ({"maxEjectionPercent": 50, "consecutive5xxErrors": 0}, 503, None),
        ({"maxEjectionPercent": 50, "consecutive5xxErrors": 0, "splitExternalLocalOriginErrors": True}, "refused", 5),
        ({"maxEjectionPercent": 50}, 429, None),
    ],
)
def test_what_ejects_and_after_how_many(outlier: dict[str, object], failure: int | str, after: int | None) -> None:
    (cluster,) = predict(translated(destination_rule(trafficPolicy={"outlierDetection": outlier}))).clusters
    assert cluster.ejection.after(failure) == after


LIMITS = st.builds(
    Resending,
    retries=st.integers(0, 20),
    words=st.frozensets(st.sampled_from(["5xx", "reset", "gateway-error", "connect-failure", "retriable-4xx"])),
    per_try_ns=st.integers(0, 5 * S),
    route_ns=st.integers(0, 30 * S),
)


@given(LIMITS, st.sampled_from([409, 500, 503, *FAILURES]), st.integers(0, 40 * S), st.integers(0, 40 * S))
def test_no_call_is_sent_more_often_or_takes_longer_than_its_limits(
    limits: Resending, failure: int | str, after_ns: int, patience_ns: int
) -> None:
    sent = send(limits, failure, after_ns, patience_ns)
    assert 1 <= sent.attempts[0] <= sent.attempts[1] <= limits.retries + 1
    for bound in (limits.route_ns, patience_ns):
        assert not bound or (sent.ns is not None and sent.ns[1] <= bound)
    assert sent.ns is None or sent.ns[0] <= sent.ns[1]


def test_what_the_sidecar_injects_mirrors_and_answers_itself_is_predicted() -> None:
    fault = {
        "abort": {"httpStatus": 429, "percentage": {"value": 25}},
        "delay": {"fixedDelay": "2s", "percentage": {"value": 0.5}},
    }
    faulty = route(
        match=[{"uri": {"exact": "/f"}}],
        fault=fault,
        mirror={"host": "kato", "subset": "copy"},
        mirrorPercentage={"value": 10},
        timeout="1s",
    )
    service = virtual_service(
        faulty,
        {"match": [{"uri": {"exact": "/r"}}], "redirect": {"uri": "/n", "redirectCode": 308}},
        {"directResponse": {"status": 503}},
    )
    found = predict(translated(service))
    first, *rest = found.routes
    assert (first.injected.abort_share, first.injected.abort_status) == (0.25, 429)
    assert (first.injected.delay_share, first.injected.delay_ns) == (0.005, 2 * S)
    assert list(first.mirrors.values()) == [0.1]
    assert first.worst_ns == 3 * S
    assert [route.answered for route in rest] == [308, 503]
    assert any("25.00% of the calls are answered 429" in line for line in found.lines())
