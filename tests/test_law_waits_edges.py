"""Time-out laws about waits at their edges: for a handshake, for the pool, and of work that nobody waited for."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, share
from test_law_timeouts_edges import HEAD, TOTAL, TRIES, one

from harness.policy import merge

RESENT = {"max_attempts": 2, "on": ["pool_timeout"]}


class TestT3:
    """A handshake has its time-out, half a second more, and a wait for the pool before it."""

    def said(self, took: int, timeout: dict[str, float], **more: str) -> Any:
        return said("T3", promise({"timeout": timeout}), **one(took, "connect_timeout"), **more)

    def test_says_how_long_the_longest_took(self) -> None:
        """To the last moment."""
        found = self.said(700, {"connect": 0.2})
        assert (found.status, found.measured) == ("pass", "0.70 s")
        assert self.said(701, {"connect": 0.2}).status == "fail"

    def test_the_pool_comes_before_it(self) -> None:
        """0.3 s for a connection, 0.2 s for its handshake."""
        assert self.said(1000, {"connect": 0.2, "pool": 0.3}).status == "pass"
        assert self.said(1001, {"connect": 0.2, "pool": 0.3}).status == "fail"

    def test_lag_of_the_harness_is_allowed_for(self) -> None:
        """100 ms of it."""
        lag = "process time_ms lag_ms\ngenerator 700 100"
        assert self.said(790, {"connect": 0.2}, samples=lag).status == "pass"

    def test_a_read_time_out_says_nothing_about_handshakes(self) -> None:
        """No number, no breach."""
        assert self.said(9000, {"read": 0.2}).status == "pass"

    def test_what_is_declared_for_one_operation_is_held_to_beside_what_was_read(self) -> None:
        """Both waited for a second: the prediction's 0.2 s is a promise."""
        calls = f"{HEAD}\n1 observe 10 1010 timeout\n2 predict 10 1010 timeout"
        tries = f"{TRIES}\n1 1 10 1010 connect_timeout 0\n2 1 10 1010 connect_timeout 0"
        connect = {"timeout": {"connect": 0.2}}
        promised = promise({"calls": {"predict": connect}}, {"calls": {"observe": connect}})
        found = said("T3", promised, calls=calls, attempts=tries)
        assert (found.status, calls_of(found)) == ("fail", [2])
        only_read = said("T3", promise(read=connect), calls=calls, attempts=tries)
        assert (only_read.status, only_read.reason[:7]) == ("inconclusive", "2 calls")


class TestT6:
    """Work that nobody waited for."""

    def test_needs_both_sides(self) -> None:
        """Without attempts, or without an oracle, nothing can be told; cancelled attempts were given up too."""
        seen = "call attempt op arrive_ms commit_seq\n1 1 observe 12 1"
        for facts, attempts, status in (
            ({"oracle": "twin"}, {}, "inconclusive"),
            ({}, {"attempts": f"{TRIES}\n1 1 10 110 cancelled 0"}, "inconclusive"),
            ({"oracle": "twin"}, {"attempts": f"{TRIES}\n1 1 10 110 cancelled 0"}, "pass"),
        ):
            calls = f"{HEAD}\n1 observe 10 110 timeout"
            found = said("T6", TOTAL, facts, calls=calls, arrivals=seen, **attempts)
            assert (found.status, found.measured) == (status, "100.0% wasted" if status == "pass" else "")

    def test_a_few_that_were_given_up_by_chance_say_nothing(self) -> None:
        """None, and one under a fault that makes nobody give up."""
        faults = "name kind applied_ms effective_ms cleared_ms\nout refuse 1 1 5"
        for end, told in (("reset 0", "no attempt"), ("cancelled 0", "only 1 attempt")):
            tables = {"calls": f"{HEAD}\n1 observe 10 110 error", "attempts": f"{TRIES}\n1 1 10 110 {end}"}
            found = said("T6", TOTAL, {"oracle": "twin"}, **tables, faults=faults)
            assert (found.status, found.reason.partition(";")[0]) == ("not_exercised", f"the client gave up {told}")


