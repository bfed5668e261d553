"""A breaker inside of a re-try, told by attempts."""

from __future__ import annotations

import pytest
from breaker_timeline import FIVE
from law_cases import said


class TestAttemptsThatAreCounted:
    """A breaker inside of a re-try counts attempts: it opened on fewer failed calls than its limit."""

    def found(self, last: int, ended: int = 0, other: str = "reset") -> str:
        """B1's word: two calls failed three times each until 1.21 s and were then refused, beside `ended` that failed
        once; one more began at `last` and failed, and at 1.6 s the first one was rejected."""
        calls = ["call op start_ms end_ms outcome error worker", "1 observe 20 30 ok - 0"]
        attempts = ["call attempt start_ms end_ms result status worker", "1 1 20 30 - 200 0"]
        for call in (2, 3):
            calls.append(f"{call} observe {call} 1700 rejected breaker_open 0")
            for nth, how in enumerate(("reset", other, "reset")):
                at = 200 * call + 300 * nth
                result = how if how == "reset" else "-"
                attempts.append(f"{call} {nth + 1} {at} {at + 10} {result} {0 if how == 'reset' else how} 0")
        for call in range(4, 4 + ended):
            calls.append(f"{call} observe {220 + call} {230 + call} error reset 0")
            attempts.append(f"{call} 1 {220 + call} {230 + call} reset 0 0")
        calls += [
            f"98 observe {last} {last + 10} error reset 0",
            "99 observe 1600 1600 rejected breaker_open 0",
        ]
        attempts.append(f"98 1 {last} {last + 10} reset 0 0")
        return said("B1", FIVE, calls="\n".join(calls), attempts="\n".join(attempts)).status

    @pytest.mark.parametrize(("last", "status"), [(1040, "fail"), (1020, "pass")])
    def test_a_call_that_began_after_the_fifth_of_them_was_let_through(self, last: int, status: str) -> None:
        """It ended at 1.01 s, and 20 ms later nobody can doubt it."""
        assert self.found(last) == status

    def test_where_calls_may_have_filled_the_count_they_are_what_counts(self) -> None:
        """Four that failed once, beside the one: five calls."""
        assert (self.found(1040, ended=3), self.found(1040, ended=4)) == ("fail", "pass")

    def test_a_success_between_begins_anew(self) -> None:
        """And so does an answer of 4xx."""
        for status in ("200", "404"):
            assert self.found(1040, other=status) != "fail"
