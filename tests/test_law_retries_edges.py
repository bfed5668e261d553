"""Retry laws at their edges: which attempts belong together, which failures may be tried again, and what is named."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import calls_of, promise, said, whole
from retry_cases import RETRY, THREE, Try, history, tries

ON = promise({"retry": {**RETRY, "on": ["connect_error", "503"]}})


class TestR1:
    """No request is tried more often than promised."""

    def test_names_every_call_and_the_most(self) -> None:
        """Of three calls the last two tried too often, and one even five times."""
        tables = history([tries(503, 503, 503), tries(*[503] * 4), tries(*[503] * 5)])
        assert whole("R1", THREE, **tables) == ("fail", [2, 3], "5", "3", None)

    def test_says_the_most_where_nobody_knows_how_often(self) -> None:
        """Three times."""
        found = said("R1", promise({"retry": {"on": ["503"]}}), **history([tries(503, 503, 503)]))
        assert (found.status, found.measured) == ("inconclusive", "3")

    def test_each_operation_has_its_own_number(self) -> None:
        """Three for observes, two for predictions; what nobody promised is only inconclusive where it was retried."""
        own = promise({"calls": {"observe": {"retry": RETRY}, "predict": {"retry": {"max_attempts": 2}}}})
        assert said("R1", own, **history([tries(503, 503, 503)])).status == "fail"
        assert whole("R1", own, **history([tries(503, 503, 503)], "observe"))[:4] == ("pass", [], "3", "3")
        observes = promise({"calls": {"observe": {"retry": RETRY}}})
        assert said("R1", observes, **history([tries(503, 503)])).status == "inconclusive"

    def test_nothing_is_known_of_calls_without_attempts(self) -> None:
        """None was made, and one belongs to nobody."""
        calls = history([tries(503)])["calls"]
        stray = "call attempt start_ms end_ms status\n77 1 10 20 503"
        assert said("R1", THREE, calls=calls, attempts=stray).status == "not_exercised"


class TestR2:
    """What can't pass by itself is not tried again."""

    def test_counts_what_must_not_be_tried_again(self) -> None:
        """Of four such failures two were, a 404 twice; the more frequent comes first."""
        calls = [tries(404, 404, 200), tries(422, 200), tries(400), tries(503, 200)]
        assert whole("R2", THREE, **history(calls)) == ("fail", [1, 2], "", "", 0.5)
        assert "after 404, 422" in said("R2", THREE, **history(calls)).reason

    def test_names_three_kinds_of_failure_at_most(self) -> None:
        """Of four."""
        calls = [tries(status, 200) for status in (400, 401, 404, 422)]
        assert said("R2", THREE, **history(calls)).reason.endswith("400, 401, 404")

    def test_an_error_of_the_clients_own_never_passes_by_itself(self) -> None:
        """A malformed URL, tried three times."""
        assert said("R2", THREE, **history([tries("client_bug", "client_bug")])).status == "fail"
        assert said("R2", THREE, **history([tries("client_bug")])).reason.startswith("1 failure ")

    def test_what_an_outside_fault_does_is_katos_trouble(self) -> None:
        """A packet filter, or a store."""
        for kind, status in (("external", "not_exercised"), ("latency", "fail")):
            faults = f"name kind applied_ms effective_ms cleared_ms\nf {kind} 9000 9001 20000"
            assert said("R2", THREE, **history([tries(404, 200)]), faults=faults).status == status

    def test_a_declared_list_names_all_that_may_be_tried_again(self) -> None:
        """A reset is not in it; what was cancelled is no failure, and what is final or unnamed counts once."""
        assert whole("R2", ON, **history([tries("reset", 200), tries(404), tries(503, 200)])) == (
            "fail",
            [1],
            "",
            "",
            0.5,
        )
        assert said("R2", ON, **history([tries("cancelled", 200)])).status == "not_exercised"
        assert said("R2", ON, **history([tries(404), tries("reset")])).reason.startswith("2 failures ")

    def test_each_operation_has_its_own_list(self) -> None:
        """What observes may not do again, predictions may, whichever comes first."""
        for order in (("observe", "predict"), ("predict", "observe")):
            lists = {"observe": ["connect_error"], "predict": ["503"]}
            own = promise({"calls": {op: {"retry": {**RETRY, "on": lists[op]}} for op in order}})
            for op, status in (("observe", "fail"), ("predict", "not_exercised")):
                tables = history([tries(503, 200)], op)
                other = history([tries(200)], *[name for name in order if name != op])
                both = {name: tables[name] + "\n" + other[name].splitlines()[1].replace("1", "2", 1) for name in tables}
                assert said("R2", own, **both).status == status


