"""Mesh laws on literal histories: tries and time-outs that the sidecar logged against what its policy says."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said
from mesh_cases import CALLS, MS, RETRIED, S, judged, mesh, route


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
