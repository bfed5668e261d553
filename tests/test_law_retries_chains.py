"""Which attempts are tries of one request, on one history of many: numbers, arrivals and waits, attempt by attempt."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import MS, promise

from harness.evidence.history import History
from harness.laws.case import Case
from harness.laws.chains import Chains, chains_of, failed_words

OPS = {"p": "predict", "o": "observe", "s": "open_session"}


def chains(*calls: list[str], order: int = 1) -> Chains:
    """Calls from attempts "start end how op [via]" (ms; how: a status or an error; op `-`: it never arrived)."""
    texts: dict[str, Any] = {
        "calls": ["call op start_ms end_ms outcome"],
        "attempts": ["call attempt start_ms end_ms result status via"],
        "arrivals": ["call attempt op arrive_ms status"],
    }
    for call, tries in enumerate(calls, 1):
        texts["calls"].append(f"{call} predict {1000 * call} {1000 * call + 900} error")
        for number, row in enumerate(tries, 1):
            start, end, how, op, *via = row.split()
            ended = f"- {how}" if how.isdecimal() else f"{how} 0"
            begin = 1000 * call + int(start)
            texts["attempts"].append(
                f"{call} {number} {begin} {1000 * call + int(end)} {ended} {''.join(via) or 'httpx'}"
            )
            if op != "-":
                texts["arrivals"].append(f"{call} {number} {OPS[op]} {begin + order * number} {ended.split()[1]}")
    return chains_of(Case(History.literal(**{name: "\n".join(rows) for name, rows in texts.items()}), promise()))


ONE = ["0 10 503 p"]
TWICE = ["0 10 503 p", "30 40 503 p"]


@pytest.mark.parametrize(("calls", "nth"), [
    ([ONE, TWICE], [1, 1, 2]),
    ([["0 10 connect_error -", "30 40 503 p", "60 70 503 p"]], [1, 2, 3]),
    ([TWICE, ["0 10 connect_error -", "30 40 connect_error -", "60 70 503 o", "80 90 503 o"]], [1, 2, 1, 2, 3, 4]),
    ([TWICE, ["0 10 503 s", "30 40 connect_error -", "60 70 503 s", "80 90 503 o"]], [1, 2, 1, 2, 3, 1]),
    ([["0 10 503 o", "30 40 503 o"], TWICE], [1, 2, 1, 2]),
    ([["0 10 connect_error -", "30 40 503 p"], ["0 10 503 s", "30 40 503 p"]], [1, 2, 1, 1]),
    ([["0 10 200 s", "30 40 503 p", "60 70 503 p"], ["0 10 503 p", "30 40 200 p", "60 70 503 p"]], [1, 1, 2, 1, 2, 1]),
])  # fmt: skip
def test_a_chain_ends_with_an_answer_or_where_another_operation_was_seen(
    calls: list[list[str]], nth: list[int]
) -> None:
    """What never arrived belongs to the operation before it, within its own call."""
    assert chains(*calls).nth.tolist() == nth


def test_a_re_try_waited_since_the_last_end_before_it() -> None:
    """In two calls: hedges outlived their originals, and one that began beside another is none."""
    hedged = ["0 100 reset p", "20 30 reset p", "50 160 reset p", "300 310 503 p"]
    found = chains(TWICE, hedged, TWICE)
    assert found.nth.tolist() == [1, 2, 1, 1, 1, 2, 1, 2]
    assert (found.retries.tolist(), (found.gap_ns // MS).tolist()) == ([1, 5, 7], [20, 140, 20])
    assert found.again.tolist() == [False, True, False, False, False, True, False, True]


@pytest.mark.parametrize("order", [1, -100])
def test_each_attempt_has_its_own_arrival(order: int) -> None:
    """Whether or not they came in the order of their attempts; the last one's is the last."""
    found = chains(["0 10 connect_error -", "30 40 503 p"], TWICE, ONE, order=order)
    assert found.arrival[0] == -1
    in_order, backwards = [0, 1, 2, 3], [0, 2, 1, 3]
    assert found.arrival[1:].tolist() == (in_order if order > 0 else backwards)


def test_an_attempt_that_never_arrived_has_none() -> None:
    """The third of the first call is no first one of the second; where nobody saw anything, none has any."""
    assert chains([*TWICE, "60 70 reset -"], ONE).arrival.tolist() == [0, 1, -1, 2]
    assert chains(["0 10 reset -", "30 40 reset -"]).arrival.tolist() == [-1, -1]


def test_every_other_re_send_at_once_is_aiohttps_in_each_call() -> None:
    """A row of five in the second call, of four in the third: it begins anew there."""
    row = [f"{10 * n} {10 * n + 10} reset p aiohttp" for n in range(5)]
    assert chains(TWICE, row, row[:4]).nth.tolist() == [1, 2, 1, 1, 2, 2, 3, 1, 1, 2, 2]


def test_an_attempt_ended_in_a_word() -> None:
    """Its error, else its status."""
    texts = {
        "calls": "call op start_ms end_ms outcome\n1 predict 0 90 error",
        "attempts": "call attempt start_ms end_ms result status\n1 1 0 10 reset 0\n1 2 20 30 - 503",
    }
    found = Case(History.literal(**texts), promise())
    assert (failed_words(found, 0), failed_words(found, 1)) == ("reset", "503")
