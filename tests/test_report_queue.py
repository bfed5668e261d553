"""The figures of a pipeline through a queue."""

from __future__ import annotations

from harness.evidence.history import History
from harness.report.queue import lines, pipeline

CALLS = """
call op intended_ms start_ms end_ms outcome
1 observe 0 0 10 ok
2 observe 1000 1000 1010 ok
3 observe 1100 1100 1110 ok
4 observe 3000 3000 3010 ok
"""
ARRIVALS = """
call op arrive_ms commit_seq status
1 observe 50 1 200
2 observe 2500 2 200
3 observe 2600 3 200
4 observe 3050 4 200
"""
MESSAGES = """
event call queue time_ms
collected 1 predictions 100
collected 2 predictions 2550
collected 3 predictions 2700
collected 4 predictions 3100
"""
FAULTS = "name kind params requested_ms applied_ms cleared_ms\naway refuse {} 900 901 2000"
FACTS = {"messaging": {}, "oracle": "twin"}


def test_latencies_count_from_the_intended_publish_and_the_backlog_from_the_faults_end() -> None:
    """Two messages waited; the queue was as before when the last but one of them was committed."""
    history = History.literal((), FACTS, calls=CALLS, arrivals=ARRIVALS, messages=MESSAGES, faults=FAULTS)
    found = pipeline(history)
    assert found is not None
    legs = {leg.name: (leg.count, leg.quantiles[0], leg.longest) for leg in found.legs}
    assert legs == {
        "publish to confirm": (4, 10.0, 10.0),
        "publish to commit": (4, 50.0, 1500.0),
        "publish to prediction": (4, 100.0, 1600.0),
    }
    assert (found.committed, round(found.per_second, 3)) == (4, 1.0)
    assert [(drain.fault, drain.most, round(drain.seconds, 3)) for drain in found.drains] == [("away", 2, 0.5)]
    assert any("drained 0.5 s after its end" in line for line in lines(history))


def test_a_backlog_that_never_drains_is_said() -> None:
    """Both still wait at the end."""
    arrivals = "\n".join(line for line in ARRIVALS.splitlines() if line[:1] not in "23")
    history = History.literal((), FACTS, calls=CALLS, arrivals=arrivals, messages=MESSAGES, faults=FAULTS)
    assert any("not within the run" in line for line in lines(history))


def test_a_run_without_a_queue_has_no_such_lines() -> None:
    """Nothing is said of messages."""
    assert lines(History.literal(calls=CALLS)) == []
