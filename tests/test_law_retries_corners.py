"""Retry laws where two things meet: operations, faults, calls without attempts, answers that were never read whole."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said, whole
from retry_cases import RETRY, THREE, Try, history, tries

FAULTS = "name kind applied_ms effective_ms cleared_ms"
ON = promise({"retry": {**RETRY, "on": ["connect_error", "503"]}})


def beside(*tables: dict[str, str]) -> dict[str, str]:
    """The calls of all of these at the same times, those of the nth numbered from 100 · n on."""
    found = {name: [text.splitlines()[0]] for name, text in tables[0].items()}
    for nth, texts in enumerate(tables):
        for name, text in texts.items():
            rows = [row.split(" ", 1) for row in text.splitlines()[1:]]
            found[name] += [f"{100 * nth + int(call)} {rest}" for call, rest in rows]
    return {name: "\n".join(rows) for name, rows in found.items()}


class TestOfTwoOperations:
    """What is promised of the one says nothing of the other."""

    def test_a_number_that_nobody_promised_matters_where_something_was_tried_again(self) -> None:
        """An observe of one attempt, beside a prediction of two that were promised."""
        own = promise({"calls": {"predict": {"retry": RETRY}}})
        both = beside(history([tries(503, 503)]), history([tries(503)], "observe"))
        assert said("R1", own, **both).status == "pass"

    def test_a_list_is_that_of_the_operation_that_was_sent(self) -> None:
        """A prediction opens its session first: the 503 that it may try again by itself, it may not for that."""
        own = {"open_session": ["connect_error"], "predict": ["connect_error", "503"]}
        promised = promise({"calls": {op: {"retry": {**RETRY, "on": on}} for op, on in own.items()}})
        tables = history([tries(503, "connect_error"), tries(200)])
        seen = tables["arrivals"].replace("1 1 predict", "1 1 open_session")
        sessions = "3 open_session 40000 40010 ok -"
        calls = {"calls": tables["calls"] + "\n" + sessions, "attempts": tables["attempts"]}
        assert whole("R2", promised, **calls, arrivals=seen)[:2] == ("fail", [1])
        assert said("R2", promised, **calls, arrivals=tables["arrivals"]).status == "not_exercised"

    def test_without_a_witness_an_attempt_is_its_calls_operation(self) -> None:
        """A reset, which the list doesn't name."""
        tables = history([tries("reset", 200)], "observe")
        tables.pop("arrivals")
        assert whole("R2", ON, **tables)[:2] == ("fail", [1])

    def test_who_may_raise_a_retry_error_blames_nobody_else(self) -> None:
        """Predictions may; the observe gave its failure itself."""
        own = promise({"calls": {"observe": {"retry": RETRY}, "predict": {"retry": {**RETRY, "reraise": False}}}})
        both = beside(history([tries(503, 503)]), history([tries(503, 503)], "observe"))
        assert said("R9", own, **both).status == "pass"

    def test_who_may_not_try_again_added_nothing(self) -> None:
        """Predictions have one attempt, and made one each; observes may try again."""
        own = promise({"calls": {"predict": {"retry": {"max_attempts": 1}}, "observe": {"retry": RETRY}}})
        tables = history([tries(503) for _ in range(20)])
        assert said("R6", own, **tables, faults=f"{FAULTS}\nout refuse 1 2 300000").status == "pass"


class TestWhatNobodyRead:
    """Answers that came in part, and attempts that nobody saw arrive."""

    @pytest.mark.parametrize("how", ["connect_error", "connect_timeout", "pool_timeout"])
    def test_what_was_never_sent_needs_no_witness(self, how: str) -> None:
        """Nothing can have reached KATO."""
        tables = history([tries(how, 200)], "observe")
        tables.pop("arrivals")
        assert said("R8", THREE, **tables).status == "not_exercised"

    @pytest.mark.parametrize(("status", "found"), [(429, "not_exercised"), (503, "not_exercised"), (500, "fail")])
    def test_a_status_says_it_though_the_body_was_lost(self, status: int, found: str) -> None:
        """What was shed was not handled, whether or not the rest of that answer came."""
        tables = history([tries(status, 200)], "observe")
        tables["attempts"] = tables["attempts"].replace(f"- {status}", f"reset {status}")
        assert said("R8", THREE, **tables).status == found

    @pytest.mark.parametrize("kind", ["malformed", "empty_body"])
    def test_an_answer_that_nobody_can_read_is_none(self, kind: str) -> None:
        """Of 2xx, under a fault that spoils it: to send the write again is as after any lost reply."""
        tables = history([tries(200, 200)], "learn")
        faults = f"{FAULTS}\nspoilt {kind} 1 2 90000"
        head, first, second = tables["arrivals"].splitlines()
        seen = "\n".join([f"{head} fault", f"{first} spoilt", f"{second} -"])
        found = said("R8", THREE, **{**tables, "arrivals": seen}, faults=faults)
        assert (found.status, found.reason) == ("fail", "1 write had reached KATO and were sent again after decode")
        tables.pop("arrivals")
        assert said("R8", THREE, **tables, faults=faults).status != "fail"


