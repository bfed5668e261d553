"""Mesh laws on literal histories: what the sidecar logged against what its policy says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from law_cases import calls_of, promise, said

from harness.model import Verdict

S = 10**9
MS = 10**6
STANDARD, PREMIUM = "outbound|8000|standard|kato", "outbound|8000|premium|kato"
RESENT = ["500", "503", "504", "refused", "reset", "silent"]


def route(name: str = "standard", cluster: str = STANDARD, **more: Any) -> dict[str, Any]:
    """A route of the guide: 3 re-tries, 10 s a try, 30 s in all."""
    told = {
        "name": name, "match": "/*", "clusters": {cluster: 1.0}, "answered": None, "retries": 3, "resends": RESENT,
        "route_ns": 30 * S, "per_try_ns": 10 * S, "written_per_try_ns": 10 * S,
        "backoffs_ns": [25 * MS, 75 * MS, 175 * MS],
    }  # fmt: skip
    return told | more


def cluster(*instances: int, **more: Any) -> dict[str, Any]:
    """A cluster whose policy may eject one of three endpoints after five failures, for 30 s."""
    told = {
        "instances": list(instances), "detects": True, "ejectable": 1, "percent": 50, "on_5xx": 5, "on_gateway": None,
        "on_local": 5, "base_ns": 30 * S, "merge_ns": S, "in_flight": 150, "connections": 100, "per_connection": 5,
        "idle_ns": 3600 * S,
    }  # fmt: skip
    return told | more


def mesh(
    routes: list[dict[str, Any]] | None = None, clusters: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """The facts of a run behind a mesh whose first route takes everybody."""
    ops = ("open_session", "observe", "predict", "learn")
    facts = {
        "scale": 1.0,
        "routes": [route()] if routes is None else routes,
        "clusters": {STANDARD: cluster(0, 1, 2)} if clusters is None else clusters,
        "users": [{"share": 1.0, "headers": {}, "routes": dict.fromkeys(ops, 0)}],
        "findings": [],
    }
    return {"mesh": facts | more, "keep_alive_s": 5.0}


CALLS = """
call op start_ms end_ms outcome
1 observe 0 40 ok
2 observe 100 140 ok
"""


def hops(*rows: str) -> str:
    """Requests and attempts of route 0 to the standard cluster, as `kind call try tries start end status flags
    instance`."""
    head = "kind call attempt try tries start_ms end_ms status flags instance route cluster method"
    return "\n".join([head, *(_row(row) for row in rows)])


def _row(row: str) -> str:
    kind, call, turn, tries, start, end, status, flags, instance, *place = row.split()
    index, name = place or ("0", STANDARD)
    return f"{kind} {call} 1 {turn} {tries} {start} {end} {status} {flags} {instance} {index} {name} POST"


def judged(law: str, facts: Mapping[str, Any], *rows: str, calls: str = CALLS, **policy: Any) -> Verdict:
    return said(law, promise(policy), facts, calls=calls, hops=hops(*rows))


RETRIED = (
    "request 1 2 2 0 40 200 - 1",
    "attempt 1 1 0 0 10 503 - 0",
    "attempt 1 2 0 20 40 200 - 1",
)


@pytest.mark.parametrize("law", ["I1", "I2", "I3", "I4", "I5", "I6", "T4", "T5", "P3"])
def test_without_a_mesh_its_laws_do_not_apply(law: str) -> None:
    assert said(law, promise(), {}, calls=CALLS).status == "not_applicable"


class TestI1:
    """The files mean what they seem to."""

    @pytest.mark.parametrize(("rule", "severity", "status"), [
        ("I4/ejects-nobody", "gate", "fail"),
        ("T5/tries-do-not-fit", "warn", "warn"),
        ("H1/probe-path-missing", "gate", "pass"),
    ])  # fmt: skip
    def test_grave_findings_fail_and_others_warn_or_are_not_the_meshs(
        self, rule: str, severity: str, status: str
    ) -> None:
        found = judged("I1", mesh(findings=[{"rule": rule, "severity": severity}]))
        assert found.status == status
        assert (rule in found.reason) == (status != "pass")


class TestI2:
    """Tries are what the policy says."""

    def test_a_retry_after_what_the_policy_names_is_as_predicted(self) -> None:
        found = judged("I2", mesh(), *RETRIED)
        assert found.status == "pass"
        assert "`standard` 503: 2 (predicted 2 to 4)" in found.measured

    @pytest.mark.parametrize(("changed", "words"), [
        ({"resends": ["refused"]}, "sent again after 503"),
        ({"retries": 0}, "the policy allows 1"),
        ({"backoffs_ns": [MS] * 3}, "pass"),
    ])  # fmt: skip
    def test_a_retry_that_the_policy_does_not_name_fails(self, changed: dict[str, Any], words: str) -> None:
        found = judged("I2", mesh([route(**changed)]), *RETRIED)
        assert (found.status == "pass") if words == "pass" else (found.status == "fail" and words in found.reason)
        assert calls_of(found) == ([] if words == "pass" else [1])

    def test_a_failure_that_should_have_been_sent_again_and_was_not_fails(self) -> None:
        rows = ("request 1 1 1 0 10 503 - 0", "attempt 1 1 0 0 10 503 - 0")
        found = judged("I2", mesh(), *rows)
        assert (found.status, calls_of(found)) == ("fail", [1])
        assert "not sent again after 503" in found.reason

    def test_what_the_caller_or_the_routes_time_out_ended_is_not_missed(self) -> None:
        left = ("request 1 1 1 0 9900 0 DC 0", "attempt 1 1 0 0 9900 0 UT 0")
        over = ("request 2 3 3 0 30000 504 UT 0", "attempt 2 1 0 0 10000 0 UT 0", "attempt 2 2 0 10010 20010 0 UT 0",
                "attempt 2 3 0 20050 30000 0 - 0")  # fmt: skip
        assert judged("I2", mesh(), *left, *over).status == "pass"

    def test_a_wait_longer_than_envoys_back_off_fails(self) -> None:
        rows = ("request 1 2 2 0 900 200 - 1", "attempt 1 1 0 0 10 503 - 0", "attempt 1 2 0 800 900 200 - 1")
        assert "waited 790 ms" in judged("I2", mesh(), *rows).reason

    def test_is_not_exercised_where_nothing_failed(self) -> None:
        rows = ("request 1 1 1 0 10 200 - 0", "attempt 1 1 0 0 10 200 - 0")
        assert judged("I2", mesh(), *rows).status == "not_exercised"


class TestI3:
    """Routes bound their calls."""

    def test_fails_for_a_route_without_a_time_out(self) -> None:
        found = judged("I3", mesh([route(route_ns=0)]), *RETRIED)
        assert found.status == "fail"
        assert "no time-out on route `standard`" in found.reason

    def test_fails_where_a_request_outlives_its_route(self) -> None:
        found = judged("I3", mesh([route(route_ns=S)]), "request 2 1 1 0 1400 200 - 0")
        assert (found.status, calls_of(found), found.bound) == ("fail", [2], "1 s")

    def test_passes_where_the_time_out_ended_a_request(self) -> None:
        found = judged("I3", mesh([route(route_ns=S)]), "request 2 1 1 0 1001 504 UT 0")
        assert (found.status, found.measured) == ("pass", "1.001 s")

    def test_is_not_exercised_by_quick_answers(self) -> None:
        assert judged("I3", mesh(), *RETRIED).status == "not_exercised"


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


class TestT4:
    """Time-outs nest."""

    @pytest.mark.parametrize(("caller", "words"), [
        (5.0, "the caller leaves after 5 s, a try may take 10 s"),
        (10.0, "the caller leaves after 10 s, a try may take 10 s"),
        (20.0, "the caller leaves after 20 s, the route after 30 s"),
        (40.0, ""),
    ])  # fmt: skip
    def test_the_guides_route_needs_a_patient_caller(self, caller: float, words: str) -> None:
        found = judged("T4", mesh(), timeout={"read": caller})
        assert found.status == ("fail" if words else "pass")
        assert words in found.reason

    def test_a_try_as_long_as_its_route_fails(self) -> None:
        found = judged("T4", mesh([route(written_per_try_ns=30 * S)]))
        assert found.status == "fail"

    def test_does_not_apply_where_nothing_nests(self) -> None:
        bare = route(route_ns=0, per_try_ns=0, written_per_try_ns=0)
        assert judged("T4", mesh([bare]), timeout={"read": 5.0}).status == "not_applicable"


class TestT5:
    """Tries fit into the route's time."""

    def test_four_times_ten_do_not_fit_into_thirty(self) -> None:
        found = judged("T5", mesh(), "request 1 3 3 0 30000 504 UT 0")
        assert (found.status, found.measured, found.bound) == ("warn", "40.275 s", "30 s")
        assert "had 3 tries" in found.reason

    def test_three_times_one_fit_into_four(self) -> None:
        fits = route(retries=2, per_try_ns=S, route_ns=4 * S, backoffs_ns=[25 * MS, 75 * MS])
        assert judged("T5", mesh([fits])).status == "pass"

    def test_does_not_apply_without_re_tries(self) -> None:
        assert judged("T5", mesh([route(retries=0)])).status == "not_applicable"


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
