"""Mesh laws at their edges: which failures eject an endpoint and from when on, and where requests may go."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from mesh_cases import PREMIUM, STANDARD, S, cluster, hops, judged, mesh, route
from test_law_mesh_endpoints import KINDS, TWO, USERS, failing

from harness.model import Verdict


def tries(instance: int, after_ms: int, *hows: str) -> list[str]:
    """Tries at an instance, 100 ms apart: a status each, or a flag."""
    return [
        f"attempt 1 1 0 {after_ms + 100 * n} {after_ms + 100 * n + 10} "
        f"{how if how.isdecimal() else 0} {'-' if how.isdecimal() else how} {instance}"
        for n, how in enumerate(hows)
    ]  # fmt: skip


def ejects(*rows: str, **told: Any) -> Verdict:
    """I4 of one cluster of three."""
    return judged("I4", mesh(clusters={STANDARD: cluster(0, 1, 2, **told)}), *rows)


class TestI4:
    """When an endpoint should be out."""

    @pytest.mark.parametrize(("instances", "status"), [((1,), "not_applicable"), ((1, 2), "pass")])
    def test_takes_two_endpoints(self, instances: tuple[int, ...], status: str) -> None:
        """The only one is nobody's to replace."""
        facts = mesh(clusters={STANDARD: cluster(*instances)})
        assert judged("I4", facts, *failing(1, 0)).status == status

    def test_counts_the_times_and_what_came_all_the_same(self) -> None:
        """Ejected twice, or once and two requests too many."""
        once, twice = ejects(*failing(1, 0)), ejects(*failing(1, 0), *failing(1, 40))
        said = "instance 1 got nothing for as long as the policy says, "
        assert (once.reason, once.measured, once.bound) == (f"{said}1 time", "0 requests to ejected endpoints", "0")
        assert twice.reason == f"{said}2 times"
        found = ejects(*failing(1, 0), *failing(1, 1, 2))
        assert (found.status, found.measured, found.bound) == ("fail", "2 requests", "0")
        assert found.reason == (
            "instance 1 failed 5 times in a row and went on getting requests"
            " (2 within the ejection time, 100% of its cluster's first tries)"
        )

    def test_the_endpoint_that_got_most_is_told(self) -> None:
        """Three to the second, one to the first."""
        rows = [*failing(1, 0), *failing(2, 0), *failing(1, 3, 1), *failing(2, 3, 3)]
        assert ejects(*rows, ejectable=0, percent=10).reason.startswith("instance 2 failed 5 times")

    def test_second_tries_are_no_share_of_first_ones(self) -> None:
        """Nobody made a first one since."""
        again = [row.replace("attempt 1 1 0", "attempt 1 2 0") for row in failing(1, 1, 2)]
        assert ejects(*failing(1, 0), *again).reason.endswith("(2 within the ejection time, its share)")

    @pytest.mark.parametrize(("start", "status"), [(505, "pass"), (515, "fail")])
    def test_a_tenth_of_a_second_may_go_by(self, start: int, status: str) -> None:
        """Since the fifth failure, at 410 ms."""
        assert ejects(*failing(1, 0), f"attempt 2 1 0 {start} {start + 5} 200 - 1").status == status

    @pytest.mark.parametrize(("start", "status"), [(33_500, "pass"), (33_520, "fail")])
    def test_two_merge_windows_may_go_by_after_a_return(self, start: int, status: str) -> None:
        """It failed five times again, until 31.41 s."""
        rows = [*failing(1, 0), *failing(1, 31), f"attempt 2 1 0 {start} {start + 5} 200 - 1"]
        assert ejects(*rows).status == status

    def test_out_is_who_is_out_for_as_long_as_the_policy_says(self) -> None:
        """The second of three finds no room, and gets requests much later; with room for two it should not."""
        rows = [*failing(1, 0), *failing(2, 1), *failing(2, 5, 1)]
        assert ejects(*rows).status == "pass"
        assert ejects(*rows, ejectable=2).status == "fail"
        assert ejects(*rows[:-1], ejectable=2).reason.startswith("instance 1, instance 2 got nothing")

    @pytest.mark.parametrize(("hows", "bounds", "ejected"), [
        (["500"] * 5, (5, None, 5), True), (["499"] * 5, (5, None, 5), False), (["404"] * 5, (5, None, 5), False),
        (["503"] * 4, (5, None, 5), False), (["UF"] * 5, (5, None, 5), True), (["UF"] * 5, (5, None, None), False),
        (["503", "UF", "500", "UC", "UT"], (5, None, 5), True), (["UF"] * 5, (None, None, 5), True),
        (["502", "503", "504"], (7, 3, 3), True), (["500"] * 5, (7, 3, 3), False),
        (["503", "503", "500", "503", "503"], (7, 3, 3), False), (["503", "503", "UF"], (7, 3, 3), True),
        (["500"] * 7, (7, 3, 3), True), (["500"] * 9, (None, 3, 3), False), (["503"] * 3, (None, 3, 3), True),
        (["503"] * 4 + ["DC"] + ["503"], (5, None, 5), False), (["503"] * 9, (None, None, None), False),
    ])  # fmt: skip
    def test_each_bound_has_failures_of_its_own(
        self, hows: list[str], bounds: tuple[int | None, ...], ejected: bool
    ) -> None:
        """5xx, of which 502 to 504 are a gateway's, and what never got an answer; what the caller cut is neither."""
        told = dict(zip(("on_5xx", "on_gateway", "on_local"), bounds, strict=True))
        assert ejects(*tries(1, 0, *hows), **told).status == ("pass" if ejected else "not_exercised")

    def test_says_the_row_that_was_reached(self) -> None:
        """Three of a gateway's."""
        found = ejects(*tries(1, 0, "503", "503", "503"), *failing(1, 5, 1), on_5xx=7, on_gateway=3, on_local=3)
        assert found.reason.startswith("instance 1 failed 3 times in a row")

    def test_what_another_cluster_sends_there_is_its_own(self) -> None:
        """Neither its failures nor its requests; nor are those that reached nobody."""
        other = [f"{row} 0 {PREMIUM}" for row in failing(1, 0)]
        facts = mesh(clusters={STANDARD: cluster(0, 1, 2), PREMIUM: cluster(0, 1, detects=False)})
        assert judged("I4", facts, *other).status == "not_exercised"
        assert judged("I4", facts, *failing(1, 0), f"{failing(1, 2, 1)[0]} 0 {PREMIUM}").status == "pass"
        assert ejects(*failing(-1, 0)).status == "not_exercised"


