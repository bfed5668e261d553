"""Data laws on literal histories."""

from __future__ import annotations

from law_cases import calls_of, promise, said

NOTHING = promise()
ORACLE = {"oracle": "twin"}


class TestD2:
    """No observation is committed twice."""

    CALLS = """
    call op start_ms end_ms outcome error
    1 observe 0 300 ok -
    2 observe 0 100 timeout read_timeout
    """
    ATTEMPTS = """
    call attempt start_ms end_ms result status
    1 1 0 100 read_timeout 0
    1 2 200 300 - 200
    2 1 0 100 read_timeout 0
    """

    def arrivals(self, first_commit: str, call: int = 1) -> str:
        return f"""
        call attempt op arrive_ms reply_ms status commit_seq
        {call} 1 observe 10 - 0 {first_commit}
        1 2 observe 210 220 200 2
        2 1 observe 20 - 0 3
        """

    def test_passes_where_each_was_committed_once(self) -> None:
        """The first try of call 1 never was; the bound of two clean cases is said."""
        found = said("D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("-"))
        assert (found.status, found.measured) == ("pass", "0 doubled")
        assert "%" in found.bound

    def test_fails_by_one_doubled_commit(self) -> None:
        """The same history with the first try committed."""
        found = said("D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("1"))
        assert (found.status, calls_of(found)) == ("fail", [1])
        assert found.witnesses[0]["commits"] == 2

    def test_is_inconclusive_where_a_commit_belongs_to_nobody(self) -> None:
        """It may be the double of any call."""
        found = said(
            "D2", NOTHING, ORACLE, calls=self.CALLS, attempts=self.ATTEMPTS, arrivals=self.arrivals("1", call=0)
        )
        assert found.status == "inconclusive"

    def test_is_inconclusive_without_an_oracle(self) -> None:
        """Nothing says what was committed."""
        assert said("D2", NOTHING, {"oracle": "none"}, calls=self.CALLS).status == "inconclusive"

    def test_is_not_exercised_where_no_reply_was_lost(self) -> None:
        """Clean answers on the first try leave nothing in doubt."""
        calls = "call op start_ms end_ms outcome\n1 observe 0 20 ok"
        arrivals = "call attempt op arrive_ms reply_ms status commit_seq\n1 1 observe 5 10 200 1"
        attempts = "call attempt start_ms end_ms status\n1 1 0 20 200"
        assert said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=arrivals).status == "not_exercised"

    def test_a_session_and_an_observe_of_one_call_are_not_a_double(self) -> None:
        """A client that owns its sessions commits both within one observe."""
        calls = "call op start_ms end_ms outcome\n1 observe 0 60 ok"
        attempts = "call attempt start_ms end_ms result status\n1 1 0 20 reset 0\n1 2 20 30 - 200\n1 3 30 60 - 200"
        arrivals = """
        call attempt op arrive_ms reply_ms status commit_seq
        1 2 open_session 22 25 200 1
        1 3 observe 35 40 200 2
        """
        assert said("D2", NOTHING, ORACLE, calls=calls, attempts=attempts, arrivals=arrivals).status == "pass"
