"""Mesh laws at their edges: what outlives its route, what a full sidecar refused, and which pauses are near."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from mesh_cases import CALLS, MS, PREMIUM, STANDARD, S, cluster, hops, judged, mesh, route
from test_law_mesh_endpoints import TestI7 as _TestI7
from test_law_mesh_tries_edges import SECOND

PAUSED = _TestI7.PAUSED


class TestI3:
    """What outlives its route."""

    def test_says_how_long_the_longest_took_on_a_route_without_end(self) -> None:
        """Not on another one; nothing, where nothing went there."""
        facts = mesh([route(), route("endless", route_ns=0)], **SECOND)
        rows = ("request 1 1 1 0 4000 200 - 0", "request 2 1 1 0 1500 200 - 0 1 -", "request 2 1 1 0 20 200 - 0 1 -")
        found = judged("I3", facts, *rows)
        assert (found.status, found.measured) == ("fail", "1.5 s")
        assert found.reason == "no time-out on route `endless`: nothing in the mesh ends its calls"
        assert judged("I3", facts, rows[0]).measured == "0 s"
        both = mesh([route(route_ns=0), route("endless", route_ns=0)], **SECOND)
        assert "route `standard`, `endless`:" in judged("I3", both, *rows).reason

    def test_routes_that_nobody_takes_or_that_the_sidecar_answers_need_none(self) -> None:
        """And what goes there all the same is not late."""
        for more in ({}, SECOND):
            facts = mesh([route(), route("own", route_ns=0, answered=200)], **more)
            late = "request 2 1 1 0 9000 200 - 0 1 -"
            assert judged("I3", facts, late, "request 1 1 1 0 9000 404 NR -1 -1 -").status == "not_exercised"

    def test_names_those_that_were_late_alone(self) -> None:
        """By more than a quarter of a second."""
        facts = mesh([route(route_ns=S), route("slow", route_ns=9 * S)], **SECOND)
        rows = ("request 1 1 1 0 1250 200 - 0", "request 2 1 1 0 1251 200 - 0", "request 1 1 1 0 8000 200 - 0 1 -")
        found = judged("I3", facts, *rows)
        assert (found.status, calls_of(found), found.measured, found.bound) == ("fail", [2], "1.251 s", "1 s")
        assert found.reason == "1 request outlived their route's time-out"

    @pytest.mark.parametrize(("end", "flags", "status"), [
        (900, "UT", "pass"), (899, "UT", "not_exercised"), (950, "-", "not_exercised"), (950, "DC,UT", "pass"),
    ])  # fmt: skip
    def test_what_lasted_nine_tenths_of_it_was_ended_by_it(self, end: int, flags: str, status: str) -> None:
        """A try's time-out may come sooner, and a slow answer may not be one."""
        found = judged("I3", mesh([route(route_ns=S)]), f"request 2 1 1 0 {end} 504 {flags} 0")
        assert found.status == status


class TestP3:
    """What a full sidecar refused."""

    REFUSED = ("request 1 1 1 0 2 503 UO -1", "attempt 1 1 0 0 2 0 UO -1")

    @pytest.mark.parametrize("flag", ["UT", "UC", "UF", "UR"])
    def test_another_failure_whose_re_try_found_no_room_was_not_refused(self, flag: str) -> None:
        """Its first try was made."""
        row = f"request 1 1 1 0 900 503 {flag},UO 0"
        assert judged("P3", mesh(), row).status == "not_exercised"
        assert judged("P3", mesh(), row.replace(f"{flag},", "URX,")).status == "fail"

    def test_says_how_many_and_how_late(self) -> None:
        """The slowest of two; one that was not refused took longer."""
        rows = (*self.REFUSED, "request 2 1 1 0 50 503 UO -1", "request 2 1 1 0 90 200 - 1")
        found = judged("P3", mesh(), *rows)
        assert (found.status, found.measured, found.bound) == ("pass", "2 shed, the slowest after 50 ms", "50 ms")
        assert found.reason == "2 calls over the ceiling got 503 at once"
        late = [row.replace(" 50 503", " 51 503") for row in rows]
        found = judged("P3", mesh(), *late)
        assert (found.status, calls_of(found), found.measured) == ("fail", [2], "2 shed, the slowest after 51 ms")
        assert found.reason == "1 call of those that the full sidecar refused waited for more than 50 ms"
        assert share("P3", promise(), mesh(), calls=CALLS, hops=hops(*late)) == 0.5

    def test_a_try_of_no_request_says_nothing(self) -> None:
        """Its request was not logged."""
        assert judged("P3", mesh(), *self.REFUSED, "attempt 2 1 0 0 2 0 UO -1").status == "pass"

    def test_a_second_try_may_take_its_time(self) -> None:
        """It waited for its back-off; who was sent again is named by itself."""
        rows = ("request 2 2 2 0 90 503 UO -1", "attempt 2 1 0 0 2 503 - 0", "attempt 2 2 0 80 90 0 UO -1")
        assert judged("P3", mesh(), *self.REFUSED, *rows).status == "pass"
        again = [row.replace("2 503 - 0", "2 0 UO -1") for row in rows]
        found = judged("P3", mesh(), *self.REFUSED, *again)
        assert (calls_of(found), found.reason) == (
            [2], "1 call of those that the full sidecar refused was sent again")  # fmt: skip

    @pytest.mark.parametrize(("ceilings", "status"), [((None, None), "not_applicable"), ((None, 150), "pass")])
    def test_takes_a_ceiling(self, ceilings: tuple[int | None, int | None], status: str) -> None:
        """Of one cluster at least."""
        names = (STANDARD, PREMIUM)
        clusters = {name: cluster(0, in_flight=most) for name, most in zip(names, ceilings, strict=True)}
        assert judged("P3", mesh(clusters=clusters), *self.REFUSED).status == status