class TestI5:
    """Where requests may go."""

    def facts(self, *premium: int, name: str = PREMIUM, **more: Any) -> dict[str, Any]:
        clusters = {STANDARD: cluster(0, 1), name: cluster(*premium)}
        return mesh(TWO, clusters, **{"users": KINDS, "kinds": {"std-1": 0, "premium-2": 1}, **more})

    @pytest.mark.parametrize("flag", ["UH", "NC", "URX,UH"])
    def test_nobody_there_is_a_subset_without_pods(self, flag: str) -> None:
        """One of two requests; where there are pods, they were ill."""
        rows = (f"request 1 1 1 0 10 200 - 0 1 {STANDARD}", f"request 2 1 1 0 1 503 {flag} -1 0 {PREMIUM}")
        found = judged("I5", self.facts(), *rows, calls=USERS)
        assert (found.status, calls_of(found)) == ("fail", [2])
        assert share("I5", promise(), self.facts(), calls=USERS, hops=hops(*rows)) == 0.5
        assert judged("I5", self.facts(2), *rows, calls=USERS).status == "pass"
        assert judged("I5", self.facts(), rows[1].replace(flag, "UF"), calls=USERS).status == "pass"

    def test_a_cluster_without_a_subset_goes_by_its_name(self) -> None:
        """Nobody stands behind it."""
        whole = "outbound|8000||kato"
        found = judged("I5", self.facts(name=whole), f"request 2 1 1 0 1 503 UH -1 0 {whole}", calls=USERS)
        assert found.reason == f"1 request got 503, because no pod carries the labels of subset `{whole}`"

    def test_says_how_many_routes_were_taken(self) -> None:
        """Two, or one of two; and nothing of none."""
        rows = (f"request 1 1 1 0 10 200 - 0 1 {STANDARD}", f"request 2 1 1 0 10 200 - 2 0 {PREMIUM}")
        said = [judged("I5", self.facts(2), *rows[:count], calls=USERS) for count in (2, 1, 0)]
        assert said[0].reason == "all 2 requests took the routes of their users (2 of them)"
        assert said[1].reason == "all 1 request took the routes of their users (1 of them)"
        assert said[2].status == "not_exercised"

    @pytest.mark.parametrize(("row", "strayed"), [
        (f"request 1 1 1 0 10 200 - 0 0 {STANDARD}", True), (f"request 2 1 1 0 10 200 - 0 1 {STANDARD}", True),
        (f"request 2 1 1 0 10 200 - 0 0 {STANDARD}", False), (f"request 3 1 1 0 10 200 - 0 0 {STANDARD}", False),
        (f"request 3 1 1 0 10 200 - 0 1 {STANDARD}", False), (f"request 0 1 1 0 10 200 - 0 0 {STANDARD}", False),
        (f"request 0 1 1 0 10 200 - 0 1 {STANDARD}", False), (f"request 4 1 1 0 10 200 - 0 0 {STANDARD}", False),
        (f"request 4 1 1 0 10 200 - 0 1 {STANDARD}", False), (f"request 5 1 1 0 10 200 - 0 0 {STANDARD}", False),
        (f"request 1 1 1 0 10 404 NR -1 -1 {STANDARD}", False), (f"request 2 1 1 0 10 404 NR -1 -1 {STANDARD}", False),
    ])  # fmt: skip
    def test_a_request_strays_from_the_route_of_its_user_and_operation(self, row: str, strayed: bool) -> None:
        """Not one of an unknown user, call or operation, of an operation without a route, or on no route."""
        calls = USERS + "3 observe other 0 40 ok\n4 predict std-1 0 40 ok\n5 learn premium-2 0 40 ok"
        users = [KINDS[0], {**KINDS[1], "routes": {"observe": 0, "learn": None}}]
        facts = self.facts(2, users=users)
        found = judged("I5", facts, f"request 1 1 1 0 10 200 - 0 1 {STANDARD}", row, calls=calls)
        assert found.status == ("fail" if strayed else "pass")
        assert calls_of(found) == ([int(row.split()[1])] if strayed else [])

    def test_strayed_requests_are_a_share_of_all(self) -> None:
        """One of two, and it alone is named."""
        rows = (f"request 1 1 1 0 10 200 - 0 1 {STANDARD}", f"request 2 1 1 0 10 200 - 0 1 {STANDARD}")
        found = judged("I5", self.facts(2), *rows, calls=USERS)
        assert (calls_of(found), found.reason) == ([2], "1 request took another route than its user's headers say")
        assert share("I5", promise(), self.facts(2), calls=USERS, hops=hops(*rows)) == 0.5

    def test_a_cluster_sends_to_its_own_endpoints(self) -> None:
        """Its third one's is another's; nobody is nobody's."""
        facts = mesh([route(), route("premium", PREMIUM)], {STANDARD: cluster(0, 1), PREMIUM: cluster(2)},
                     users=[{"share": 1.0, "headers": {}, "routes": {"observe": 0, "predict": 1}}])  # fmt: skip
        asked = "request 1 1 1 0 10 200 - 0"
        well = (asked, "attempt 1 1 0 0 10 200 - 1", "attempt 1 1 0 0 10 0 UH -1",
                f"attempt 1 1 0 0 10 200 - 2 1 {PREMIUM}")  # fmt: skip
        assert judged("I5", facts, *well).status == "pass"
        found = judged("I5", facts, *well, "attempt 1 1 0 0 10 200 - 2")
        assert (found.status, found.reason) == (
            "fail", f"requests for {STANDARD} reached instance 2, which is none of its endpoints")  # fmt: skip

    @pytest.mark.parametrize(("part", "seen", "status"), [
        (0.5, 71, "pass"), (0.5, 72, "fail"), (0.5, 29, "pass"), (0.5, 28, "fail"),
        (0.8, 97, "pass"), (0.8, 98, "fail"),
    ])  # fmt: skip
    def test_a_share_is_missed_by_four_sigma_and_one(self, part: float, seen: int, status: str) -> None:
        """Of a hundred requests on that route; those on others are no part of it."""
        halves = [route(clusters={STANDARD: part, PREMIUM: 1 - part}), route("other", STANDARD)]
        facts = mesh(halves, {STANDARD: cluster(0), PREMIUM: cluster(1)})
        names = [STANDARD] * seen + [PREMIUM] * (100 - seen)
        rows = [f"request {n} 1 1 {n} {n + 1} 200 - 0 0 {name}" for n, name in enumerate(names, 1)]
        rows += [f"request {n} 1 1 {n} {n + 1} 200 - 0 1 {STANDARD}" for n in range(200, 300)]
        found = judged("I5", facts, *rows)
        assert found.status == status
        assert status == "pass" or found.reason == (
            f"{seen:,} of 100 requests on `standard` went to {STANDARD}, not {part:.0%} of them"
        )