class TestStorms:
    """Total failures behind a breaker, and what a budget counts."""

    def storm(self, *calls: list[Try], until_s: int = 1000) -> dict[str, str]:
        return {**history(calls), "faults": f"{FAULTS}\nout refuse 5000 5001 {until_s * 1000}"}

    def test_one_attempt_that_failed_is_all_of_them(self) -> None:
        """Twenty calls under the fault, nineteen of them without an attempt."""
        tables = self.storm(*[tries(503)] * 20)
        for name in ("attempts", "arrivals"):
            tables[name] = "\n".join(tables[name].splitlines()[:2])
        assert said("R6", THREE, **tables).reason.endswith("1 total failure")

    def test_a_budget_is_said_with_the_call_that_earns_it(self) -> None:
        """A fifth of a re-try for each call."""
        budget = promise({"retry": {**RETRY, "budget": {"ratio": 0.2, "min_per_second": 1.0}}})
        assert said("R6", budget, **self.storm(*[tries(503)] * 20)).bound == "1.2 + 1/s"

    def test_two_re_tries_a_call_are_three_attempts(self) -> None:
        """Sixty of thirty calls."""
        assert said("R6", THREE, **self.storm(*[tries(503, 503, 503)] * 30)).status == "pass"

    def test_late_re_tries_are_the_last_however_many_came_before(self) -> None:
        """Twenty-five calls tried again, twenty of them late: these are named."""
        budget = promise({"retry": {**RETRY, "budget": {"ratio": 0.2, "min_per_second": 0.0}}})
        tables = self.storm(*[tries(503)] * 15, *[tries(503, 503)] * 25, until_s=405)
        assert whole("R7", budget, **tables)[:2] == ("fail", [21, 22, 23, 24, 25])


class TestCallsThatFailTogether:
    """R12 compares fifty that failed at once, and of those the ones that had to be tried again."""

    def at_once(self, *kinds: tuple[int, str, list[str | int]], apart_ms: int = 0) -> dict[str, str]:
        """So many calls of an operation whose attempts ended so; each kind `apart_ms` after the one before."""
        calls, attempts = ["call op start_ms end_ms outcome error"], ["call attempt start_ms end_ms result status"]
        for nth, (count, op, hows) in enumerate(kinds):
            for call in range(1000 * nth + 1, 1000 * nth + count + 1):
                begin = nth * apart_ms + call % 1000
                calls.append(f"{call} {op} {begin} {begin + 1000} {'ok' if hows == [200] else 'error'} -")
                for number, how in enumerate(hows, 1):
                    ended = f"- {how}" if isinstance(how, int) else f"{how} 0"
                    at = begin + 100 * number
                    attempts.append(f"{call} {number} {at} {at + 10} {ended}")
        return {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}

    def on(self, **calls: Any) -> Any:
        return promise({"retry": {**RETRY, "on": ["503"]}, **calls})

    def test_what_was_served_did_not_fail_with_them(self) -> None:
        """Thirty failures beside thirty answers."""
        tables = self.at_once((10, "predict", [503]), (20, "predict", [503] * 3), (30, "predict", [200]))
        assert said("R12", self.on(), **tables).status == "not_exercised"

    def test_what_failed_later_did_not_either(self) -> None:
        """Thirty, and thirty more ten seconds on."""
        tables = self.at_once((30, "predict", [503]), (30, "predict", [503] * 3), apart_ms=10_000)
        assert said("R12", self.on(), **tables).status == "not_exercised"

    def test_twenty_that_had_to_be_tried_again_are_enough(self) -> None:
        """Beside thirty that failed in a way that nobody tries again; nineteen are too few."""
        for count, status in ((20, "pass"), (19, "not_exercised")):
            tables = self.at_once((count, "predict", [503] * 3), (60 - count, "predict", ["reset"]))
            assert said("R12", self.on(), **tables).status == status

    def test_a_call_without_attempts_made_no_other_number_of_them(self) -> None:
        """Ten that got no further than the pool."""
        tables = self.at_once((50, "predict", [503] * 3), (10, "predict", []))
        found = said("R12", self.on(), **tables)
        assert (found.status, found.measured) == ("pass", "0 of 50 otherwise")

    def test_writes_that_nobody_declared_end_no_search(self) -> None:
        """They come first, and may be tried once only; the predictions after them count each other's attempts."""
        tables = self.at_once((5, "observe", [503]), (10, "predict", [503]), (50, "predict", [503] * 3))
        assert said("R12", self.on(), **tables).measured == "10 of 60 otherwise"