class TestI7:
    """Which pauses and connections are meant."""

    def kept(self, idle_ns: int, *instances: int, **more: Any) -> Any:
        return judged("I7", mesh(clusters={STANDARD: cluster(*instances, idle_ns=idle_ns)}, **more), calls=PAUSED)

    def test_says_who_keeps_connections_for_how_long(self) -> None:
        """5 s are as long as KATO's; in a scaled run all is shorter."""
        found = self.kept(3600 * S, 0)
        assert (found.status, found.severity) == ("warn", "warn")
        assert found.reason == "the sidecar keeps idle connections for 3600 s, KATO for 5 s; 1 pause came near that"
        assert (self.kept(5 * S, 0).status, self.kept(5 * S - MS, 0).status) == ("warn", "pass")
        scaled = self.kept(S // 2, 0, scale=0.1)
        assert scaled.reason.startswith("the sidecar keeps idle connections for 5 s, KATO for 5 s")
        assert self.kept(S // 2, 0, scale=1.0).status == "pass"

    def test_a_cluster_without_endpoints_keeps_none(self) -> None:
        """And a mesh that says nothing of a scale has none."""
        assert self.kept(3600 * S).status == "pass"
        for facts, status in ((4 * S, "pass"), (6 * S, "warn")):
            told = mesh(clusters={STANDARD: cluster(0, idle_ns=facts)})
            del told["mesh"]["scale"]
            assert judged("I7", told, calls=PAUSED).status == status

    @pytest.mark.parametrize(("result", "reused", "status"), [
        ("reset", 1, "fail"), ("protocol_error", 1, "fail"), ("reset", 0, "pass"), ("read_timeout", 1, "pass"),
        ("-", 1, "pass"),
    ])  # fmt: skip
    def test_what_a_used_connection_lost(self, result: str, reused: int, status: str) -> None:
        """By its close; one of two calls."""
        attempts = f"call attempt start_ms end_ms result status reused\n2 1 5040 5041 {result} 0 {reused}"
        tables = {"calls": PAUSED, "attempts": attempts}
        found = said("I7", promise(), {"keep_alive_s": 5.0}, **tables)
        assert (found.status, calls_of(found)) == (status, [2] if status == "fail" else [])
        if status == "fail":
            assert found.reason == "1 call lost a request on a connection that had been idle, without any fault"
            assert share("I7", promise(), {"keep_alive_s": 5.0}, **tables) == 0.5

    @pytest.mark.parametrize(("end", "flags", "lost"), [
        (5520, "UC", True), (5550, "UC", False), (5050, "UF", False), (5050, "URX,UC", True),
    ])  # fmt: skip
    def test_a_cut_within_half_a_second_is_the_keep_alives(self, end: int, flags: str, lost: bool) -> None:
        """Of the sidecar's own connection."""
        found = judged("I7", mesh(), f"attempt 2 1 0 5040 {end} 0 {flags} 0", "attempt 1 1 0 0 40 200 - 0",
                       calls=PAUSED)  # fmt: skip
        assert calls_of(found) == ([2] if lost else [])

    @pytest.mark.parametrize(("pauses_ms", "near"), [
        ((3999,), 0), ((4000,), 1), ((6000,), 1), ((6001,), 0), ((5000, 4500, 1000, 5500), 3),
    ])  # fmt: skip
    def test_a_fifth_more_or_less_is_near(self, pauses_ms: tuple[int, ...], near: int) -> None:
        """Since the last call ended, whoever began it."""
        starts, at = [0], 40
        for pause in pauses_ms:
            starts.append(at + pause)
            at = starts[-1] + 40
        rows = [f"{n} observe {start} {start + 40} ok" for n, start in enumerate(reversed(starts), 1)]
        calls = "\n".join(["call op start_ms end_ms outcome", *rows])
        found = said("I7", promise(), {"keep_alive_s": 5.0}, calls=calls)
        assert found.status == ("pass" if near else "not_exercised")
        assert not near or f"after {near} pause" in found.reason
        long = f"{calls}\n9 observe 1 {at + 4000} ok"
        assert said("I7", promise(), {"keep_alive_s": 5.0}, calls=long).status == "not_exercised"