class TestI6:
    """What a connection carries."""

    def judged(self, *carried: tuple[int, int, int], law: Any = said) -> Any:
        """I6 of (instance, connection, requests), where the third instance has no limit."""
        facts = mesh(clusters={STANDARD: cluster(0, 1), PREMIUM: cluster(2, per_connection=0)})
        places = [place[:2] for place in carried for _ in range(place[2])]
        rows = [f"{n} observe {at} {connection} {n}" for n, (at, connection) in enumerate(places, 1)]
        arrivals = "\n".join(["call op instance connection arrive_ms", *rows])
        calls = [f"{n} observe {n} {n + 1} ok" for n in range(1, len(places) + 2)]
        calls = "\n".join(["call op start_ms end_ms outcome", *calls])
        return law("I6", promise(), facts, calls=calls, arrivals=arrivals)

    def test_names_those_on_the_connection_that_carried_more(self) -> None:
        """One of two; the sixth is one too many."""
        found = self.judged((0, 7, 4), (1, 8, 6))
        assert (found.status, found.measured, found.bound) == ("fail", "6", "5 a connection")
        assert found.reason == "1 connection carried more requests than the policy allows"
        assert calls_of(found) == [5, 6, 7, 8, 9]
        assert self.judged((0, 7, 4), (1, 8, 6), law=share) == 0.6

    def test_connections_of_two_instances_are_two(self) -> None:
        """Of one number."""
        found = self.judged((0, 7, 5), (1, 7, 4), (1, 8, 3))
        assert (found.status, found.reason) == ("pass", "1 connection ended at the limit, none beyond")
        assert (found.measured, found.bound) == ("5", "5 a connection")

    def test_an_endpoint_without_a_limit_may_carry_any_number(self) -> None:
        """Nine, and the other one's are four; and nothing is nothing."""
        assert self.judged((2, 1, 9), (0, 7, 4)).status == "not_exercised"
        assert self.judged((2, 1, 9), (0, 7, 5)).status == "pass"
        assert self.judged().status == "not_exercised"

    def test_does_not_apply_where_nobody_limits(self) -> None:
        """0 is none."""
        assert said("I6", promise(), mesh(clusters={STANDARD: cluster(0, per_connection=0, idle_ns=S)}),
                    calls=USERS).status == "not_applicable"  # fmt: skip
