"""Policy laws and findings at their edges: what can be compared, what counts as the same, and what nobody says."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise, said
from test_law_policy import CALLS

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.findings import comparable, findings_of, same
from harness.laws.steady import failing_without_faults, not_working
from harness.model import Finding

READ = {"timeout": {"read": 5.0}}


class TestK1:
    """Who is silent, and about what."""

    @pytest.mark.parametrize(("policy", "open_points"), [
        ({"timeout": {"total": 1.0}}, ""), (READ, "a total time-out"),
        ({"timeout": {"total": 1.0}, "retry": {"max_attempts": 2}}, ""),
        ({"timeout": {"total": 1.0}, "retry": {"on": ["503"]}}, "the number of attempts"),
        ({"timeout": {"total": 1.0}, "breaker": {"fail_max": 5}}, ""),
        ({"timeout": {"total": 1.0}, "breaker": {"min_calls": 5}}, ""),
        ({"timeout": {"total": 1.0}, "breaker": {"reset_timeout": 5.0}}, "the breaker's limit"),
        ({**READ, "retry": {"on": ["503"]}, "breaker": {}},
         "a total time-out, the number of attempts, the breaker's limit"),
    ])  # fmt: skip
    def test_says_what_nobody_says(self, policy: dict[str, Any], open_points: str) -> None:
        """A total, the attempts where there is a retry, the limit where there is a breaker."""
        found = said("K1", promise(policy), calls=CALLS).reason
        told = f"every call has a time-out; not said: {open_points}" if open_points else "every call has a time-out"
        assert found == told

    def test_one_silent_operation_of_two_is_one(self) -> None:
        """Its own policy counts, and what was never called does not."""
        own = promise({"calls": {"observe": {"timeout": {"total": 1.0}}, "predict": READ, "learn": {}}})
        assert said("K1", own, calls=CALLS).reason.endswith("not said: a total time-out")
        none = said("K1", promise(), calls=CALLS)
        assert (none.status, none.reason) == ("warn", "no time-out is declared or readable for observe, predict")

    def test_requests_of_its_own_have_no_policy(self) -> None:
        """What the client sends beside its operations; with nothing called it is observe that must be bounded."""
        other = f"{CALLS}\n3 other 30 40 ok\n4 - 50 60 ok"
        own = promise({"calls": {"observe": READ, "predict": READ}})
        assert said("K1", own, calls=other).status == "pass"
        empty = "call op start_ms end_ms outcome"
        assert said("K1", own, calls=empty).status == "pass"
        assert said("K1", promise({"calls": {"predict": READ}}), calls=empty).reason.endswith("readable for observe")


class TestK2:
    """Key by key."""

    @pytest.mark.parametrize(("declared", "read", "status"), [
        ({"jitter": "full"}, {"jitter": "none", "initial": 0.9}, "pass"),
        ({"jitter": "full"}, {"jitter": "full", "initial": 0.9, "first": 1.0}, "pass"),
        ({"jitter": "full"}, {"jitter": "full", "initial": 0.9, "first": 1.5}, "fail"),
        ({"jitter": "full", "max": 10.0}, {"jitter": "none", "initial": 0.9}, "fail"),
        ({"jitter": "full", "max": 20.0}, {"jitter": "none", "initial": 0.9}, "pass"),
        ({"jitter": "equal"}, {"jitter": "none", "initial": 0.4}, "fail"),
        ({"jitter": "equal"}, {"jitter": "none", "initial": 0.5}, "pass"),
        ({"jitter": "equal"}, {"jitter": "none", "initial": 1.1}, "fail"),
        ({"jitter": "equal", "initial": 0.1}, {"jitter": "none", "initial": 0.04}, "fail"),
        ({"jitter": "equal", "initial": 0.1}, {"jitter": "none", "initial": 0.11}, "fail"),
    ])  # fmt: skip
    def test_waits_in_other_words_keep_within_the_declared_ones(
        self, declared: dict[str, Any], read: dict[str, Any], status: str
    ) -> None:
        """The first five of them: 1 s, doubled each time."""
        said_, seen = ({"initial": 1.0, "multiplier": 2.0, **words} for words in (declared, read))
        both = promise({"retry": {"backoff": said_}}, {"retry": {"backoff": seen}})
        assert said("K2", both, calls=CALLS).status == status

    def test_waits_of_one_operation_are_held_against_its_own_declaration(self) -> None:
        """Not against the one for all, which is longer."""
        long, short = (
            {"retry": {"backoff": {"initial": at, "multiplier": 2.0, "jitter": "full"}}} for at in (9.0, 1.0)
        )
        seen = {"calls": {"observe": {"retry": {"backoff": {"initial": 2.0, "multiplier": 2.0, "jitter": "none"}}}}}
        assert said("K2", promise(long, seen), calls=CALLS).status == "pass"
        assert said("K2", promise({**long, "calls": {"observe": short}}, seen), calls=CALLS).status == "fail"

    @pytest.mark.parametrize(("word", "status"), [("413", "pass"), ("429", "pass"), ("503", "pass"), ("504", "fail")])
    def test_answers_that_carry_a_retry_after_may_be_declared(self, word: str, status: str) -> None:
        """By whoever honours it, beside what is read."""
        read = {"retry": {"on": ["502"], "retry_after": "honour"}}
        assert said("K2", promise({"retry": {"on": ["502", word]}}, read), calls=CALLS).status == status

    @pytest.mark.parametrize(("count", "more"), [(3, ""), (4, ", and 1 more")])
    def test_three_differences_are_told(self, count: int, more: str) -> None:
        """And how many more there are."""
        names = ("connect", "pool", "read", "write")[:count]
        both = promise({"timeout": dict.fromkeys(names, 1.0)}, {"timeout": dict.fromkeys(names, 2.0)})
        found = said("K2", both, calls=CALLS)
        assert (found.measured, found.reason.count("declared 1, read 2")) == (f"{count} of {count}", 3)
        assert found.reason.endswith(f"declared 1, read 2{more}")

    def test_a_read_value_is_compared_with_its_own_declaration_or_with_the_one_for_all(self) -> None:
        """The own one wins; a declaration for one operation says nothing of another."""
        declared = {"timeout": {"read": 1.0, "total": 9.0}, "calls": {"observe": {"timeout": {"read": 2.0}}}}
        read = {
            "timeout": {"connect": 7.0, "total": 3.0},
            "calls": {"observe": {"timeout": {"read": 3.0}}, "predict": {"timeout": {"read": 4.0, "total": 5.0}}},
        }
        assert comparable(promise(declared, read)) == {
            "calls.observe.timeout.read": (2.0, 3.0), "calls.predict.timeout.read": (1.0, 4.0),
        }  # fmt: skip
        assert comparable(promise({"calls": declared["calls"]}, {"timeout": {"read": 3.0}})) == {}

    def test_a_retry_for_some_operations_says_nothing_of_the_others(self) -> None:
        """But their time-outs are everybody's."""
        declared = {"retry": {"max_attempts": 3, "calls": ["predict"]}, "timeout": {"read": 1.0}}
        each = {"retry": {"max_attempts": 2}, "timeout": {"read": 2.0}}
        found = comparable(promise(declared, {"calls": {"predict": each, "observe": each}}))
        assert sorted(found) == [
            "calls.observe.timeout.read", "calls.predict.retry.max_attempts", "calls.predict.timeout.read",
        ]  # fmt: skip
        for_all = comparable(promise({"retry": {"max_attempts": 3}}, {"calls": {"observe": each}}))
        assert sorted(for_all) == ["calls.observe.retry.max_attempts"]

    @pytest.mark.parametrize(("one", "other", "alike"), [
        (1, 1.0, True), (1.0, 1.000_000_9, True), (1.0, 1.000_01, False), (-1.0, 1.0, False), (0, 0.0, True),
        (1000.0, 1000.0009, True), ("none", "none", True), ("none", "full", False), (("a", "b"), ["b", "a"], True),
        (("a",), ("a", "b"), False), (("a", "decode"), ("a",), True), (("timeout",), ("read_timeout",), False),
        (("timeout",), ("read_timeout", "connect_timeout"), True), (("a",), "a", False), (5, "5", False),
        ("5", 5, False), (None, 5, False),
    ])  # fmt: skip
    def test_numbers_are_the_same_by_value_and_lists_as_sets(self, one: object, other: object, alike: bool) -> None:
        """A millionth is rounding; failures of the client's own are nothing that a policy speaks of."""
        assert (same(one, other), same(other, one)) == (alike, alike)

    @pytest.mark.parametrize("own", [
        "pool_timeout", "decode", "client_bug", "cancelled", "breaker_open", "retry_exhausted",
    ])  # fmt: skip
    def test_what_except_exception_catches_beside_kato_is_no_difference(self, own: str) -> None:
        """Each kind of it."""
        assert same(["5xx"], ["5xx", own])

    def test_says_both_values(self) -> None:
        """A list where the other is none, and what agrees is not mentioned."""
        promised = promise({"retry": {"calls": ["predict", "observe"]}}, {"retry": {"calls": "all"}})
        found = said("K2", promised, calls=CALLS)
        assert (found.reason, found.measured) == ("retry.calls: declared predict, observe, read all", "1 of 1")
        agreed = said("K2", promise(READ, READ), calls=CALLS)
        assert (agreed.status, agreed.reason) == ("pass", "1 number declared and read agree")

    def test_differences_have_a_cure_and_come_in_order_of_their_keys(self) -> None:
        """Beside the total that nobody declares."""
        declared, read = {"timeout": {"read": 1.0, "connect": 1.0}}, {"timeout": {"read": 2.0, "connect": 2.0}}
        found = findings_of(Case(History.literal(calls=CALLS), promise(declared, read)))
        assert [(one.rule, one.where, one.severity) for one in found] == [
            ("K2", "timeout.connect", "warn"), ("K2", "timeout.read", "warn"), ("T2", "timeout.total", "info"),
        ]  # fmt: skip
        assert (found[0].reason, found[0].cure) == ("declared 1, read 2", "make the two agree")
        assert found[2].reason.startswith("no call has a total time-out") and found[2].cure.startswith("put a deadline")

    def test_a_call_that_the_client_can_t_make_is_said(self) -> None:
        """One finding for each."""
        history = History.literal((), {"left_out": ["learn", "predict"]}, calls=CALLS)
        reason = "the client has no such method, so the load makes no such calls, and nothing is said of them"
        cure = "add the method, or leave its calls out of load.mix"
        total = promise({"timeout": {"total": 1.0}})
        assert findings_of(Case(history, total)) == tuple(
            Finding("load", op, reason, cure, "warn") for op in ("learn", "predict")
        )

    def test_three_differences_are_shown_and_the_others_counted(self) -> None:
        """Of four."""
        one = {"timeout": {"read": 1.0, "connect": 1.0, "pool": 1.0, "write": 1.0}}
        other = {"timeout": {"read": 2.0, "connect": 2.0, "pool": 2.0, "write": 2.0}}
        found = said("K2", promise(one, other), calls=CALLS).reason
        assert (found.count("; "), found.endswith(", and 1 more")) == (2, True)

    def test_a_total_of_one_operation_is_one(self) -> None:
        """Then nobody misses it."""
        own = promise({"calls": {"observe": {"timeout": {"total": 1.0}}, "predict": READ}})
        assert findings_of(Case(History.literal(calls=CALLS), own)) == ()


