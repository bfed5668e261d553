"""Discovery laws at their edges: when an instance must be left alone, what counts as a request, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from test_law_discovery import ARRIVAL, BOUNDED, CALL, DNS, FAULT, TestS1, TestS2, TestS3, TestS4, facts, judged


def numbers(law: str, told: dict[str, Any], **texts: str) -> tuple[Any, ...]:
    """All that a law says of the tables in numbers."""
    found = said(law, promise(BOUNDED), told, **texts)
    return found.status, calls_of(found), found.measured, found.bound, share(law, promise(BOUNDED), told, **texts)


class TestStale:
    """An instance that is down (S1), at 10 s, must be left alone from 12.45 s on."""

    @pytest.mark.parametrize("kind", [
        "refuse", "kill", "restart", "timeout", "reset_peer", "pause",
        "status", "drop_before_commit", "commit_then_status", "commit_then_drop",
    ])  # fmt: skip
    def test_every_way_to_be_down_or_unwell_counts(self, kind: str) -> None:
        """The last four are known by answers alone; a slow one is neither."""
        fault = f'bad {kind} 10000 20000 {{"only":{{"instance":2}}}}'
        late = ("1 observe 2 9001", "3 observe 2 15001")
        found = TestS1().judged(fault, *late)
        assert (found.status, found.measured, found.bound) == ("fail", "1 calls", "2.45 s")
        unwell = kind in ("status", "drop_before_commit", "commit_then_status", "commit_then_drop")
        assert ("because its check went on passing" in found.reason) is unwell
        tries = ["3 1 15000 15010 reset 0"]
        refused = TestS1().judged(fault, "1 observe 2 9001", attempts=["1 1 9000 9040 - 200", *tries])
        assert refused.status == ("pass" if unwell else "fail")
        assert TestS1().judged(fault.replace(kind, "latency"), *late).status == "not_exercised"

    @pytest.mark.parametrize(("at", "status"), [(12_450, "pass"), (12_451, "fail"), (19_999, "fail"), (20_000, "pass")])
    def test_counts_from_a_moment_after_its_checks_to_the_faults_end(self, at: int, status: str) -> None:
        """Arrivals as well as failed attempts."""
        calls = (f"1 observe {at - 10} {at + 40} ok", "2 observe 9000 9040 ok", "3 observe 15000 15040 ok")
        rows = {"faults": [TestS1.KILLED], "arrivals": ["2 observe 2 9001", f"1 observe 2 {at}"]}
        assert judged("S1", facts(), *calls, **rows).status == status
        rows = {
            "faults": [TestS1.KILLED],
            "arrivals": ["2 observe 2 9001"],
            "attempts": [f"1 1 {at} {at + 10} reset 0", "2 1 9000 9040 - 200"],
        }
        assert judged("S1", facts(), *calls, **rows).status == status

    def test_checks_take_two_intervals_and_a_time_out(self) -> None:
        """Every two seconds: 4.2 s and ε; a fault that is over by then is nobody's."""
        calls = ("1 observe 9000 9040 ok", "2 observe 14400 14500 ok", "3 observe 14460 14500 ok")
        rows = ["1 observe 2 9001", "2 observe 2 14450", "3 observe 2 14461"]
        found = judged("S1", facts(interval_s=2.0), *calls, faults=[TestS1.KILLED], arrivals=rows)
        assert (found.status, calls_of(found), found.bound) == ("fail", [3], "4.45 s")
        short = TestS1.KILLED.replace("20000", "14450")
        assert judged("S1", facts(interval_s=2.0), *calls, faults=[short], arrivals=rows).status == "not_exercised"

    @pytest.mark.parametrize("op", ["open_session", "observe", "predict", "learn"])
    def test_any_request_of_katos_counts(self, op: str) -> None:
        """As use before it, and as a breach after it; none other does."""
        found = TestS1().judged(TestS1.KILLED, f"1 {op} 2 9001", f"3 {op} 2 15001")
        assert (found.status, found.reason) == (
            "fail", "instance 2 got 1 call later than 2.45 s after fault gone began",
        )  # fmt: skip
        assert TestS1().judged(TestS1.KILLED, "1 other 2 9001", "3 observe 2 15001").status == "not_exercised"

    @pytest.mark.parametrize(("how", "status"), [
        ("reset 0", "fail"), ("- 503", "pass"), ("5xx 503", "pass"), ("4xx 404", "pass"), ("cancelled 0", "pass"),
        ("pool_timeout 0", "pass"), ("connect_error 0", "fail"),
    ])  # fmt: skip
    def test_an_attempt_that_was_answered_or_never_sent_was_not_sent_there(self, how: str, status: str) -> None:
        """What a dead instance refuses is lost."""
        tries = ["1 1 9000 9040 - 200", "2 1 12400 12440 - 200", f"3 1 15000 15010 {how}"]
        found = TestS1().judged(TestS1.KILLED, "1 observe 2 9001", attempts=tries)
        assert found.status == status

    def test_of_two_instances_the_worse_is_named(self) -> None:
        """The first got one call, the second two; both were in use, and both are named where all is well."""
        faults = ['one status 10000 20000 {"only":{"instance":1}}', 'two status 10000 20000 {"only":{"instance":2}}']
        calls = [f"{n} observe {at} {at + 40} ok" for n, at in enumerate((9000, 9100, 15000, 15100, 15200), 1)]
        used = ["1 observe 1 9001", "2 observe 2 9101"]
        late = ["3 observe 1 15001", "4 observe 2 15101", "5 observe 2 15201"]
        found = judged("S1", facts(), *calls, faults=faults, arrivals=[*used, *late])
        assert (calls_of(found), found.measured) == ([4, 5], "2 calls")
        fine = judged("S1", facts(), *calls, faults=faults, arrivals=used)
        assert fine.reason == "instance 1, instance 2 got nothing any more 2.45 s after it was down"
        assert (fine.measured, fine.bound) == ("0 calls", "2.45 s")