class TestT7:
    """A full pool, operation by operation."""

    POOL = promise({"timeout": {"pool": 0.5}})

    def tables(self, *ends: int, again: int = 0, op: str = "observe") -> dict[str, str]:
        """Calls whose attempt waited for the pool until then; call `again` was sent once more."""
        calls = [f"{n} {op} 10 {end + 20} timeout" for n, end in enumerate(ends, 1)]
        tries = [f"{n} 1 10 {end} pool_timeout 0" for n, end in enumerate(ends, 1)]
        tries[again:again] = [f"{again} 2 {ends[again - 1]} {ends[again - 1] + 10} - 200"] if again else []
        return {"calls": "\n".join([HEAD, *calls]), "attempts": "\n".join([TRIES, *tries])}

    @pytest.mark.parametrize(("ends", "again", "named", "of"), [
        ((700, 761, 700), 0, [2], "waited longer"), ((700, 700, 700), 2, [2], "sent again"),
        ((761, 700, 700), 3, [1, 3], "waited longer"),
    ])  # fmt: skip
    def test_names_the_calls_and_what_they_did(
        self, ends: tuple[int, ...], again: int, named: list[int], of: str
    ) -> None:
        """Too long, too often, or both: a share of the three that found it full."""
        tables = self.tables(*ends, again=again)
        found = said("T7", self.POOL, **tables)
        assert (found.status, calls_of(found), of in found.reason) == ("fail", named, True)
        assert share("T7", self.POOL, **tables) == len(named) / 3

    def test_a_pool_time_out_that_was_only_read_fails_nobody(self) -> None:
        """Nor one that nobody knows."""
        for promised in (promise(read={"timeout": {"pool": 0.5}}), promise({"timeout": {"read": 0.5}}), promise()):
            assert said("T7", promised, **self.tables(2000)).status == "pass"

    def test_a_default_is_no_declaration(self) -> None:
        """Of a pool time-out that the library wasn't told."""
        assert said("T7", merge({}, {}, {"timeout": {"pool": 0.5}}), **self.tables(2000)).status == "pass"

    def test_only_a_fault_on_the_way_there_is_taken_for_transit(self) -> None:
        """One connection, for which the second call waited 0.8 s: replies are slow, requests aren't."""
        promised = promise({"timeout": {"pool": 0.5}}, {"limits": {"max_connections": 1}})
        faults = "name kind applied_ms effective_ms cleared_ms params\nslow latency 5 6 900 "
        found = said(
            "T7", promised, calls=f"{HEAD}\n1 observe 10 820 ok\n2 observe 20 1000 ok",
            attempts=f"{TRIES}\n1 1 10 820 - 200\n2 1 20 1000 - 200",
            arrivals="call attempt op arrive_ms reply_ms status\n1 1 observe 11 20 200\n2 1 observe 820 999 200",
            faults=faults + '{"direction":"downstream"}',
        )  # fmt: skip
        assert (found.status, calls_of(found)) == ("fail", [2])

    def test_only_what_was_refused_by_the_pool_was_sent_again_after_it(self) -> None:
        """Beside a reset that was, and that comes before or after."""
        calls = f"{HEAD}\n1 observe 10 40 timeout\n2 observe 10 40 timeout"
        for first, second, named in (("pool_timeout", "reset", [1]), ("reset", "pool_timeout", [2])):
            tries = f"{TRIES}\n1 1 10 20 {first} 0\n1 2 25 35 - 200\n2 1 10 20 {second} 0\n2 2 25 35 - 200"
            assert calls_of(said("T7", self.POOL, calls=calls, attempts=tries)) == named

    def test_only_a_declaration_allows_to_send_again(self) -> None:
        """What code does is no promise, and what predictions may do is none for observes."""
        on = {"retry": {"max_attempts": 2, "on": ["pool_timeout"]}}
        tables = self.tables(500, again=1)
        for promised, status in (
            (promise(on), "pass"), (promise(read=on), "fail"), (promise({"calls": {"predict": on}}), "fail"),
        ):  # fmt: skip
            assert said("T7", promised, **tables).status == status

    def test_each_operation_has_its_own_pool_time_out(self) -> None:
        """Half a second for observes, two for predictions, and both waited for one."""
        observed, predicted = self.tables(1010), self.tables(1010, op="predict")
        calls = observed["calls"] + "\n" + predicted["calls"].splitlines()[1].replace("1", "2", 1)
        tries = observed["attempts"] + "\n" + predicted["attempts"].splitlines()[1].replace("1", "2", 1)
        each = {"observe": {"timeout": {"pool": 0.5}}, "predict": {"timeout": {"pool": 2.0}}}
        for ops, named in ((each, [1]), ({"observe": each["predict"], "predict": each["observe"]}, [2])):
            assert calls_of(said("T7", promise({"calls": ops}), calls=calls, attempts=tries)) == named

    def opened(self, *hows: str, fail_max: int = 3) -> Any:
        """Calls that ended so (one after the other, joined by +), and one that the breaker rejected."""
        calls = [f"{n} observe {100 * n} {100 * n + 50} timeout -" for n in range(1, len(hows) + 1)]
        tries = [
            f"{n} {nth} {100 * n + 20 * nth} {100 * n + 20 * nth + 10} {end} 0"
            for n, how in enumerate(hows, 1)
            for nth, end in enumerate(how.split("+"))
        ]
        calls.append("9 observe 900 900 rejected breaker_open")
        texts = {"calls": "\n".join([f"{HEAD} error", *calls]), "attempts": "\n".join([TRIES, *tries])}
        return said("T7", promise({"breaker": {"fail_max": fail_max, "reset_timeout": 3.0}, "retry": RESENT}), **texts)

    def test_names_the_call_after_which_the_breaker_opened(self) -> None:
        """The third of three; a reset among them may be what opened it."""
        found = self.opened(*["pool_timeout"] * 3)
        assert (found.status, calls_of(found)) == ("fail", [3])
        assert self.opened("pool_timeout", "reset", "pool_timeout").status == "pass"
        assert self.opened("pool_timeout", "reset", "reset", "reset").status == "pass"
        assert self.opened(*["pool_timeout+reset"] * 3).status == "pass"
        assert calls_of(self.opened("pool_timeout", fail_max=1)) == [1]
        assert self.opened(*["client_bug"] * 3, "pool_timeout").status == "pass"

    def test_only_a_closed_breaker_opens_on_them(self) -> None:
        """The trial that it let through three seconds later found the pool full, too."""
        calls = [f"{n} observe {100 * n} {100 * n + 50} timeout -" for n in (1, 2, 3, 40)]
        tries = [f"{n} 1 {100 * n} {100 * n + 50} pool_timeout 0" for n in (1, 2, 3, 40)]
        calls += [f"{at} observe {at} {at} rejected breaker_open" for at in (900, 4100)]
        promised = promise({"breaker": {"fail_max": 3, "reset_timeout": 3.0}})
        found = said("T7", promised, calls="\n".join([f"{HEAD} error", *calls]), attempts="\n".join([TRIES, *tries]))
        assert calls_of(found) == [3]
