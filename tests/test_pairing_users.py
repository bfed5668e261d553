"""Requests of a service that carries no header of ours, paired with the calls of its users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.evidence.history import History
from harness.evidence.pairing import pair_arrivals
from harness.evidence.table import Table

CALLS = "call op user session start_ms end_ms outcome"
ARRIVALS = "call op node_id session arrive_ms reply_ms"


def paired(calls: str, arrivals: str, payloads: Sequence[int] = ()) -> list[int]:
    """The call of each arrival, 0 for none; `payloads` are the fingerprints of what they say."""
    history = History.literal(calls=calls, arrivals=arrivals)
    raw = Table({**history.arrivals.columns, "payload": np.array(payloads or [0] * len(history.arrivals), np.int64)})
    found = pair_arrivals(raw, history.calls)
    return [int(call) for call in found["call"].tolist()]


def test_all_that_a_service_asks_for_a_user_belongs_to_his_call_under_way() -> None:
    """Whatever the operation; between calls it belongs to nobody."""
    calls = f"{CALLS}\n1 observe u u 0 100 ok\n2 observe v v 0 100 ok\n3 observe u u 500 600 ok"
    asked = f"{ARRIVALS}\n0 open_session u s 10 20\n0 observe v t 30 40\n0 predict u s 510 520\n0 observe u s 300 310"
    assert paired(calls, asked) == [1, 2, 3, 0]


def test_work_that_goes_on_for_a_caller_who_went_away_is_still_his_calls() -> None:
    """Until his next call; nothing is certain from then on, for a service may do what it was asked long before."""
    gone = f"{CALLS}\n1 observe u u 0 100 timeout\n2 observe u u 2000 2100 ok"
    asked = f"{ARRIVALS}\n0 observe u s 50 60\n0 predict u s 400 410\n0 observe u s 2010 2020"
    assert paired(gone, asked) == [1, 1, 0]
    assert paired(gone.replace("timeout", "error"), asked) == [1, 0, 0]


def test_an_observe_after_a_failed_call_belongs_to_the_call_that_said_the_same() -> None:
    """Late work of the failed one is told from the next call's by what it says; another text is nobody's."""
    calls = f"{CALLS} content\n1 observe u u 0 100 error 7\n2 observe u u 200 300 ok 8"
    asked = f"{ARRIVALS}\n0 observe u s 210 220\n0 observe u s 230 240\n0 observe u s 250 260"
    assert paired(calls, asked, (8, 7, 9)) == [2, 1, 0]


def test_what_comes_after_a_call_was_given_up_is_still_that_calls() -> None:
    """Such a call names no session; an older one that said the same has been committed already."""
    calls = f"{CALLS} content\n1 observe u u 0 100 ok 7\n2 observe u - 200 300 cancelled 7"
    asked = f"{ARRIVALS} commit_seq\n0 observe u s 10 20 1\n0 observe u s 400 410 2"
    assert paired(calls, asked, (7, 7)) == [1, 2]


def test_calls_at_the_same_time_own_nothing_for_certain() -> None:
    """A request of either may be the other's."""
    calls = f"{CALLS}\n1 observe u u 0 300 ok\n2 observe u u 200 400 ok"
    assert paired(calls, f"{ARRIVALS}\n0 observe u s 250 260\n0 observe u s 100 110") == [0, 1]


def test_a_client_that_opens_its_sessions_is_paired_by_them_alone() -> None:
    """What it replays in the background is nobody's call."""
    calls = f"{CALLS}\n1 predict u s 0 300 ok"
    assert paired(calls, f"{ARRIVALS}\n0 observe u s 100 110") == [0]


def test_where_requests_carry_our_header_nothing_is_guessed() -> None:
    """One without it is of another make."""
    calls = f"{CALLS}\n1 observe u u 0 300 ok"
    assert paired(calls, f"{ARRIVALS}\n1 observe u s 100 110\n0 predict u s 120 130") == [1, 0]