class TestSpread:
    """Requests are spread (S2)."""

    def test_says_how_they_were_spread(self) -> None:
        """And by what chance."""
        found = TestS2().judged(132, 84, 84)
        assert (found.measured, found.bound) == ("44% / 28% / 28%, p = 0.00046", "20% each")
        assert found.reason == "requests are not spread over 3 instances: 44% / 28% / 28%; instance 1 got 84"
        assert TestS2().judged(100, 100, 100).measured == "33% / 33% / 33%, p = 1"
        assert TestS2().judged(100, 100, 99).reason == "299 requests without faults, 300 are needed"

    def test_an_instance_that_gets_less_than_three_fifths_of_its_share_is_neglected(self) -> None:
        """Of six, where chance alone would not tell."""
        for least, status in ((29, "fail"), (31, "pass")):
            where = [n for n, count in enumerate((least, 52, 54, 56, 54, 56)) for _ in range(count)]
            calls = [f"{n} observe {n} {n + 1} ok" for n in range(1, len(where) + 1)]
            rows = [f"{n} observe {instance} {n}" for n, instance in enumerate(where, 1)]
            found = judged("S2", facts(replicas=6), *calls, arrivals=rows)
            assert (found.status, found.bound) == (status, "10% each" if status == "fail" else "")

    def test_only_requests_of_katos_count(self) -> None:
        """Health checks don't; an instance that nobody knows is none of the three."""
        calls = [f"{n} observe {n} {n + 1} ok" for n in range(1, 302)]
        rows = [f"{n} {'other' if n == 1 else 'predict'} {n % 3} {n}" for n in range(1, 301)]
        assert judged("S2", facts(), *calls, arrivals=rows).status == "inconclusive"
        rows = [f"{n} learn {n % 3} {n}" for n in range(1, 301)] + ["301 learn 7 301"]
        assert judged("S2", facts(), *calls, arrivals=rows).status == "pass"
        assert judged("S2", facts(), *calls).reason == "0 requests without faults, 300 are needed"
        one = {"registry": facts()["registry"]}
        assert judged("S2", one, *calls, arrivals=rows).reason == "there is one instance only"


