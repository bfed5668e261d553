"""Time-outs read from the requests themselves: what they carried beats what the client's objects say."""

from __future__ import annotations

from math import inf
from typing import Any

import urllib3

from harness.policy.read import read_policy
from harness.policy.read_requests import Carried, with_requests

OPS = ("observe", "predict")
FIVE = {"timeout": {"connect": 5.0, "read": 5.0}, "limits": {"max_connections": 9}}


def carried(**requests: list[dict[str, Any]]) -> dict[str, Any]:
    """What `Carried` keeps of these requests' time-outs, by operation."""
    seen = Carried()
    for op, each in requests.items():
        for steps in each:
            seen.note(op, **steps)
    return seen.by_op


def test_the_shortest_and_the_longest_are_kept() -> None:
    """What is no number is no bound."""
    seen = carried(predict=[{"read": 2}, {"read": 1.5}], observe=[{"read": 1}, {"read": None}])
    assert seen == {"predict": {"read": (1.5, 2.0)}, "observe": {"read": (1.0, inf)}}


def test_without_requests_the_objects_tell() -> None:
    """A breaker that was open from the start lets nothing be seen."""
    assert with_requests(FIVE, {}, {}, OPS) == FIVE


def test_the_retries_that_went_with_requests_beat_those_of_the_pool() -> None:
    """A PoolManager that is told nothing re-tries; observes were sent without, predictions with five attempts. What
    has counted tries already is no setting."""
    seen, pool = Carried(), urllib3.PoolManager()
    five = urllib3.Retry(4, allowed_methods=["GET"])
    for op, retry in (("observe", urllib3.Retry(False)), ("predict", five), ("predict", five.increment("GET", "/"))):
        seen.note_retry(op, retry)

    class Client:
        def __init__(self) -> None:
            self.pool = pool

        def observe(self) -> None: ...

        def predict(self) -> None: ...

    assert read_policy(Client())["calls"]["predict"]["retry"]["max_attempts"] == 4
    read = read_policy(Client(), (), seen.retries)
    assert (read["retry"]["max_attempts"], read["retry"]["calls"]) == (5, ["predict"])


def test_what_a_flusher_sends_bounds_the_operation_that_sends_nothing() -> None:
    """Observes are put aside and sent by a thread with 2 s; predictions have their own, and objects are asked first."""
    seen = carried(predict=[{"read": 1}], background=[{"read": 2}, {"read": 2}])
    read = with_requests({}, seen, {}, OPS)
    assert read["calls"] == {"observe": {"timeout": {"read": 2.0}}, "predict": {"timeout": {"read": 1.0}}}
    assert read["background"] == {"timeout": {"read": 2.0}}
    assert with_requests(FIVE, seen, {}, OPS)["calls"]["observe"] == {"timeout": FIVE["timeout"]}


def test_a_flusher_that_waits_for_ever_is_told() -> None:
    """Whatever the calls carry, or none was sent in any."""
    read = with_requests(FIVE, carried(predict=[{"read": 5}], background=[{"read": None}]), {}, OPS)
    assert read["background"] == {"timeout": {}}
    assert with_requests({}, carried(background=[{"read": None}]), {}, OPS) == {"background": {"timeout": {}}}
    assert with_requests({}, carried(background=[{"read": 3}]), {}, OPS)["timeout"] == {"read": 3.0}


def test_one_time_out_for_all_replaces_that_of_the_object() -> None:
    """Every request carried 2 s, whatever the client was made with; the rest stays."""
    two = {"connect": 2.0, "read": 2.0}
    assert with_requests(FIVE, carried(observe=[two], predict=[two]), {}, OPS) == FIVE | {"timeout": two}


def test_a_request_without_a_time_out_leaves_its_operation_without() -> None:
    """Predictions were sent with timeout=None."""
    seen = carried(observe=[{"connect": 5, "read": 5}], predict=[{"connect": None, "read": None}])
    read = with_requests(FIVE, seen, {}, OPS)
    assert "timeout" not in read
    assert read["calls"] == {"observe": {"timeout": {"connect": 5.0, "read": 5.0}}}


def test_an_operation_that_sent_nothing_keeps_the_objects() -> None:
    """Only predictions were seen."""
    read = with_requests(FIVE, carried(predict=[{"connect": 1, "read": 1}]), {}, OPS)
    assert read["calls"]["observe"]["timeout"] == FIVE["timeout"]


def test_what_a_deadline_cuts_keeps_within_the_declared() -> None:
    """Time-outs from 0.3 to 2 s under a declared 2 s are no difference; 2.1 s among them is one."""
    declared = {"timeout": {"read": 2.0}}
    assert with_requests({}, carried(predict=[{"read": 2}, {"read": 0.3}]), declared, ["predict"]) == {}
    read = with_requests({}, carried(predict=[{"read": 2.1}, {"read": 0.3}]), declared, ["predict"])
    assert read == {"timeout": {"read": 2.1}}
    assert with_requests({}, carried(predict=[{"read": 1}]), declared, ["predict"]) == {"timeout": {"read": 1.0}}


def test_a_time_out_that_follows_measurements_is_no_difference_where_it_stands_still() -> None:
    """The first calls opened sessions with 3 s, as declared; predictions, which came later, all had 0.5 s."""
    seen = carried(open_session=[{"read": 3}], predict=[{"read": 0.5}, {"read": 0.5}])
    assert with_requests({}, seen, {"timeout": {"read": 3.0}}, ["open_session", "predict"]) == {}


def test_the_longest_counts_where_nothing_is_declared() -> None:
    """A time-out that follows measurements bounds a call by its longest."""
    read = with_requests({}, carried(predict=[{"read": 3}, {"read": 0.5}]), {}, ["predict"])
    assert read == {"timeout": {"read": 3.0}}
