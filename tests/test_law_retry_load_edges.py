"""Laws about the load that retries add, at their edges: what is a total failure, what a budget allows, who is named."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said, whole
from retry_cases import RETRY, THREE, Try, history, tries

FAULTS = "name kind applied_ms effective_ms cleared_ms"


def under(calls: list[list[Try]], first_s: int = 0, last_s: int = 100_000) -> dict[str, str]:
    """Calls 10 s apart under one fault from the one second to the other."""
    return history(calls) | {
        "faults": f"{FAULTS}\nout refuse {1000 * first_s + 1} {1000 * first_s + 2} {1000 * last_s}"
    }


def budget(ratio: float, per_second: float = 0.0, **retry: Any) -> Any:
    """The promise of a retry budget."""
    return promise({"retry": {**RETRY, **retry, "budget": {"ratio": ratio, "min_per_second": per_second}}})


class TestR6:
    """Retries add no more load than promised."""

    def test_says_how_much_was_added_and_might_be(self) -> None:
        """Twenty calls with as many re-tries, of which ten and a chance of nine are allowed."""
        tables = under([tries(503, 503, 200) for _ in range(20)])
        assert said("R6", budget(0.0), **tables).status == "not_exercised"
        tables = under([tries(503, 503) for _ in range(30)])
        found = whole("R6", budget(0.0), **tables)
        assert found == ("fail", [1, 2, 3, 4, 5], "2.00 attempts a call", "1 + 0/s", None)
        assert said("R6", budget(0.0), **tables).reason.startswith("30 re-tries for 30 calls of")
        assert whole("R6", THREE, **tables) == ("pass", [], "2.00 attempts a call", "3", None)
        assert whole("R6", promise({"retry": {"on": ["503"]}}), **tables)[:4] == (
            "pass",
            [],
            "2.00 attempts a call",
            "1",
        )

    @pytest.mark.parametrize(("ratio", "per_second", "workers", "status"), [
        (0.2, 0.0, 1, "fail"), (0.43, 0.0, 1, "fail"), (0.45, 0.0, 1, "pass"), (0.2, 0.02, 1, "fail"),
        (0.2, 0.03, 1, "pass"), (0.2, 0.0, 2, "pass"),
    ])  # fmt: skip
    def test_a_budget_allows_a_share_a_bucket_and_so_much_a_second_for_each_process(
        self, ratio: float, per_second: float, workers: int, status: str
    ) -> None:
        """40 re-tries of 40 calls in 410 s, of which 12 may be chance: 28 may be allowed."""
        tables = under([tries(503, 503) for _ in range(40)], 0, 411)
        head, *rows = tables["calls"].splitlines()
        tables["calls"] = "\n".join([f"{head} worker", *(f"{row} {n % workers}" for n, row in enumerate(rows))])
        assert said("R6", budget(ratio, per_second), **tables).status == status

    def test_only_calls_of_the_fault_count(self) -> None:
        """Half of forty came before and after it, and were tried again."""
        calls = [tries(503, 503, 200) if n < 10 or n >= 30 else tries(503) for n in range(40)]
        found = whole("R6", budget(0.0), **under(calls, 105, 305))
        assert (found[0], found[2]) == ("pass", "1.00 attempts a call")

    def test_nineteen_of_twenty_are_nearly_all(self) -> None:
        """One attempt in twenty may be served; what was served before the fault was there counts for nobody."""
        for served, status in ((1, "pass"), (2, "not_exercised")):
            calls = [tries(200) if n < served else tries(503) for n in range(20)]
            assert said("R6", budget(0.0), **under(calls)).status == status

    def test_a_fault_without_calls_ends_no_search(self) -> None:
        """The second of two is the failure."""
        tables = under([tries(503, 503) for _ in range(30)], 5)
        tables["faults"] = tables["faults"].replace("\nout", "\nquick refuse 10 11 20\nout", 1)
        assert said("R6", budget(0.0), **tables).status == "fail"

    def test_each_operation_has_its_own_attempts(self) -> None:
        """Two for predictions; where one may make three and the other is unknown all three are allowed."""
        tables = under([tries(503, 503, 503) for _ in range(30)])
        own = promise({"calls": {"predict": {"retry": {"max_attempts": 2}}, "observe": {"retry": RETRY}}})
        assert whole("R6", own, **tables)[:4] == ("fail", [1, 2, 3, 4, 5], "3.00 attempts a call", "2")


class TestR7:
    """The budget ends a storm."""

    def storm(self, late: int, calls: int = 40) -> dict[str, str]:
        """The last `late` of the calls are tried again, in a fault whose second half has half of them."""
        each = [tries(503, 503) if n >= calls - late else tries(503) for n in range(calls)]
        return under(each, 5, 10 * calls + 5)

    @pytest.mark.parametrize(("ratio", "per_second", "late", "status"), [
        (0.2, 0.0, 20, "fail"), (0.5, 0.0, 20, "fail"), (0.55, 0.0, 20, "pass"), (0.2, 0.03, 20, "fail"),
        (0.2, 0.035, 20, "pass"), (0.2, 0.0, 10, "pass"),
    ])  # fmt: skip
    def test_a_late_budget_allows_a_share_one_token_and_so_much_a_second(
        self, ratio: float, per_second: float, late: int, status: str
    ) -> None:
        """20 re-tries of 20 calls in 200 s, of which 8.8 may be chance: 11.2 must be allowed."""
        found = whole("R7", budget(ratio, per_second), **self.storm(late))
        assert (found[0], found[2]) == (status, f"{late / 20:.2f} re-tries a call")
        assert found[3] == f"{ratio:g} + {per_second:g}/s"

    def test_names_those_that_came_late(self) -> None:
        """The last twenty of forty, whatever came before."""
        tables = under([tries(503, 503) for _ in range(40)], 5, 405)
        assert whole("R7", budget(0.2), **tables)[:3] == ("fail", [21, 22, 23, 24, 25], "1.00 re-tries a call")
        assert said("R7", budget(0.2), **tables).reason == "20 re-tries for 20 calls late in the failure"

    def test_it_takes_twenty_calls_in_the_second_half_and_a_re_try(self) -> None:
        """Nineteen are too few; none was tried again."""
        assert said("R7", budget(0.2), **self.storm(0)).reason == "nothing was tried again in the failure"
        assert said("R7", budget(0.2), **self.storm(10, 38)).status == "not_exercised"


class TestR10:
    """A rejection is neither re-tried nor slept on."""

    BOTH = promise({"retry": RETRY, "breaker": {"fail_max": 5, "reset_timeout": 3.0}})

    def rejected(self, *took_ms: int) -> dict[str, str]:
        calls = [f"{n} predict {1000 * n} {1000 * n + took} rejected breaker_open" for n, took in enumerate(took_ms, 2)]
        head = "call op start_ms end_ms outcome error\n1 predict 900 910 error connect_error\n"
        return {
            "calls": head + "\n".join(calls),
            "attempts": "call attempt start_ms end_ms result\n1 1 900 910 connect_error",
        }

    def test_names_the_longest_first(self) -> None:
        """Three of five."""
        found = whole("R10", self.BOTH, **self.rejected(10, 400, 10, 600, 500))
        assert found == ("fail", [5, 6, 3], "3 of 5 slower than 50 ms", "50 ms", 0.6)
        assert said("R10", self.BOTH, **self.rejected(10, 400, 10, 600, 500)).reason.endswith("up to 0.60 s")

    def test_says_how_many_where_it_can_t_tell_and_where_all_is_well(self) -> None:
        """Four; five, each of 50 ms and lag."""
        found = whole("R10", self.BOTH, **self.rejected(600, 600, 10, 10))
        assert found[:4] == ("inconclusive", [], "2 of 4 slower than 50 ms", "")
        assert whole("R10", self.BOTH, **self.rejected(*[50] * 5))[:4] == (
            "pass",
            [],
            "0 of 5 slower than 50 ms",
            "50 ms",
        )
        lag = "\n".join(["process time_ms lag_ms", *(f"generator {1000 * n + 100} 100" for n in range(2, 7))])
        assert said("R10", self.BOTH, **self.rejected(*[150] * 5), samples=lag).status == "pass"
        assert said("R10", self.BOTH, **self.rejected()).reason.startswith("no call was rejected; it takes an outage")


class TestR12:
    """Calls don't count each other's attempts."""

    def storm(
        self,
        odd: int = 10,
        of: int = 60,
        op: str = "predict",
        took_ms: int = 1000,
        outcome: str = "error",
        most: int = 3,
    ) -> dict[str, str]:
        """Calls at once, each with `most` attempts but the first `odd`, which have one."""
        calls, attempts = ["call op start_ms end_ms outcome error"], ["call attempt start_ms end_ms status"]
        for call in range(1, of + 1):
            calls.append(f"{call} {op} {call} {took_ms + call} {outcome} 5xx")
            count = 1 if call <= odd else most
            attempts += [f"{call} {n} {call + 300 * n} {call + 300 * n + 10} 503" for n in range(1, count + 1)]
        return {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}

    def on(self, *words: str, **more: Any) -> Any:
        return promise({"retry": {**RETRY, "on": list(words), **more}})

    @pytest.mark.parametrize(("op", "opens", "status"), [
        ("predict", "", "fail"), ("open_session", "", "pass"), ("predict", "\n99 open_session 0 10 ok -", "fail"),
    ])  # fmt: skip
    def test_a_session_that_the_client_could_not_open_is_no_try_of_its_call(
        self, op: str, opens: str, status: str
    ) -> None:
        """Ten of sixty calls made one request, which the witness saw."""
        tables = self.storm()
        arrivals = [f"{call} 1 {op if call <= 10 else 'predict'} {call + 301} 503" for call in range(1, 61)]
        tables["arrivals"] = "\n".join(["call attempt op arrive_ms status", *arrivals])
        tables["calls"] += opens
        assert said("R12", self.on("503"), **tables).status == status

    def test_nobody_knows_what_never_arrived_of_a_client_that_opens_sessions_itself(self) -> None:
        """The ten made one attempt each, of which the witness saw nothing."""
        tables = self.storm()
        arrivals = [f"{call} 1 predict {call + 301} 503" for call in range(11, 61)]
        tables["arrivals"] = "\n".join(["call attempt op arrive_ms status", *arrivals])
        for opens, status in (("", "pass"), ("\n99 open_session 0 10 ok -", "fail")):
            assert said("R12", self.on("503"), **{**tables, "calls": tables["calls"] + opens}).status == status

    def test_names_those_that_made_another_number(self) -> None:
        """Ten of sixty; of fifty at once none."""
        found = whole("R12", self.on("503"), **self.storm())
        assert found == ("fail", [1, 2, 3, 4, 5], "10 of 60 otherwise", "exactly 3", 10 / 60)
        fine = whole("R12", self.on("503"), **self.storm(0, 50))
        assert fine == ("pass", [], "0 of 50 otherwise", "exactly 3", None)

    @pytest.mark.parametrize(("retry", "op", "status"), [
        ({}, "predict", "not_exercised"), ({"on": ["reset"]}, "predict", "not_exercised"),
        ({"on": ["503"], "calls": ["observe"]}, "predict", "not_exercised"),
        ({"on": ["503"], "calls": ["observe"]}, "observe", "fail"), ({"on": ["503"]}, "observe", "not_exercised"),
        ({"on": ["503"], "max_attempts": 2}, "predict", "fail"),
        ({"on": ["503"], "max_attempts": 4}, "predict", "not_exercised"),
        ({"on": ["503"], "max_attempts": 1}, "predict", "not_exercised"),
    ])  # fmt: skip
    def test_only_what_must_be_tried_again_is_compared(self, retry: dict[str, Any], op: str, status: str) -> None:
        """The failure is named, the operation too (predictions are by themselves), and some used up their attempts."""
        assert said("R12", promise({"retry": {**RETRY, **retry}}), **self.storm(op=op)).status == status

    def test_what_code_sends_again_it_sends_whatever_the_operation(self) -> None:
        """Read from it."""
        assert (
            said("R12", promise(read={"retry": {**RETRY, "on": ["503"]}}), **self.storm(op="observe")).status == "fail"
        )

    def test_a_deadline_may_rightly_end_them(self) -> None:
        """Calls that took more than half of their total, here all."""
        for total, status in ((2.0, "not_exercised"), (2.001, "fail")):
            timed = promise({"retry": {**RETRY, "on": ["503"]}, "timeout": {"total": total}})
            assert said("R12", timed, **self.storm()).status == status

    def test_who_was_served_or_stopped_did_not_fail(self) -> None:
        """The odd ones were."""
        for outcome in ("ok", "cancelled"):
            assert said("R12", self.on("503"), **self.storm(outcome=outcome)).status == "not_exercised"

    def test_operations_are_compared_each_with_its_own(self) -> None:
        """Predictions make two attempts and observes three, and nobody another number; learning has no retry."""
        one, other = self.storm(0, 60, most=2), self.storm(0, 60, op="observe")
        third = self.storm(0, 60, op="learn", most=1)
        texts = {
            name: "\n".join(
                [one[name].splitlines()[0]]
                + [
                    f"{int(row.split(' ', 1)[0]) + 100 * nth} {row.split(' ', 1)[1]}"
                    for nth, tables in enumerate((third, one, other))
                    for row in tables[name].splitlines()[1:]
                ]
            )
            for name in one
        }
        retry = {"on": ["503"], "backoff": {"initial": 0.2}}
        own = {
            "learn": {"timeout": {"read": 5.0}},
            "predict": {"retry": {**retry, "max_attempts": 2}},
            "observe": {"retry": {**retry, "max_attempts": 3, "calls": ["observe"]}, "timeout": {"total": 60.0}},
        }
        found = said("R12", promise({"calls": own}), **texts)
        assert (found.status, found.measured) == ("pass", "0 of 120 otherwise")
