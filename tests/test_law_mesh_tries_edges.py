"""Mesh laws at their edges: which findings are the mesh's, which tries are as predicted, and which time-outs nest."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from mesh_cases import CALLS, MS, PREMIUM, RETRIED, STANDARD, S, cluster, hops, judged, mesh, route

MANY = "\n".join(["call op start_ms end_ms outcome", *(f"{n} observe {n} {n + 40} ok" for n in range(1, 41))])
SECOND = {"users": [{"share": 1.0, "headers": {}, "routes": {"observe": 0, "predict": 1}}]}
"""Users whose predictions take the second route."""


def once(call: int, status: int = 503, flags: str = "-", place: str = "", end: int = 10) -> tuple[str, str]:
    """A request with one try that got this status and these flags."""
    told = status or 503
    return (f"request {call} 1 1 0 {end} {told} {flags} 0 {place}",
            f"attempt {call} 1 0 0 {end} {status} {flags} 0 {place}")  # fmt: skip


class TestI1:
    """Whose findings they are."""

    @pytest.mark.parametrize(("rule", "status"), [
        *((f"{rule}/some", "fail") for rule in ("I1", "I4", "T4", "T5", "R6", "R8", "P3")), ("R1/some", "pass"),
    ])  # fmt: skip
    def test_rules_about_the_meshs_policy_count(self, rule: str, status: str) -> None:
        """Others are another law's."""
        found = judged("I1", mesh(findings=[{"rule": rule, "severity": "gate"}]))
        assert (found.status, found.measured) == (status, rule if status == "fail" else "")

    def test_a_warning_is_one_and_no_findings_are_none(self) -> None:
        """Also where the files were not looked through."""
        found = judged("I1", mesh(findings=[{"rule": "T5/some", "severity": "warn"}]))
        assert (found.status, found.severity, found.reason) == (
            "warn", "warn", "the mesh's files have 1 finding: T5/some")  # fmt: skip
        facts = mesh()
        del facts["mesh"]["findings"]
        assert judged("I1", facts).status == "pass"

    def test_grave_findings_alone_are_counted_where_there_are_some(self) -> None:
        """Two of three."""
        findings = [{"rule": f"I4/{n}", "severity": "warn" if n == 1 else "gate"} for n in range(3)]
        assert judged("I1", mesh(findings=findings)).reason == "the mesh's files have 2 grave findings: I4/0, I4/2"