class TestOutage:
    """The registry is gone (S3)."""

    def found(self, *rows: str, fault: str = TestS3.SILENT) -> tuple[Any, ...]:
        texts = {"calls": "\n".join([CALL, *TestS3.CALM, *rows]), "faults": "\n".join([FAULT, *fault.split("\n")])}
        return numbers("S3", facts(), **texts)

    def test_names_the_slowest_and_says_what_is_usual(self) -> None:
        """Two of three: one failed, one was slower than 20 ms and ε."""
        rows = ("60 observe 12000 12270 ok", "61 observe 13000 13271 ok", "62 observe 14000 14030 error")
        assert self.found(*rows) == ("fail", [61, 62], "0.27 s", "20 ms + ε", 2 / 3)
        assert self.found(*rows[:2])[:2] == ("fail", [61])
        assert self.found(rows[0]) == ("pass", [], "270 ms", "", None)
        reasons = [
            judged("S3", facts(), *TestS3.CALM, *some, faults=[TestS3.SILENT]).reason for some in (rows, rows[:2])
        ]
        assert reasons == [
            "1 call failed while only the registry was out, of 3",
            "1 were slower while only the registry was out, of 2",
        ]  # fmt: skip

    @pytest.mark.parametrize(("row", "status"), [
        ("60 observe 12000 12030 degraded", "pass"), ("60 observe 12000 12030 overflow", "not_exercised"),
        ("60 observe 12000 12030 cancelled", "not_exercised"), ("60 observe 9999 12030 error", "not_exercised"),
        ("60 observe 10000 12030 error", "fail"), ("60 observe 20000 20030 error", "not_exercised"),
    ])  # fmt: skip
    def test_counts_what_ran_and_began_in_it(self, row: str, status: str) -> None:
        """A substitute is no failure."""
        assert self.found(row)[0] == status

    def test_without_calls_in_peace_only_lag_is_usual(self) -> None:
        """All of them began under a fault."""
        texts = {"calls": f"{CALL}\n60 observe 12000 12251 ok", "faults": f"{FAULT}\n{TestS3.SILENT}"}
        assert numbers("S3", facts(), **texts)[:4] == ("fail", [60], "0.25 s", "0 ms + ε")

    def test_another_part_is_not_the_registry(self) -> None:
        """A fault of the collector."""
        assert (
            self.found("60 observe 12000 12030 error", fault=TestS3.SILENT.replace("registry", "collector"))[0]
            == "not_exercised"
        )


