"""Pool laws at their edges: what is compared with what, how many are enough, and what the verdict says."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said, whole
from test_law_pools import HEAD, NOTHING, PHASES, TestFullPool, TestP4

from harness.evidence.history import History
from harness.laws.blame import held_share
from harness.laws.case import Case
from harness.laws.pool_waits import pool_waits


class TestP1:
    """A stalled operation leaves the others alone."""

    FAULTS = "name kind applied_ms effective_ms cleared_ms\nearly latency 9000 9001 9002\nstall {} 10000 10001 20000"

    def tables(
        self, took_ms: int = 20, *, each: int = 20, failed: int = 0, stuck: int = 10, kind: str = "delay",
        others: str = "observe", hit: str = "predict", lag: int = 0, slow_ms: int = 0,
    ) -> dict[str, str]:  # fmt: skip
        """`each` calls before the stall (20 ms) and in it, the nth of them 10 ms longer, and `stuck` ones that hang."""
        rows, seen = [HEAD], ["call attempt op arrive_ms reply_ms status fault"]
        for n in range(2 * each):
            at = 5000 + 200 * n if n < each else 10_000 + 200 * (n - each)
            took = 20 if n < each else took_ms + 10 * (n - each == 3) + slow_ms
            outcome = "error" if each <= n < each + failed else "ok"
            rows.append(
                f"{n + 1} {others} {'baseline' if n < each else 'fault:stall'} {at} {at} {at} {at + took} {outcome}"
            )
        for n in range(stuck):
            at = 11_000 + 10 * n
            rows.append(f"{1000 + n} predict fault:stall {at} {at} {at} {at + 5000} ok")
            seen.append(f"{1000 + n} 1 {hit if n else 'predict'} {at + 1} {at + 4999} 200 stall")
        samples = "\n".join(["process time_ms lag_ms", *(f"generator {s * 1000} {lag}" for s in range(10, 20))])
        return {
            "calls": "\n".join(rows), "arrivals": "\n".join(seen), "faults": self.FAULTS.format(kind),
        } | ({"samples": samples} if lag else {})  # fmt: skip

    def found(self, *arguments: Any, **more: Any) -> tuple[Any, ...]:
        return whole("P1", NOTHING, None, PHASES, **self.tables(*arguments, **more))

    def test_names_the_slowest_and_what_would_be_fair(self) -> None:
        """One and a half times the baseline's p99 and 25 ms: 55; the calls in the stall count."""
        assert self.found(100) == ("fail", [24, 21, 22, 23, 25], "p99 110 ms", "55 ms", 1.0)
        slow = said("P1", NOTHING, None, PHASES, **self.tables(100)).reason
        assert slow == "while predict was stalled, other calls suffered: they were slower than in peace"
        assert self.found(20) == ("pass", [], "p99 30 ms", "55 ms", None)
        reason = said("P1", NOTHING, None, PHASES, **self.tables(20, failed=10)).reason
        assert reason == "while predict was stalled, other calls suffered: 50% served"

    @pytest.mark.parametrize(("more", "status"), [
        ({"each": 19}, "not_exercised"), ({"stuck": 9}, "not_exercised"), ({"kind": "drip"}, "fail"),
        ({"kind": "latency"}, "not_exercised"), ({"hit": "learn"}, "not_exercised"),
        ({"others": "open_session"}, "not_exercised"), ({"others": "predict"}, "not_exercised"),
    ])  # fmt: skip
    def test_takes_enough_calls_on_both_sides_of_one_operations_stall(self, more: dict[str, Any], status: str) -> None:
        """Twenty and ten; a stall of two operations is no one's; what opens sessions is nobody's neighbour."""
        assert self.found(100, **more)[0] == status

    def test_a_stall_that_met_nobody_else_ends_no_search(self) -> None:
        """It held the same ten calls, for a moment in which no other began."""
        tables = self.tables(100)
        held = tables["arrivals"].replace(" 1 predict", " 2 predict").replace("stall", "first").split("\n")[1:]
        tables["arrivals"] = "\n".join([tables["arrivals"], *held])
        tables["faults"] = tables["faults"].replace("\nstall", "\nfirst delay 9000 9001 9010\nstall")
        assert said("P1", NOTHING, None, PHASES, **tables).status == "fail"

    def test_failures_are_compared_with_those_of_the_baseline(self) -> None:
        """Half of the calls failed before the stall, and half of them in it."""
        tables = self.tables(failed=10)
        rows = tables["calls"].splitlines()
        before = [row.replace(" ok", " error") if n % 2 else row for n, row in enumerate(rows[:21])]
        assert (
            said("P1", NOTHING, None, PHASES, **{**tables, "calls": "\n".join([*before, *rows[21:]])}).status == "pass"
        )

    def test_takes_twenty_calls_in_the_stall_too(self) -> None:
        """Nineteen of twenty began in it."""
        tables = self.tables(100)
        tables["calls"] = tables["calls"].replace(
            "40 observe fault:stall 13800 13800 13800", "40 observe fault:stall 20000 20000 20000"
        )
        assert said("P1", NOTHING, None, PHASES, **tables).status == "not_exercised"

    def test_lag_of_the_harness_is_allowed_for(self) -> None:
        """60 ms longer, while the generator slept for 60."""
        assert self.found(80)[0] == "fail"
        assert self.found(80, lag=60)[0] == "pass"

    def test_a_few_failures_are_chance(self) -> None:
        """Five of twenty are surely less than nine tenths, three are not."""
        assert [self.found(failed=failed)[0] for failed in (3, 5)] == ["pass", "fail"]

    def test_a_call_that_ended_before_the_tenth_came_was_not_stuck_with_it(self) -> None:
        """Of ten that hung the first was answered when the last began."""
        tables = self.tables(100)
        ended = tables["calls"].replace(
            "1000 predict fault:stall 11000 11000 11000 16000", "1000 predict fault:stall 11000 11000 11000 11090"
        )
        assert said("P1", NOTHING, None, PHASES, **{**tables, "calls": ended}).status == "not_exercised"