class TestI2:
    """What is as predicted."""

    def missed(self, count: int, wrong: int) -> list[str]:
        """Requests that were sent again after a 503, and others that were not."""
        rows: list[str] = []
        for call in range(1, count + 1):
            again = (f"request {call} 2 2 0 40 200 - 1", f"attempt {call} 1 0 0 10 503 - 0",
                     f"attempt {call} 2 0 20 40 200 - 1")  # fmt: skip
            rows += once(call) if call <= wrong else again
        return rows

    def test_one_of_twenty_may_differ(self) -> None:
        """One of nineteen is one too many, and the only one named."""
        found = judged("I2", mesh(), *self.missed(20, 1), calls=MANY)
        assert (found.status, found.measured) == (
            "pass", "19 of 20 failing requests as predicted; `standard` 503: 1 to 2 (predicted 2 to 4)")  # fmt: skip
        rows = self.missed(19, 1)
        found = judged("I2", mesh(), *rows, calls=MANY)
        assert (found.status, calls_of(found), found.bound) == ("fail", [1], "95% as predicted")
        assert found.measured.startswith("18 of 19 failing requests as predicted; ")
        assert found.reason == (
            "1 request got other tries than the policy says, 1 of them: "
            "not sent again after 503, though the policy says so"
        )
        assert share("I2", promise(), mesh(), calls=MANY, hops=hops(*rows)) == pytest.approx(1 / 19)

    def test_what_was_sent_again_after_an_answer_is_wrong(self) -> None:
        """Nobody failed."""
        rows = ("request 1 2 2 0 40 200 - 1", "attempt 1 1 0 0 10 200 - 0", "attempt 1 2 0 20 40 200 - 1")
        assert "sent again after an answer, which" in judged("I2", mesh(), *rows).reason

    def test_the_six_most_frequent_failures_stand_beside_the_prediction(self) -> None:
        """Most frequent first, then by route and name."""
        statuses = [400, 401, 404, 409, 429, 501, 505, 505]
        rows = [row for call, status in enumerate(statuses, 1) for row in once(call, status)]
        found = judged("I2", mesh(), *rows, calls=MANY)
        words = "; ".join(f"`standard` {status}: 1 (predicted 1)" for status in (505, 400, 401, 404, 409, 429))
        assert (found.status, found.measured) == ("pass", f"8 of 8 failing requests as predicted; {words}")

    @pytest.mark.parametrize(("status", "told"), [(399, "not_exercised"), (400, "pass")])
    def test_four_hundred_is_a_failure(self, status: int, told: str) -> None:
        """That this policy doesn't re-send."""
        assert judged("I2", mesh(), *once(1, status)).status == told

    @pytest.mark.parametrize(("flags", "failure"), [
        ("UO", "overflow"), ("UH", "no_host"), ("NC", "no_host"), ("UT", "silent"), ("UF", "refused"), ("UC", "reset"),
        ("UR", "reset"), ("UPE", "reset"), ("LR", "reset"), ("URX,UF", "refused"), ("DC", "cut"), ("-", "cut"),
    ])  # fmt: skip
    def test_flags_say_what_a_try_without_an_answer_met(self, flags: str, failure: str) -> None:
        """The first that says something, of several."""
        rows = ("request 1 1 1 0 10 503 - 0", f"attempt 1 1 0 0 10 0 {flags} 0")
        found = judged("I2", mesh([route(resends=[failure])]), *rows)
        assert found.reason.endswith(f"not sent again after {failure}, though the policy says so")

    @pytest.mark.parametrize(("flags", "status"), [
        ("DC", "pass"), ("UT", "pass"), ("UO", "pass"), ("URX,UT", "pass"), ("URX", "fail"),
    ])  # fmt: skip
    def test_who_left_whose_time_was_up_and_who_found_no_room_is_not_sent_again(self, flags: str, status: str) -> None:
        """The request says so."""
        rows = (f"request 1 1 1 0 10 503 {flags} 0", "attempt 1 1 0 0 10 503 - 0")
        assert judged("I2", mesh(), *rows).status == status

    @pytest.mark.parametrize(("end", "route_ns", "status"), [
        (29_830, 30 * S, "pass"), (29_820, 30 * S, "fail"), (29_830, 0, "fail"),
    ])  # fmt: skip
    def test_where_the_wait_would_outlast_the_route_nothing_is_missed(
        self, end: int, route_ns: int, status: str
    ) -> None:
        """The longest is 175 ms."""
        assert judged("I2", mesh([route(route_ns=route_ns)]), *once(1, end=end)).status == status

    def test_all_tries_used_up_are_as_predicted(self) -> None:
        """Four of them."""
        tries = [f"attempt 1 {n} 0 {20 * n} {20 * n + 10} 503 - 0" for n in range(1, 5)]
        assert judged("I2", mesh(), "request 1 4 4 0 100 503 URX 0", *tries).status == "pass"

    def test_a_wait_says_before_which_try_and_how_long_it_may_be(self) -> None:
        """250 ms beyond the back-off is what clocks may be apart."""
        for start, status in ((285, "pass"), (286, "fail")):
            rows = ("request 1 2 2 0 900 200 - 1", "attempt 1 1 0 0 10 503 - 0", f"attempt 1 2 0 {start} 900 200 - 1")
            found = judged("I2", mesh(), *rows)
            assert found.status == status
        assert found.reason.endswith("waited 276 ms before try 2, and at most 25 ms")

    @pytest.mark.parametrize("left_out", [
        ("request 1 1 2 0 10 503 - 0", "attempt 1 1 0 0 10 503 - 0"),
        ("request 1 1 1 0 10 503 - 0 -1 -", "attempt 1 1 0 0 10 503 - 0"),
        ("request 1 1 1 0 10 503 - 0 1 -", "attempt 1 1 0 0 10 503 - 0"),
        ("request 0 1 1 0 10 503 - 0", "attempt 0 1 0 0 10 503 - 0"),
    ])  # fmt: skip
    def test_what_is_not_wholly_known_is_left_out(self, left_out: tuple[str, str]) -> None:
        """A try that was not logged, a request on no route, one that the sidecar answers itself, and one of no call;
        what follows is judged."""
        facts = mesh([route(), route("own", answered=503)])
        assert judged("I2", facts, *left_out).status == "not_exercised"
        assert calls_of(judged("I2", facts, *left_out, *once(2))) == [2]

    def test_tries_belong_to_the_attempt_of_their_call(self) -> None:
        """The client's first got a 503 and was not sent again, its second did well."""
        head, *rows = hops(*once(1), "request 1 1 1 100 110 200 - 0", "attempt 1 1 0 100 110 200 - 0").split("\n")
        second = [" ".join([*row.split()[:2], "2", *row.split()[3:]]) for row in rows[2:]]
        table = "\n".join([head, *rows[:2], *second])
        found = said("I2", promise(), mesh(), calls=CALLS, hops=table)
        assert found.measured.startswith("0 of 1 failing request as predicted")

    def test_a_mesh_that_logged_nothing_says_nothing(self) -> None:
        """Neither requests nor tries; or tries of requests that are missing."""
        assert judged("I2", mesh()).status == "not_exercised"
        assert judged("I2", mesh(), once(1)[1]).status == "not_exercised"


