"""Policy laws: what is promised is known, and what is declared is what the code does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from law_cases import promise, said, verdict

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.findings import findings_of

CALLS = "call op start_ms end_ms outcome\n1 observe 10 20 ok\n2 predict 10 20 ok"


class TestK1:
    """Every call has a time-out that somebody knows."""

    def test_passes_where_every_call_has_one(self) -> None:
        """Read is as good as declared."""
        assert said("K1", promise(read={"timeout": {"read": 5.0}}), calls=CALLS).status == "pass"

    def test_warns_by_one_operation_without(self) -> None:
        """Predictions have one, observes don't; it never fails."""
        found = said("K1", promise({"calls": {"predict": {"timeout": {"total": 1.0}}}}), calls=CALLS)
        assert (found.status, found.severity) == ("warn", "warn")
        assert "observe" in found.reason
        assert "predict" not in found.reason

    def test_what_was_never_called_needs_none(self) -> None:
        """Time-outs go with the requests, and nobody observed."""
        history = History.literal(calls=CALLS)
        predictions = replace(history, calls=history.calls.where(slice(1, 2)))
        promised = promise(read={"calls": {"predict": {"timeout": {"read": 1.0}}}})
        assert verdict("K1", predictions, promised).status == "pass"
        assert verdict("K1", history, promised).status == "warn"

    @pytest.mark.parametrize(("policy", "aside", "status"), [
        ({}, {}, "warn"), ({}, {"connect": 1.0}, "warn"), ({}, {"read": 1.0}, "pass"), ({}, {"total": 9.0}, "pass"),
        ({"timeout": {"read": 5.0}}, {}, "pass"), ({"retry": {"max_attempts": 2}}, {}, "warn"),
    ])  # fmt: skip
    def test_warns_by_requests_that_no_call_waits_for(
        self, policy: dict[str, Any], aside: dict[str, float], status: str
    ) -> None:
        """A flusher's requests wait for ever, while calls have a time-out that is read; a declared one may be a task's
        own, which no request shows."""
        read = {"timeout": {"read": 5.0}, "background": {"timeout": aside}}
        found = said("K1", promise(policy, read), calls=CALLS)
        assert (found.status, "outside calls" in found.reason) == (status, status == "warn")

    def test_lists_what_nobody_says(self) -> None:
        """No total, and a retry without a number."""
        found = said("K1", promise({"timeout": {"read": 5.0}, "retry": {"reraise": True}}), calls=CALLS)
        assert found.status == "pass"
        assert "total" in found.reason
        assert "attempts" in found.reason


class TestK2:
    """Declared is what is read."""

    def test_passes_where_they_agree(self) -> None:
        """Key by key; lists in any order."""
        declared = {"timeout": {"read": 5}, "breaker": {"fail_max": 5, "counts": ["5xx", "timeout"]}}
        read = {"timeout": {"read": 5.0}, "breaker": {"fail_max": 5, "counts": ["timeout", "5xx"]}}
        assert said("K2", promise(declared, read), calls=CALLS).status == "pass"

    def test_fails_by_one_number_that_differs(self) -> None:
        """10 s declared, 5 s read; it warns and doesn't gate."""
        found = said("K2", promise({"timeout": {"read": 10.0}}, {"timeout": {"read": 5.0}}), calls=CALLS)
        assert (found.status, found.severity, found.measured) == ("fail", "warn", "1 of 1")
        assert "timeout.read" in found.reason

    def test_holds_what_was_read_for_one_operation_against_what_is_declared_for_all(self) -> None:
        """Three attempts are declared for predictions, and their layers make nine; of observes nothing is said."""
        declared = {"retry": {"max_attempts": 3, "calls": ["predict"]}}
        read = {"calls": {"predict": {"retry": {"max_attempts": 9}}, "observe": {"retry": {"max_attempts": 2}}}}
        found = said("K2", promise(declared, read), calls=CALLS)
        assert (found.status, found.measured) == ("fail", "1 of 1")
        assert "calls.predict.retry.max_attempts" in found.reason

    def test_who_honours_retry_after_may_leave_unsaid_what_asks_for_it(self) -> None:
        """urllib3 tries 429 again when it carries a Retry-After: declared or not, but 502 is another matter."""
        read = {"retry": {"on": ["connect_error", "503"], "retry_after": "honour"}}
        for declared, status in (
            (["connect_error", "503"], "pass"),
            (["connect_error", "429", "503"], "pass"),
            (["connect_error", "502", "503"], "fail"),
            (["connect_error"], "fail"),
        ):
            assert said("K2", promise({"retry": {"on": declared}}, read), calls=CALLS).status == status
        ignores = {"retry": {"on": ["503"], "retry_after": "ignore"}}
        assert said("K2", promise({"retry": {"on": ["429", "503"]}}, ignores), calls=CALLS).status == "fail"

    def test_a_back_off_in_other_words_is_held_to_its_waits(self) -> None:
        """Full jitter up to 0.6 s, and 2 s at most, holds urllib3's 0.2 s and a random part, as long as they stay below
        2 s."""
        declared = {"initial": 0.6, "multiplier": 2.0, "max": 2.0, "jitter": "full"}
        read = {"initial": 0.2, "multiplier": 2.0, "max": 2.0, "first": 0.0, "jitter": "added", "spread": 1.0}
        for longest, status in ((2.0, "pass"), (2.1, "fail")):
            own = {"calls": {"predict": {"retry": {"backoff": read | {"max": longest}}}}}
            assert said("K2", promise({"retry": {"backoff": declared}}, own), calls=CALLS).status == status
        for initial, status in ((0.6, "pass"), (0.5, "fail")):
            other = promise({"retry": {"backoff": declared}}, {"retry": {"backoff": declared | {"initial": initial}}})
            assert said("K2", other, calls=CALLS).status == status

    def test_a_librarys_total_is_not_the_calls(self) -> None:
        """aiohttp's total is of one attempt, a declared one of all of them."""
        found = said("K2", promise({"timeout": {"total": 8.0}}, {"timeout": {"total": 2.0}}), calls=CALLS)
        assert found.status == "not_applicable"

    def test_does_not_apply_where_nothing_can_be_compared(self) -> None:
        """Declared and read have no key in common."""
        found = said("K2", promise({"timeout": {"total": 10.0}}, {"timeout": {"read": 5.0}}), calls=CALLS)
        assert found.status == "not_applicable"


def test_a_missing_total_is_a_finding() -> None:
    """Of severity info, and none where one call has a total."""
    history = History.literal(calls=CALLS)
    (finding,) = findings_of(Case(history, promise({"timeout": {"read": 5.0}})))
    assert (finding.rule, finding.severity) == ("T2", "info")
    assert findings_of(Case(history, promise({"timeout": {"total": 5.0}}))) == ()