class TestR8:
    """Writes are sent again only where that is safe."""

    DECLARED = promise({"retry": {**RETRY, "calls": ["observe"], "on": ["timeout"]}})

    def test_says_how_many_writes_and_after_what(self) -> None:
        """One of two."""
        tables = history([tries("read_timeout", 200), tries("reset")], op="learn")
        assert whole("R8", THREE, **tables) == ("fail", [1], "1 re-sent", "0", 0.5)
        assert said("R8", THREE, **tables).reason.endswith("after read_timeout")
        assert whole("R8", THREE, **history([tries("reset")], op="learn")) == ("pass", [], "0 re-sent", "0", None)

    @pytest.mark.parametrize("how", ["connect_error", "connect_timeout", "pool_timeout", 429, 503, 404])
    def test_what_kato_can_t_have_done_is_in_no_doubt(self, how: str | int) -> None:
        """Never sent, or not handled."""
        assert said("R8", THREE, **history([tries(how, 200)], op="observe")).status == "not_exercised"

    def test_nobody_saw_what_arrived(self) -> None:
        """Without arrivals every lost write is in doubt; one that was left alone passes by an oracle alone."""
        tables = history([tries("reset")], op="observe")
        again = history([tries("connect_timeout", "reset", 200)], op="observe")
        tables.pop("arrivals"), again.pop("arrivals")
        assert said("R8", THREE, **tables).status == "inconclusive"
        assert said("R8", THREE, {"oracle": "stm"}, **tables).status == "pass"
        assert said("R8", THREE, **again).status == "fail"

    def test_a_prediction_may_open_its_session(self) -> None:
        """What the witness saw counts, and an attempt that it didn't see is taken for its call's."""
        tables = history([tries("read_timeout", 200)])
        opened = tables["arrivals"].replace("predict", "open_session")
        assert said("R8", THREE, **{**tables, "arrivals": opened}).status == "fail"
        read = history([tries("read_timeout", 200)], op="observe")
        assert (
            said("R8", THREE, **{**read, "arrivals": read["arrivals"].replace("observe", "predict")}).status != "fail"
        )

    def test_only_what_is_declared_of_this_very_operation_allows_it(self) -> None:
        """Read, or for others: none; a write of an operation without any retry is none either."""
        on = {"retry": {**RETRY, "calls": ["observe"], "on": ["timeout"]}}
        cases = (
            (self.DECLARED, "observe", "pass"), (self.DECLARED, "learn", "fail"),
            (promise(read=on), "observe", "fail"), (promise({"calls": {"observe": on}}), "learn", "fail"),
        )  # fmt: skip
        for promised, op, status in cases:
            assert said("R8", promised, **history([tries("read_timeout", 200)], op=op)).status == status, op

    def test_declared_operations_stay_so_beside_others(self) -> None:
        """An observe that may be sent again, and a session that is opened without any trouble after it."""
        own = promise(
            {"calls": {op: {"retry": {**RETRY, "calls": [op], "on": ["timeout"]}} for op in ("observe", "learn")}}
        )
        one, other = history([tries("read_timeout", 200)], "observe"), history([tries(200)], "learn")
        both = {name: one[name] + "\n" + other[name].splitlines()[1].replace("1", "2", 1) for name in one}
        assert said("R8", own, **both).status == "pass"