class TestSteady:
    """What fails without any fault."""

    def case(self, failed: int, of: int = 10, column: str = "", phase: str = "baseline") -> Case:
        rows = [f"{n} observe {phase} {n} {n} {'error' if n <= failed else 'ok'} {{}}" for n in range(1, of + 1)]
        head = f"call op phase start_ms end_ms outcome {column or 'detail'}"
        text = "\n".join(
            [
                head,
                *(
                    row.format("E1" if column and n in (0, 1) else "E2" if column else "-")
                    for n, row in enumerate(rows)
                ),
            ]
        )
        return Case(History.literal(calls=f"{text}\n99 predict baseline 1 2 degraded -"), promise())

    def test_most_calls_must_give_a_result(self) -> None:
        """Nine of ten failed, surely more than half; seven may be chance; a substitute is a result."""
        assert failing_without_faults(self.case(7)) == ()
        assert failing_without_faults(self.case(9)) == (
            ("observe", "9 of 10 calls in baseline gave no result, most often error"),
        )
        assert failing_without_faults(self.case(9, phase="recovery")) == ()

    def test_says_what_most_of_them_ended_with(self) -> None:
        """Their exception, else their error."""
        for column in ("detail", "error"):
            (found,) = failing_without_faults(self.case(9, column=column))
            assert found[1].endswith("most often E2")

    def test_calls_under_a_fault_say_nothing(self) -> None:
        """Of the client itself."""
        case = self.case(9)
        faults = History.literal(faults="name kind applied_ms effective_ms cleared_ms\nf refuse 0.1 0.2 50").faults
        history = History(calls=case.history.calls, faults=faults)
        assert failing_without_faults(Case(history, promise())) == ()

    def test_it_is_a_finding_of_its_own(self) -> None:
        """A warning, with a cure."""
        (found,) = not_working(self.case(9))
        assert (found.rule, found.where, found.severity) == ("steady state", "observe", "warn")
        assert found.cure.startswith("make it work on a healthy KATO first")