class TestNames:
    """Names that are missing or move (S4)."""

    def found(
        self, *calls: str, fault: str = TestS4.MISSING, arrivals: tuple[str, ...] = (), **more: Any
    ) -> tuple[Any, ...]:
        texts = {"calls": "\n".join([CALL, *calls]), "faults": f"{FAULT}\n{fault}"}
        if arrivals:
            texts["arrivals"] = "\n".join([ARRIVAL, *arrivals])
        return numbers("S4", facts(DNS, **more), **texts)

    def test_says_how_long_the_longest_lasted(self) -> None:
        """Of two calls that outlived their second; what touches the fault only at its edge is none."""
        rows = (
            "1 observe 11000 12400 error",
            "2 observe 11000 12300 error",
            "3 observe 8000 10000 error",
            "4 observe 20000 22000 error",
        )
        assert self.found(*rows) == ("fail", [1, 2], "1.40 s", "", None)
        assert self.found(rows[2], rows[3])[0] == "pass"
        assert self.found("1 observe 11000 12250 error")[:4] == ("pass", [], "", "1.75 s")

    def test_another_fault_under_dns_is_not_the_names(self) -> None:
        """KATO itself is slow."""
        assert self.found("1 observe 11000 12400 error", fault="slow latency 10000 20000 {}")[0] == "not_exercised"

    @pytest.mark.parametrize(("at", "instance", "op", "status"), [
        (11_750, 0, "observe", "pass"), (11_751, 0, "observe", "fail"), (11_751, 1, "observe", "pass"),
        (11_751, 0, "other", "pass"), (19_999, 0, "predict", "fail"), (20_000, 0, "predict", "pass"),
    ])  # fmt: skip
    def test_the_old_address_is_left_within_ttl_and_keep_alive(
        self, at: int, instance: int, op: str, status: str
    ) -> None:
        """1 s, 0.5 s and ε after the move, to its end."""
        found = self.found(f"1 observe {at - 5} {at + 5} ok", fault=TestS4.MOVED, arrivals=(f"1 {op} {instance} {at}",))
        assert found[:4] == (status, [1] if status == "fail" else [], "1 calls" if status == "fail" else "", "1.75 s")
        missing = self.found(f"1 observe {at - 5} {at + 5} ok", arrivals=(f"1 {op} {instance} {at}",))
        assert missing[0] == "pass"

    def test_a_move_that_was_over_too_soon_was_not_followed(self) -> None:
        """1.75 s is not more than 1.75 s."""
        for end, told in ((11_750, False), (11_751, True)):
            fault = TestS4.MOVED.replace("20000", str(end))
            found = judged("S4", facts(DNS), "1 observe 9000 9040 ok", faults=[fault])
            followed = "a moved name was followed within 1.75 s; " if told else ""
            assert found.reason == f"{followed}no call outlived its time-outs in 1 fault of the resolver"

    def test_a_call_that_nothing_bounds_outlives_no_time_out(self) -> None:
        """Nobody knows of any."""
        texts = {"calls": f"{CALL}\n1 observe 11000 12400 error", "faults": f"{FAULT}\n{TestS4.MISSING}"}
        assert said("S4", promise(), facts(DNS), **texts).status == "pass"

    def test_calls_of_two_moves_are_named_together(self) -> None:
        """Each went to the old address once."""
        faults = [
            TestS4.MOVED.replace("20000", "15000"),
            TestS4.MOVED.replace("10000", "16000").replace("moved r", "again r"),
        ]
        rows = ["1 observe 0 14001", "2 observe 0 19001"]
        found = judged(
            "S4", facts(DNS), "1 observe 14000 14010 ok", "2 observe 19000 19010 ok", arrivals=rows, faults=faults
        )
        assert (calls_of(found), found.reason) == (
            [1, 2],
            "2 calls went to the old address 1.75 s after the name had moved",
        )


class TestEmpty:
    """Service.Address is empty (S5)."""

    TOLD = facts(address="node")

    @pytest.mark.parametrize(("row", "status"), [
        ("2 observe 50 90 overflow", "pass"), ("2 observe 50 90 cancelled", "pass"), ("2 observe 50 90 ok", "pass"),
        ("2 observe 50 90 degraded", "fail"),
    ])  # fmt: skip
    def test_who_was_never_sent_or_was_served_lost_no_way(self, row: str, status: str) -> None:
        """A substitute says that nobody was reached."""
        texts = {"calls": f"{CALL}\n1 observe 0 40 ok\n{row}", "arrivals": f"{ARRIVAL}\n1 observe 0 10"}
        found = numbers("S5", self.TOLD, **texts)
        assert found == ((status, [2], "", "", 0.5) if status == "fail" else (status, [], "", "", None))

    def test_a_health_check_reaches_nobody(self) -> None:
        """Only what it is for does; and what began under a fault says nothing at all."""
        texts = {"calls": f"{CALL}\n1 observe 0 40 error", "arrivals": f"{ARRIVAL}\n1 other 0 10"}
        assert numbers("S5", self.TOLD, **texts)[0] == "fail"
        first = f"{FAULT}\ngone refuse 30 100 {{}}"
        assert numbers("S5", self.TOLD, **texts, faults=first)[0] == "inconclusive"
        assert numbers("S5", self.TOLD, **texts, faults=f"{first}\nlate refuse 200 300 {{}}")[0] == "inconclusive"
