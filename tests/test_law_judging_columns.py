"""A run as columns, at its edges: rows of no call, tables of one row or none, lag, replays, and words of attempts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from law_cases import promise

from harness.evidence.history import History
from harness.laws.band import band_of, service_of
from harness.laws.case import Case
from harness.model import Span

MS = 1_000_000
CALLS = "call op start_ms end_ms outcome\n1 observe 10 20 ok\n2 observe 30 40 ok"


def case(**texts: str) -> Case:
    """Two calls one after the other, and what else is on record."""
    return Case(History.literal(**{"calls": CALLS, **texts}), promise())


class TestTries:
    """The rows of each call."""

    def test_rows_of_no_call_are_none_of_a_table_in_order(self) -> None:
        """The first belongs to nobody; the table is not sorted anew."""
        found = case(
            attempts="call attempt start_ms end_ms status\n77 1 1 2 500\n1 1 10 20 200\n2 1 30 40 503"
        ).attempts
        assert (len(found.table), found.table["status"].tolist()) == (2, [200, 503])

    @pytest.mark.parametrize("rows", ["2 1 30 40 503", "1 1 10 20 200\n2 1 30 40 503"])
    def test_a_column_is_picked_where_a_call_has_rows(self, rows: str) -> None:
        """Of the only row, too; another value stands for a call without any."""
        found = case(attempts=f"call attempt start_ms end_ms status\n{rows}").attempts
        otherwise = np.array([7, 8])
        picked = found.pick("status", found.last, otherwise, found.count > 0)
        assert picked.tolist() == [200 if len(found.row) == 2 else 7, 503]
        assert case().attempts.pick("status", otherwise, otherwise, otherwise > 0).tolist() == [7, 8]

    def test_a_service_s_own_attempts_are_nobodys(self) -> None:
        """They are on record, and not of its calls."""
        facts = {"subject": {"command": "x"}}
        tries = "call attempt start_ms end_ms status\n1 1 10 20 200"
        found = Case(History.literal((), facts, calls=CALLS, attempts=tries), promise())
        assert (len(found.history.attempts), len(found.attempts.row)) == (1, 0)

    def test_what_was_replayed_is_no_arrival_that_its_call_waited_for(self) -> None:
        """One each."""
        seen = "call op arrive_ms paired_by\n1 observe 12 header\n1 observe 90 content\n2 observe 32 header"
        found = case(arrivals=seen)
        assert (found.arrivals.row.tolist(), found.replays.row.tolist()) == ([0, 1], [0])
        assert found.arrivals.table["arrive_ns"].tolist() == [12 * MS, 32 * MS]
        assert found.replays.table["arrive_ns"].tolist() == [90 * MS]


class TestTimes:
    """When a run ended, and how late the harness was."""

    def test_a_run_without_calls_ends_with_its_phases(self) -> None:
        """Or at once, where it has none either."""
        phases = (Span("baseline", 0, 5 * MS), Span("recovery", 5 * MS, 9 * MS))
        assert Case(History.literal(phases), promise()).end_ns == 9 * MS
        assert Case(History.literal(), promise()).end_ns == 0

    def test_lag_within_a_stretch_is_the_worst_of_it(self) -> None:
        """Three samples, of which each tells of the second that it ends."""
        rows = "\n".join(["process time_ms lag_ms", "generator 1500 1", "generator 3500 30", "generator 5500 500"])
        found = case(calls=f"{CALLS}\n3 observe 9000 9001 ok", samples=rows)
        starts = MS * np.array([1_600, 2_600, 3_600, 4_600])
        assert (found.lag.over(starts, starts + 1_000 * MS) // MS).tolist() == [30, 30, 500, 500]

    def test_two_faults_of_a_kind_are_both_one(self) -> None:
        """The first call met the one, the second the other, the third neither."""
        faults = "name kind applied_ms effective_ms cleared_ms\nx refuse 12 12 15\ny refuse 35 35 38"
        found = case(calls=f"{CALLS}\n3 observe 50 60 ok", faults=faults)
        assert found.during("refuse").tolist() == found.during().tolist() == [True, True, False]


class TestWords:
    """How attempts ended, in words of a policy."""

    ROWS = (("-", 404), ("4xx", 404), ("5xx", 503), ("read_timeout", 0), ("reset", 0), ("-", 200), ("reset", 404))

    def tried(self) -> Case:
        rows = [f"1 {n} {n} {n} {result} {status}" for n, (result, status) in enumerate(self.ROWS, 1)]
        return case(attempts="\n".join(["call attempt start_ms end_ms result status", *rows]))

    def test_a_whole_answer_is_one_with_or_without_a_word_for_it(self) -> None:
        """Statuses of what was cut off say nothing of a whole one."""
        words = {name: np.flatnonzero(mask).tolist() for name, mask in self.tried().words.items()}
        assert words == {"ok": [5], "4xx": [0, 1], "5xx": [2], "lost": [3, 4, 6]}

    @pytest.mark.parametrize(("words", "rows"), [
        (("reset",), [4, 6]), (("4xx",), [0, 1]), (("5xx",), [2]), (("timeout",), [3]), (("404",), [0, 1, 6]),
        (("4xx", "reset"), [0, 1, 4, 6]), ((), []),
    ])  # fmt: skip
    def test_failures_are_those_that_are_named(self, words: tuple[str, ...], rows: list[int]) -> None:
        """No word brings another."""
        assert np.flatnonzero(self.tried().failures(words)).tolist() == rows


def test_half_of_what_was_put_aside_tells_what_peace_was_like() -> None:
    """Twenty observes put aside, ten of them committed; with nine nobody sees when they were."""
    calls = [f"{n} observe {n} {n} {n} {n} degraded baseline" for n in range(1, 21)]
    table = "\n".join(["call op intended_ms ready_ms start_ms end_ms outcome phase", *calls])

    def band(committed: int) -> Any:
        seen = [f"{n} observe {n} {n} {n} content" for n in range(1, committed + 1)]
        arrivals = "\n".join(["call op arrive_ms reply_ms commit_seq paired_by", *seen])
        return band_of(
            Case(History.literal((Span("baseline", 0, 99 * MS),), calls=table, arrivals=arrivals), promise())
        )

    assert band(10) is not None and band(10).lost == 10
    assert band(9) is None


def test_a_write_that_another_call_set_off_makes_that_call_no_longer() -> None:
    """Learning is put aside in peace, and an observe took 5 ms; what it learned came half a second later."""
    rows = [f"{n} learn {n} {n} {n} {n + 1} degraded baseline" for n in range(1, 5)]
    calls = "\n".join(
        ["call op intended_ms ready_ms start_ms end_ms outcome phase", *rows, "5 observe 10 10 10 15 ok baseline"]
    )
    seen = "call op arrive_ms reply_ms commit_seq paired_by\n5 learn 500 501 1 content\n1 learn 90 91 2 content"
    found = service_of(Case(History.literal((Span("baseline", 0, 99 * MS),), calls=calls, arrivals=seen), promise()))
    assert (found.took[4] // MS, found.took[0] // MS) == (5, 90)