class TestP4Numbers:
    """Shed load, in numbers."""

    def test_says_what_was_kept_of_the_peak(self) -> None:
        """Of those that were refused late the calls are named."""
        tables = TestP4().tables(36, reply_ms=150)
        found = whole("P4", NOTHING, **tables)
        assert (found[0], found[2:]) == (
            "fail",
            ("36/s of 40/s, refused within 150 ms", "80 % of the peak, 100 ms", None),
        )
        assert found[1] == [437, 438, 439, 440, 441]
        head, *rows = tables["calls"].split("\n")
        first = {**tables, "calls": "\n".join([head, *rows[436:], *rows[:436]])}
        assert whole("P4", NOTHING, **first)[1] == [437, 438, 439, 440, 441], "whichever row each is in"
        fine = whole("P4", NOTHING, **TestP4().tables(36, reply_ms=100))
        assert fine == ("pass", [], "36/s of 40/s, refused within 100 ms", "80 % of the peak, 100 ms", None)

    @pytest.mark.parametrize(("served", "status"), [(19, "fail"), (20, "pass")])
    def test_a_peak_is_known_to_its_root(self, served: int, status: str) -> None:
        """0.8 × 40 less 1.96 × √40: 19.6 a second."""
        assert said("P4", NOTHING, **TestP4().tables(served)).status == status

    def test_only_kato_sheds(self) -> None:
        """429 as well as 503; not what a fault answered, nor what was never answered; twenty are enough."""
        tables = TestP4().tables(36, shed=2)
        for old, new, status in (
            ("503", "503", "pass"), ("503", "429", "pass"), ("503", "500", "not_exercised"),
        ):  # fmt: skip
            assert said("P4", NOTHING, **{**tables, "arrivals": tables["arrivals"].replace(old, new)}).status == status
        head, *rows = tables["arrivals"].splitlines()
        faulty = "\n".join([f"{head} fault", *(f"{row} {'out' if not n else '-'}" for n, row in enumerate(rows))])
        assert said("P4", NOTHING, **{**tables, "arrivals": faulty}).status == "not_exercised"
        first = rows[0].split()
        unanswered = "\n".join([head, " ".join([*first[:3], "-", first[4]]), *rows[1:]])
        assert said("P4", NOTHING, **{**tables, "arrivals": unanswered}).status == "not_exercised"

    def test_a_short_overload_is_looked_at_for_three_seconds(self) -> None:
        """All was refused in half a second, and goodput was gone for two."""
        tables = TestP4().tables(0, shed=40)
        head, *rows = tables["arrivals"].splitlines()
        short = "\n".join([head, *rows[:25]])
        assert said("P4", NOTHING, **{**tables, "arrivals": short}).measured.startswith("0/s of 40/s")

    @pytest.mark.parametrize(("bad", "status"), [((10, 13), "pass"), ((10, 11, 13), "fail")])
    def test_a_short_overload_is_looked_at_for_no_longer(self, bad: tuple[int, ...], status: str) -> None:
        """Goodput was gone in the second of the refusals: what counts is that one and the next two."""
        tables = TestP4().tables(36, shed=0)
        head, *rows = tables["calls"].split("\n")
        kept = [row for row in rows if int(row.split()[4]) // 1000 not in bad]
        refused = [f"{2000 + n} observe - {10_000 + n} {10_000 + n} {10_000 + n} {10_005 + n} error" for n in range(20)]
        seen = [f"{2000 + n} observe {10_000 + n} {10_005 + n} 503" for n in range(20)]
        arrivals = "\n".join([tables["arrivals"], *seen])
        assert said("P4", NOTHING, calls="\n".join([head, *kept, *refused]), arrivals=arrivals).status == status

    def test_a_run_of_less_than_a_second_has_one(self) -> None:
        """Twenty served and twenty refused in half of it."""
        tables = TestP4().tables(20, shed=20)
        head, *rows = tables["calls"].split("\n")
        last = "\n".join([head, *(row for row in rows if int(row.split()[3]) >= 19_000)])
        seen, *shed = tables["arrivals"].split("\n")
        short = "\n".join([seen, *(row for row in shed if int(row.split()[2]) >= 19_000)])
        assert said("P4", NOTHING, calls=last, arrivals=short).measured.startswith("0/s of 20/s")


class TestP5:
    """The client carries the load."""

    def tables(
        self, delay_ms: int = 60, calls: int = 200, inside: float = 0.9, busy: float = 0.9, over: int = 0
    ) -> Any:
        """`calls` of the baseline a hundred a second, each so late; the last `over` were never started."""
        rows = []
        for n in range(calls):
            due, outcome = 10 * n + 10, "overflow" if n >= calls - over else "ok"
            start = due + delay_ms + n // 100
            rows.append(f"{n + 1} observe baseline {due} {due} {start} {start + 5} {outcome}")
        samples = [f"generator-0 {1000 * s} 0 {busy} {inside}" for s in range(1, 6)]
        spans = [(10 * n + delay_ms, 10 * n + delay_ms + 5) for n in range(calls)]
        attempts = [f"{n} 1 {at} {end} 200 {n % 7 + 20 * (at // 1000)}" for n, (at, end) in enumerate(spans, 1)]
        return {
            "calls": "\n".join([HEAD, *rows]),
            "samples": "\n".join(["process time_ms lag_ms busy in_integration", *samples]),
            "attempts": "\n".join(["call attempt start_ms end_ms status connection", *attempts]),
        }

    def test_names_the_latest_and_says_how_many_connections_there_were(self) -> None:
        """All of 200, by up to 61 ms."""
        found = whole("P5", NOTHING, None, PHASES, **self.tables())
        assert found == (
            "fail", [101, 102, 103, 104, 105], "dispatch delay p99 61.0 ms, overflow 0.00%",
            "p99 25 ms, overflow 0.1 %", 1.0,
        )  # fmt: skip
        verdict = said("P5", NOTHING, None, PHASES, **self.tables())
        assert "200 calls started late" in verdict.reason and "(90% of busy samples)" in verdict.reason
        assert verdict.reason.endswith("with up to 7 connections in use")
        assert verdict.witnesses[0]["dispatch_delay_ns"] == 61_000_000
        unseen = {name: text for name, text in self.tables().items() if name != "attempts"}
        assert "with up to 0 connections" in said("P5", NOTHING, None, PHASES, **unseen).reason

    @pytest.mark.parametrize(("more", "status"), [
        ({"calls": 99}, "inconclusive"), ({"calls": 100}, "fail"), ({"inside": 0.79}, "inconclusive"),
        ({"inside": 0.8}, "fail"), ({"busy": 0.49}, "inconclusive"), ({"busy": 0.5}, "fail"),
        ({"delay_ms": 24}, "pass"), ({"delay_ms": 26}, "fail"),
    ])  # fmt: skip
    def test_needs_so_many_calls_so_late_and_so_much_of_a_busy_processor(
        self, more: dict[str, Any], status: str
    ) -> None:
        """100 calls, 25 ms, four fifths of busy samples, half of the time."""
        assert whole("P5", NOTHING, None, PHASES, **self.tables(**more))[0] == status

    def test_a_few_late_calls_of_a_generator_on_time_are_the_integrations(self) -> None:
        """Ten of 210, in one stall of 70 ms."""
        tables = self.tables(0)
        late = [f"{900 + n} observe baseline 1005 1005 1075 1080 ok" for n in range(10)]
        found = said("P5", NOTHING, None, PHASES, **{**tables, "calls": "\n".join([tables["calls"], *late])})
        assert (found.status, found.reason[:21]) == ("fail", "10 calls started late")

    def test_calls_of_warm_up_are_nobodys_lateness(self) -> None:
        """They began two seconds late."""
        tables = self.tables(0)
        early = [f"{900 + n} observe warmup 1 1 2001 2006 ok" for n in range(50)]
        found = whole("P5", NOTHING, None, PHASES, **{**tables, "calls": "\n".join([tables["calls"], *early])})
        assert found[:3] == ("pass", [], "dispatch delay p99 1.0 ms, overflow 0.00%")

    def test_a_full_pool_is_named_where_it_was_one(self) -> None:
        """Its size is read; the attempts arrived half a second after they began."""
        seen = [f"{n + 1} 1 observe {10 * n + 60 + 500} {10 * n + 60 + 505} 200" for n in range(200)]
        tables = self.tables()
        rows = [row.split() for row in tables["attempts"].splitlines()[1:]]
        longer = [" ".join([*row[:3], str(int(row[3]) + 500), *row[4:]]) for row in rows]
        tables["attempts"] = "\n".join([tables["attempts"].splitlines()[0], *longer])
        tables["arrivals"] = "\n".join(["call attempt op arrive_ms reply_ms status", *seen])
        for size, named in ((1, True), (400, False)):
            known = promise(read={"limits": {"max_connections": size}})
            assert ("the client's pool of" in said("P5", known, None, PHASES, **tables).reason) is named

    def test_too_many_in_flight_is_the_clients(self) -> None:
        """Where the generator kept its schedule; one in a thousand is nothing."""
        found = whole("P5", NOTHING, None, PHASES, **self.tables(0, over=2))
        assert found == (
            "fail", [199, 200], "dispatch delay p99 1.0 ms, overflow 1.00%", "p99 25 ms, overflow 0.1 %", 0.01,
        )  # fmt: skip
        assert "2 calls found too many in flight" in said("P5", NOTHING, None, PHASES, **self.tables(0, over=2)).reason
        assert whole("P5", NOTHING, None, PHASES, **self.tables(0, calls=1000, over=1))[:4] == (
            "pass", [], "dispatch delay p99 9.0 ms, overflow 0.10%", "p99 25 ms, overflow 0.1 %",
        )  # fmt: skip

    def test_one_overflow_in_a_thousand_makes_no_lateness_the_clients(self) -> None:
        """It was the harness that was late; nor does it make an overflow of it."""
        tables = self.tables(0, calls=1000, over=1)
        late = [f"{2000 + n} observe baseline 1005 1005 1075 1080 ok" for n in range(30)]
        found = said("P5", NOTHING, None, PHASES, **{**tables, "calls": "\n".join([tables["calls"], *late])})
        assert (found.status, found.reason[:21]) == ("fail", "31 calls started late")
        assert whole("P5", NOTHING, None, PHASES, **self.tables(calls=1000, over=1, inside=0.1))[0] == "inconclusive"

    def test_says_how_late_calls_were_where_it_is_not_the_integrations(self) -> None:
        """The samples say so."""
        assert whole("P5", NOTHING, None, PHASES, **self.tables(inside=0.1))[2].startswith("dispatch delay p99 61.0 ms")


class TestBlame:
    """Whose lag it is."""

    def share(self, *samples: str, calls: str = "1 observe - 0 1000 1100 1105 ok") -> tuple[float, float]:
        texts = {"calls": f"{HEAD}\n{calls}"}
        if samples:
            texts["samples"] = "\n".join(["process time_ms lag_ms busy in_integration", *samples])
        return held_share(Case(History.literal(**texts), NOTHING))

    def test_only_late_seconds_count(self) -> None:
        """Those that a late call spans, from when it was due to when it began, and those with lag; idle ones don't."""
        assert self.share("g 900 0 0.5 1.0", "g 1500 0 0.5 0.2", "g 3000 0 0.5 1.0") == (0.2, 0.5)
        assert self.share("g 1050 0 0.5 0.3", "g 4000 26 0.5 0.1") == pytest.approx((0.2, 0.5))
        assert self.share("g 4000 25 0.5 0.1") == (0.0, 0.0)
        assert self.share("g 1500 0 0.0 0.9") == (0.0, 0.0)
        assert self.share() == (0.0, 0.0)

    def test_a_share_is_of_what_was_busy(self) -> None:
        """A full second weighs more than a tenth of one."""
        assert self.share("g 1500 0 0.1 1.0", "g 1600 0 0.9 0.0") == pytest.approx((0.1, 0.5))

    def test_what_never_began_was_late_and_what_began_in_time_was_not(self) -> None:
        """Overflow; 25 ms."""
        assert self.share("g 1500 0 0.5 0.2", calls="1 observe - 0 1000 1000 1000 overflow") == (0.2, 0.5)
        assert self.share("g 1500 0 0.5 0.2", calls="1 observe - 0 1000 1025 1030 ok") == (0.0, 0.0)


class TestPoolWaits:
    """Who waited for a full pool."""

    def waits(self, busy: int, size: Any = 20) -> Any:
        return pool_waits(
            Case(History.literal(**TestFullPool().tables(busy)), promise(read={"limits": {"max_connections": size}}))
        )

    @pytest.mark.parametrize(("begin", "count", "waited"), [
        (10, 12, 12), (10, 10, 10), (10, 9, None), (860, 12, 12), (910, 12, None),
    ])  # fmt: skip
    def test_ten_that_waited_more_than_a_tenth_of_a_second_are_told(
        self, begin: int, count: int, waited: int | None
    ) -> None:
        """For one of twenty connections that are given back at 1 s."""
        tables = TestFullPool().tables(20)
        kept = {}
        for name, text in tables.items():
            head, *rows = text.replace(" 10 10 10 ", f" {begin} {begin} {begin} ").splitlines()
            rows = [row.replace("httpx 10 ", f"httpx {begin} ") for row in rows if int(row.split()[0]) <= 20 + count]
            kept[name] = "\n".join([head, *rows])
        found = pool_waits(Case(History.literal(**kept), promise(read={"limits": {"max_connections": 20}})))
        assert (found and found.waited) == waited

    def test_connections_that_were_given_back_are_free(self) -> None:
        """Ten of twenty are busy, and fifteen answers came before."""
        tables = TestFullPool().tables(10)
        calls = [f"{900 + n} observe - 0 0 0 5 ok" for n in range(15)]
        tries = [f"{900 + n} 1 httpx 0 5 200" for n in range(15)]
        seen = [f"{900 + n} 1 observe 1 5 200" for n in range(15)]
        more = dict(zip(("calls", "attempts", "arrivals"), (calls, tries, seen), strict=True))
        texts = {name: "\n".join([text, *more[name]]) for name, text in tables.items()}
        assert pool_waits(Case(History.literal(**texts), promise(read={"limits": {"max_connections": 20}}))) is None

    @pytest.mark.parametrize(("busy", "size", "found"), [
        (19, 20, (20, 12)), (18, 20, None), (20, "20", None), (38, 40, (40, 12)),
    ])  # fmt: skip
    def test_a_pool_is_full_at_nineteen_twentieths(self, busy: int, size: Any, found: tuple[int, int] | None) -> None:
        """Of a size that is known."""
        waits = self.waits(busy, size)
        assert (waits and (waits.size, waits.waited)) == found
        assert not waits or waits.longest_ns == 991_000_000
