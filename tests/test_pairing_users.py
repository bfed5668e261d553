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


def test_a_session_opened_for_a_call_after_a_failed_one_is_told_by_its_first_observe() -> None:
    """One that was there before the call is not its own, nor is one in which nobody observed."""
    calls = f"{CALLS} content\n1 observe u u 0 100 error 7\n2 observe u u 200 300 ok 8"
    asked = f"{ARRIVALS}\n0 open_session u s {{}} 205\n0 observe u s 210 220\n0 open_session u t 230 235"
    assert paired(calls, asked.format(201), (0, 8, 0)) == [2, 2, 0]
    assert paired(calls, asked.format(190), (0, 8, 0)) == [0, 2, 0]
    later = f"{ARRIVALS}\n0 open_session u s 201 205\n0 observe u s 210 220\n0 observe u s 240 250"
    assert paired(calls, later, (0, 9, 8)) == [0, 0, 2]


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


NAMED = f"{CALLS} content\n" + "\n".join(
    f"{number} observe {user} {user} {at} {at + 50} ok {number}"
    for number, (user, at) in enumerate([("u", 0), ("v", 30), ("u", 100), ("v", 200), ("v", 300), ("u", 320)], 1)
)


def test_a_node_of_any_name_is_the_users_whose_calls_were_under_way() -> None:
    """Whatever the service calls it, as long as that is one user; alone each of its requests might be another's."""
    asked = f"{ARRIVALS}\n0 observe x s 40 45\n0 predict y t 35 36\n0 observe x s 110 120\n0 observe y t 210 215"
    assert paired(NAMED, asked, (91, 0, 92, 93)) == [1, 2, 3, 4]
    assert paired(NAMED, f"{ARRIVALS}\n0 observe x s 40 45\n0 observe y t 35 36", (91, 92)) == [0, 0]


def test_on_a_node_that_users_share_an_observe_is_of_the_call_that_said_the_same() -> None:
    """If one alone was under way that did; what says nothing of its own is nobody's."""
    asked = f"{ARRIVALS}\n" + "\n".join(f"0 observe x s {at} {at + 1}" for at in (35, 45, 110, 210, 305))
    assert paired(NAMED, asked, (2, 1, 3, 4, 6)) == [2, 1, 3, 4, 0]
    assert paired(NAMED.replace("ok 2", "ok 1"), asked, (1, 1, 3, 4, 6)) == [0, 0, 3, 4, 0]