class TestT4:
    """What nests in what."""

    def words(self, *routes: dict[str, Any], read: float = 0.0, rows: tuple[str, ...] = ()) -> tuple[str, str, str]:
        facts = mesh(list(routes), **(SECOND if len(routes) > 1 else {}))
        found = judged(
            "T4",
            facts,
            *rows,
            calls=CALLS.replace("2 observe", "2 predict"),
            **({"timeout": {"read": read}} if read else {}),
        )
        return found.status, found.reason, found.measured

    @pytest.mark.parametrize(("per_try", "route_s", "read", "status"), [
        (1, 4, 5.0, "pass"), (1, 4, 0.0, "pass"), (1, 0, 5.0, "pass"), (0, 4, 5.0, "pass"),
        (1, 0, 0.0, "not_applicable"), (0, 4, 0.0, "not_applicable"), (0, 0, 5.0, "not_applicable"),
        (0, 4, 4.0, "fail"),
    ])  # fmt: skip
    def test_two_of_three_nest(self, per_try: int, route_s: int, read: float, status: str) -> None:
        """One by itself is in nothing; as long as is not below."""
        told = route(written_per_try_ns=per_try * S, route_ns=route_s * S)
        assert self.words(told, read=read)[0] == status

    def test_a_time_out_of_tries_that_are_not_made_counts_for_nothing(self) -> None:
        """Without re-tries the route's is the only one."""
        assert self.words(route(retries=0, written_per_try_ns=30 * S), read=40.0)[0] == "pass"

    def test_counts_the_routes_and_says_who_left(self) -> None:
        """One of two; and one request that its caller gave up."""
        quick = route("quick", written_per_try_ns=S, route_ns=4 * S)
        assert self.words(quick, quick, read=5.0)[1] == "time-outs nest on 2 routes"
        said = "`standard`: the caller leaves after 5 s, a try may take 10 s"
        assert self.words(quick, route(), read=5.0) == ("fail", said, "1 of 2 out of order")
        left = ("request 1 1 1 0 5000 0 DC 0", "request 2 1 1 0 10 200 - 0")
        assert self.words(quick, route(), read=5.0, rows=left)[1] == (
            f"{said}; 1 request ended because the caller left"
        )


class TestT5:
    """What fits."""

    def test_the_tightest_of_several_is_told(self) -> None:
        """With what it ended itself, not what others did."""
        near = route(route_ns=40 * S)
        rows = ("request 1 3 3 0 30000 504 UT 0", "request 2 4 4 0 30000 200 - 0 1 -")
        found = judged("T5", mesh([near, route("tight")], **SECOND), *rows)
        assert (found.status, found.severity, found.measured, found.bound) == ("warn", "warn", "40.275 s", "30 s")
        assert found.reason == "`tight`: 4 × 10 s and back-off take 40.275 s, the route ends after 30 s"

    def test_a_longer_need_in_a_longer_route_may_be_less_tight(self) -> None:
        """40.275 of 40 s and 20.1 of 10 s."""
        short = route("short", retries=1, route_ns=10 * S, backoffs_ns=[100 * MS])
        for routes in ([short, route(route_ns=40 * S)], [route(route_ns=40 * S), short]):
            assert judged("T5", mesh(routes, **SECOND)).reason.startswith("`short`: 2 × 10 s")

    def test_says_how_many_tries_those_had_that_it_ended(self) -> None:
        """On its own route."""
        rows = ("request 1 3 3 0 30000 504 UT 0", "request 2 4 4 0 30000 503 - 0")
        assert judged("T5", mesh(), *rows).reason.endswith("ends after 30 s; requests that it ended had 3 tries")


def test_retried_of_the_helpers_is_what_the_policy_says() -> None:
    """On either of two routes, each beside its own prediction."""
    clusters = {STANDARD: cluster(0, 1), PREMIUM: cluster(2)}
    other = [f"{row.replace(' 1 ', ' 2 ', 1)} 1 {PREMIUM}" for row in RETRIED]
    found = judged("I2", mesh([route(), route("premium", retries=1)], clusters), *RETRIED, *other)
    assert found.measured == (
        "2 of 2 failing requests as predicted; `standard` 503: 2 (predicted 2 to 4); `premium` 503: 2 (predicted 2)"
    )