class TestR9:
    """The caller gets the failure itself."""

    def ended(self, *ends: tuple[str, str, str], promised: Any = THREE) -> Any:
        """What R9 says of calls that used up their attempts and ended in (outcome, error, detail)."""
        tables = history([tries(503, 503, 503)] * len(ends))
        head, *rows = tables["calls"].splitlines()
        rows = [
            f"{' '.join(row.split()[:4])} {' '.join(end[:2])} {end[2]}" for row, end in zip(rows, ends, strict=True)
        ]
        return whole("R9", promised, **{**tables, "calls": "\n".join([f"{head} detail", *rows])})

    def test_names_the_calls_of_those_that_used_up_their_attempts(self) -> None:
        """One of two, whatever else there was: a call with one attempt, and one that never ended in a failure."""
        found = self.ended(("error", "5xx", "HTTPStatusError"), ("error", "retry_exhausted", "RetryError"))
        assert found == ("fail", [2], "", "", 0.5)

    @pytest.mark.parametrize("outcome", ["ok", "degraded", "cancelled", "rejected"])
    def test_who_was_not_given_a_failure_used_up_nothing(self, outcome: str) -> None:
        """Whatever the error that was caught before."""
        assert self.ended((outcome, "retry_exhausted", "RetryError"))[0] == "not_exercised"

    def test_a_call_of_one_attempt_used_up_nothing(self) -> None:
        """Nothing was tried again."""
        tables = history([tries(503)], detail={1: "RetryError"})
        tables["calls"] = tables["calls"].replace("5xx", "retry_exhausted")
        assert said("R9", THREE, **tables).status == "not_exercised"
        assert said("R9", THREE, calls=tables["calls"]).status == "inconclusive"
        two = history([tries(503, 503)], detail={1: "RetryError"})
        assert said("R9", THREE, **{**two, "calls": two["calls"].replace("5xx", "retry_exhausted")}).status == "fail"

    def test_says_what_the_caller_saw(self) -> None:
        """The first one's chain."""
        tables = history([tries(503, 503)], detail={1: "RetryError<HTTPStatusError"})
        tables["calls"] = tables["calls"].replace("5xx", "retry_exhausted")
        assert said("R9", THREE, **tables).reason.endswith("surfaced as RetryError<HTTPStatusError")
        assert said("R9", THREE, **history([tries(503, 503)])).reason.startswith("1 call used up")

    @pytest.mark.parametrize("bug", [
        "TypeError", "KeyError", "AttributeError", "NameError", "UnboundLocalError", "IndexError", "AssertionError",
    ])  # fmt: skip
    def test_no_bug_hides_the_failure(self, bug: str) -> None:
        """In the client's own handling of it."""
        assert self.ended(("error", "client_bug", bug))[0] == "fail"

    def test_what_urllib3_documents_is_its_own(self) -> None:
        """ResponseError alone, too."""
        assert self.ended(("error", "retry_exhausted", "ResponseError"))[0] == "pass"

    def test_who_declares_it_does_so_for_its_operation(self) -> None:
        """Predictions may raise RetryError, observes not; to read it from code is no promise."""
        raising = {"retry": {**RETRY, "reraise": False}}
        failed = ("error", "retry_exhausted", "RetryError")
        assert self.ended(failed, promised=promise(read=raising))[0] == "fail"
        own = promise({"calls": {"observe": raising}})
        assert self.ended(failed, promised=own)[0] == "fail"
        tables = history([tries(503, 503)] * 2)
        calls = "call op start_ms end_ms outcome error detail\n"
        calls += (
            "1 predict 10000 10620 error 5xx HTTPStatusError\n2 observe 20000 20620 error retry_exhausted RetryError"
        )
        both = promise({"calls": {"observe": {"retry": RETRY}, "predict": raising}})
        found = said("R9", both, calls=calls, attempts=tables["attempts"])
        assert (found.status, calls_of(found)) == ("fail", [2])


class TestChains:
    """Which attempts are one request."""

    def marked(self, rows: list[Try], via: str = "aiohttp", op: str = "predict") -> dict[str, str]:
        tables = history([[(0, 10, 200)], rows], op)
        head, *lines = tables["attempts"].splitlines()
        return {**tables, "attempts": "\n".join([f"{head} via", *(f"{line} {via}" for line in lines)])}

    @pytest.mark.parametrize(("how", "gap", "op", "nth"), [
        ("reset", 0, "predict", 1), ("protocol_error", 5, "predict", 1), ("reset", 6, "predict", 2),
        ("reset", 0, "observe", 2), ("read_timeout", 0, "predict", 2),
    ])  # fmt: skip
    def test_aiohttp_repeats_reads_at_once_and_once(self, how: str, gap: int, op: str, nth: int) -> None:
        """Within 5 ms, after a connection that was closed; anything else is a re-try."""
        one = promise({"retry": {"max_attempts": 1}})
        found = said("R1", one, **self.marked([(0, 10, how), (10 + gap, 20 + gap, 503)], op=op))
        assert found.status == {1: "not_applicable", 2: "fail"}[nth]

    def test_every_other_one_of_a_row_at_once_is_aiohttps(self) -> None:
        """Six in a row: its own are the second, the fourth and the last."""
        six: list[Try] = [(10 * n, 10 * n + 10, "reset") for n in range(6)]
        for most, status in ((3, "pass"), (2, "fail")):
            assert said("R1", promise({"retry": {"max_attempts": most}}), **self.marked(six)).status == status

    def test_a_hedge_runs_beside_any_earlier_one(self) -> None:
        """The third began before the first had ended; after a break all is new."""
        rows: list[Try] = [(0, 100, "reset"), (20, 30, "reset"), (50, 160, "reset"), (300, 310, 503)]
        for most, status in ((2, "pass"), (1, "fail")):
            assert said("R1", promise({"retry": {"max_attempts": most}}), **history([rows])).status == status

    def test_waits_are_counted_from_the_last_end(self) -> None:
        """Of a hedge that outlived its original: 200 ms later, as promised."""
        rows: list[Try] = [(0, 10, 503), (210, 250, "reset"), (220, 500, 503), (900, 910, 503)]
        found = said("R3", THREE, **history([rows] * 5))
        assert found.status == "pass"

    def test_another_operation_begins_another_request_wherever_it_was_seen(self) -> None:
        """A session that is opened between two tries to observe; one that never arrived belongs to the one before."""
        tables = history([tries(503), tries(503, "connect_error", 503, 503)], op="observe")
        head, first, second, third, fourth = tables["arrivals"].splitlines()
        seen = "\n".join([head, first, second, third.replace("observe", "open_session"), fourth])
        one = promise({"retry": {"max_attempts": 2}})
        assert said("R1", one, **{**tables, "arrivals": seen}).status == "pass"
        assert said("R1", one, **tables).status == "fail"

    def test_the_order_of_arrivals_is_not_that_of_attempts(self) -> None:
        """The second attempt overtook the first on its way."""
        tables = history([[(0, 100, "read_timeout"), (200, 300, 503)]], op="observe")
        head, first, second = tables["arrivals"].splitlines()
        late = first.replace("10001", "10250").replace("10099", "10260")
        assert said("R8", THREE, **{**tables, "arrivals": "\n".join([head, second, late])}).status == "fail"
        early = second.replace("observe", "predict")
        mixed = "\n".join([head, early, late.replace("observe", "open_session")])
        assert (
            said("R1", promise({"retry": {"max_attempts": 1}}), **{**tables, "arrivals": mixed}).status
            == "not_applicable"
        )

    WASTE = {"timeout": {"total": 9.0}}  # noqa: RUF012

    @pytest.mark.parametrize(("rows", "measured"), [
        (["1 2 observe 10201 10205 2", "1 1 observe 10210 10220 -"], "0.0% wasted"),
        (["1 2 observe 10201 10205 -", "1 1 observe 10210 10220 2"], "100.0% wasted"),
        (["1 2 observe 10201 10205 1", "2 1 observe 20001 20002 2"], "0.0% wasted"),
        (["1 0 observe 10201 10205 1"], "0.0% wasted"),
    ])  # fmt: skip
    def test_an_attempt_has_its_own_arrival_or_none(self, rows: list[str], measured: str) -> None:
        """By call and number, in whatever order they came; a number of 0 says nothing. T6 asks what it was for."""
        tables = history([[(0, 100, "read_timeout"), (200, 300, 200)], tries(200)], op="observe")
        tables["arrivals"] = "\n".join(["call attempt op arrive_ms reply_ms commit_seq", *rows])
        assert said("T6", promise(self.WASTE), {"oracle": "twin"}, **tables).measured == measured
        nameless = {**tables, "attempts": tables["attempts"].replace("1 1 1", "1 0 1")}
        assert said("T6", promise(self.WASTE), {"oracle": "twin"}, **nameless).measured == "0.0% wasted"


