"""Mesh laws on literal histories: which endpoints get requests, on which connections, and when they are full."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said
from mesh_cases import CALLS, PREMIUM, RETRIED, STANDARD, S, cluster, judged, mesh, route

from harness.model import Verdict


def failing(instance: int, after_s: int, count: int = 5, status: int = 503) -> list[str]:
    """`count` first tries at an instance that fail in 10 ms each, one every 100 ms from `after_s` on."""
    start = after_s * 1000
    return [f"attempt 1 1 0 {start + 100 * n} {start + 100 * n + 10} {status} - {instance}" for n in range(count)]


class TestI4:
    """An endpoint that fails is left alone."""

    def test_passes_where_it_got_nothing_for_thirty_seconds(self) -> None:
        back = "attempt 1 1 0 31500 31510 503 - 1"
        assert judged("I4", mesh(), *failing(1, 0), back).status == "pass"

    def test_fails_where_it_went_on_getting_its_third(self) -> None:
        """The guide: one of three is 33 %, more than the 10 % that may be ejected."""
        facts = mesh(clusters={STANDARD: cluster(0, 1, 2, ejectable=0, percent=10)})
        others = [f"attempt 2 1 0 {700 + n * 50} {705 + n * 50} 200 - {n % 2 * 2}" for n in range(4)]
        found = judged("I4", facts, *failing(1, 0), *failing(1, 1, 2), *others)
        assert (found.status, calls_of(found)) == ("fail", [1])
        assert "2 within the ejection time, 33% of its cluster's first tries" in found.reason
        assert "one of 3 endpoints is 33%, more than maxEjectionPercent 10 %" in found.reason

    def test_what_was_on_its_way_at_the_fifth_failure_does_not_count(self) -> None:
        assert judged("I4", mesh(), *failing(1, 0), "attempt 2 1 0 450 480 503 - 1").status == "pass"

    def test_a_success_between_begins_the_count_anew(self) -> None:
        rows = [*failing(1, 0, 4), "attempt 1 1 0 500 510 200 - 1", *failing(1, 1, 4)]
        assert judged("I4", mesh(), *rows).status == "not_exercised"

    def test_a_second_endpoint_finds_no_room(self) -> None:
        """One of three may be out; the other goes on as the policy says."""
        rows = [*failing(1, 0), *failing(2, 1), *failing(2, 2, 3)]
        assert judged("I4", mesh(), *rows).status == "pass"

    def test_envoy_gathers_changes_for_a_second(self) -> None:
        """Failing again right after its return, an endpoint is out of the cluster a little later, and then no more."""
        again = [*failing(1, 0), *failing(1, 31), *failing(1, 32, 3)]
        assert judged("I4", mesh(), *again).status == "pass"
        assert judged("I4", mesh(), *again, *failing(1, 36, 1)).status == "fail"

    def test_does_not_apply_without_outlier_detection(self) -> None:
        facts = mesh(clusters={STANDARD: cluster(0, 1, 2, detects=False)})
        assert judged("I4", facts, *failing(1, 0)).status == "not_applicable"


TWO = [route("premium", PREMIUM), route()]
KINDS = [
    {"share": 0.9, "headers": {"x-user-id": "std-{n}"}, "routes": {"observe": 1}},
    {"share": 0.1, "headers": {"x-user-id": "premium-{n}"}, "routes": {"observe": 0}},
]
USERS = """
call op user start_ms end_ms outcome
1 observe std-1 0 40 ok
2 observe premium-2 100 140 ok
"""


class TestI5:
    """Headers lead to their subset."""

    def facts(self, *premium: int) -> dict[str, Any]:
        clusters = {STANDARD: cluster(0, 1), PREMIUM: cluster(*premium)}
        return mesh(TWO, clusters, users=KINDS, kinds={"std-1": 0, "premium-2": 1})

    def test_passes_where_each_took_its_route(self) -> None:
        rows = (
            f"request 1 1 1 0 10 200 - 0 1 {STANDARD}", f"attempt 1 1 0 0 10 200 - 0 1 {STANDARD}",
            f"request 2 1 1 0 10 200 - 2 0 {PREMIUM}", f"attempt 2 1 0 0 10 200 - 2 0 {PREMIUM}",
        )  # fmt: skip
        assert judged("I5", self.facts(2), *rows, calls=USERS).status == "pass"

    def test_fails_where_a_subset_has_no_pods(self) -> None:
        found = judged("I5", self.facts(), f"request 2 1 1 0 1 503 UH -1 0 {PREMIUM}", calls=USERS)
        assert (found.status, calls_of(found)) == ("fail", [2])
        assert "no pod carries the labels of subset `premium`" in found.reason

    def test_fails_where_a_user_took_another_route(self) -> None:
        found = judged("I5", self.facts(2), f"request 2 1 1 0 10 200 - 0 1 {STANDARD}", calls=USERS)
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_where_weights_are_missed(self) -> None:
        halves = [route(clusters={STANDARD: 0.5, PREMIUM: 0.5})]
        facts = mesh(halves, {STANDARD: cluster(0), PREMIUM: cluster(1)})
        rows = [f"request {n} 1 1 {n} {n + 1} 200 - 0" for n in range(1, 101)]
        assert judged("I5", facts, *rows).status == "fail"

    def test_does_not_apply_to_one_route_for_all(self) -> None:
        assert judged("I5", mesh(), *RETRIED).status == "not_applicable"


class TestI6:
    """Connections are given up in time."""

    def judged(self, requests: int) -> Verdict:
        rows = [f"{n} observe 1 7 {n}" for n in range(1, requests + 1)]
        arrivals = "\n".join(["call op instance connection arrive_ms", *rows])
        calls = "\n".join(["call op start_ms end_ms outcome", *(f"{n} observe {n} {n + 1} ok" for n in range(1, 9))])
        return said("I6", promise(), mesh(), calls=calls, arrivals=arrivals)

    @pytest.mark.parametrize(("requests", "status"), [(4, "not_exercised"), (5, "pass"), (6, "fail")])
    def test_five_a_connection_and_not_six(self, requests: int, status: str) -> None:
        assert self.judged(requests).status == status


class TestI7:
    """Idle connections are given up before the server does."""

    PAUSED = """
    call op start_ms end_ms outcome
    1 observe 0 40 ok
    2 observe 5040 5080 error
    """

    def test_fails_where_a_used_connection_was_reset_without_a_fault(self) -> None:
        attempts = "call attempt start_ms end_ms result status reused\n2 1 5040 5041 reset 0 1"
        found = said("I7", promise(), {"keep_alive_s": 5.0}, calls=self.PAUSED, attempts=attempts)
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_fails_where_the_sidecars_own_connection_was_cut(self) -> None:
        rows = ("request 2 1 1 5040 5041 503 UC 0", "attempt 2 1 0 5040 5041 0 UC 0")
        assert judged("I7", mesh(), *rows, calls=self.PAUSED).status == "fail"

    def test_a_reset_under_a_fault_says_nothing(self) -> None:
        attempts = "call attempt start_ms end_ms result status reused\n2 1 5040 5041 reset 0 1"
        faults = "name kind applied_ms cleared_ms\ncut reset_peer 5000 6000"
        found = said("I7", promise(), {"keep_alive_s": 5.0}, calls=self.PAUSED, attempts=attempts, faults=faults)
        assert found.status == "pass"

    def test_warns_of_a_sidecar_that_keeps_them_for_an_hour(self) -> None:
        assert judged("I7", mesh(), calls=self.PAUSED).status == "warn"

    def test_passes_with_an_idle_time_out_below_katos(self) -> None:
        facts = mesh(clusters={STANDARD: cluster(0, 1, 2, idle_ns=3 * S)})
        assert judged("I7", facts, calls=self.PAUSED).status == "pass"

    def test_is_not_exercised_without_pauses_and_does_not_apply_without_keep_alive(self) -> None:
        assert said("I7", promise(), {"keep_alive_s": 5.0}, calls=CALLS).status == "not_exercised"
        assert said("I7", promise(), {}, calls=CALLS).status == "not_applicable"


class TestP3:
    """A full sidecar says so at once."""

    def test_passes_where_what_overflowed_was_answered_at_once(self) -> None:
        rows = ("request 1 1 1 0 2 503 UO -1", "attempt 1 1 0 0 2 0 UO -1")
        assert judged("P3", mesh(), *rows).status == "pass"

    def test_fails_where_it_waited(self) -> None:
        found = judged("P3", mesh(), "request 1 1 1 0 60 503 UO -1", "attempt 1 1 0 0 60 0 UO -1")
        assert (found.status, calls_of(found)) == ("fail", [1])

    def test_fails_where_it_was_sent_again(self) -> None:
        rows = ("request 1 2 2 0 20 503 UO -1", "attempt 1 1 0 0 2 0 UO -1", "attempt 1 2 0 10 20 503 - 0")
        assert "was sent again" in judged("P3", mesh(), *rows).reason

    def test_a_retry_that_met_a_full_sidecar_is_its_end(self) -> None:
        rows = ("request 1 2 2 0 90 503 UO -1", "attempt 1 1 0 0 2 503 - 0", "attempt 1 2 0 80 90 0 UO -1")
        assert judged("P3", mesh(), *rows).status == "pass"

    def test_a_failure_whose_re_try_found_no_room_was_not_shed(self) -> None:
        rows = ("request 1 1 1 0 900 504 UO,UT 0", "attempt 1 1 0 0 900 0 UT 0")
        assert judged("P3", mesh(), *rows).status == "not_exercised"

    def test_is_not_exercised_below_the_ceiling(self) -> None:
        assert judged("P3", mesh(), *RETRIED).status == "not_exercised"