class TestT5:
    """Requests in a row fit into their total."""

    OWN = promise({"timeout": {"read": 0.7, "total": 1.0}})

    def rows(self, *spans: tuple[int, ...]) -> dict[str, str]:
        """Calls whose requests, all answered, ended at these times (ms)."""
        return history([[(a, b, 200) for a, b in zip((0, *ends), ends, strict=False)] for ends in spans])

    def test_says_how_many_requests_outlived_it(self) -> None:
        """Two of three calls, the longest first; a call of one request is none of them."""
        tables = self.rows((500, 1300), (500, 1000, 1600), (500, 900), (1400,))
        assert whole("T5", self.OWN, **tables) == ("warn", [2, 1], "1.60 s", "1.00 s", 2 / 3)
        found = said("T5", self.OWN, **tables)
        assert "up to 3 requests in a row, each with up to 0.7 s" in found.reason
        assert found.severity == "warn"
        untold = said("T5", promise({"timeout": {"total": 1.0}}), **tables)
        assert "each with up to 0 s" in untold.reason

    def test_a_request_that_began_after_it_is_no_re_try(self) -> None:
        """The third of three began when the total was over: that is this law's matter, where a re-try's is R11's."""
        assert whole("T5", self.OWN, **self.rows((700, 1400, 2100)))[:3] == ("warn", [1], "2.10 s")
        tried = history([[(0, 700, 200), (700, 1400, 503), (1400, 2100, 200)]])
        assert said("T5", self.OWN, **tried).status == "not_exercised"

    def test_only_what_came_near_shows_anything(self) -> None:
        """More than four fifths of it, in more than one request."""
        for ends, status in (((500, 801), "pass"), ((500, 800), "not_exercised"), ((900,), "not_exercised")):
            assert said("T5", self.OWN, **self.rows(ends)).status == status
        own = promise({"calls": {"observe": {"timeout": {"total": 1.0}}}})
        tables = self.rows((500, 900), (100,))
        tables["calls"] = tables["calls"].replace("2 predict", "2 observe")
        assert said("T5", own, **tables).status == "not_exercised"

    def test_the_last_moment_is_within_it(self) -> None:
        """A second and ε."""
        for end, status in ((1250, "pass"), (1251, "warn")):
            assert said("T5", self.OWN, **self.rows((500, end))).status == status
