"""The fast path's calls leave the evidence that any other call leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import Server

from harness.clock import MonotonicClock
from harness.evidence.finalise import from_spools
from harness.integrations.fast import make
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.direct import DirectCaller
from harness.load.recorder import Recorder
from harness.model import Load, PlannedCall, Stage
from harness.plan import SECOND_NS, Plan, open_call_id

POLICY = {"timeout": {"connect": 1.0, "read": 0.3, "total": 0.6}}
CALLS = 6
FATES = {"all is well": [], "a 503": ["503"], "no answer": ["drop"], "a late one": ["hang"], "no JSON": ["garbage"]}
KINDS = [{"share": 1.0, "headers": {"x-user-id": "someone-{n}"}}]
TIMES = {"start_ns", "headers_ns", "end_ns", "intended_ns", "ready_ns"}


def _left(kind: type[Caller], kato: Server, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """The tables that calls of one session leave behind, times left out, and what KATO was sent."""
    folder.mkdir()
    recorder, clock, book = Recorder(folder / "g.raw", "g"), MonotonicClock(), Book(1)
    load = Load((Stage(1, 1, SECOND_NS),), sessions=1, mix={"observe": 1}, users_are=tuple(KINDS))
    plan, fast = Plan.of(load, 1), make(kato.url, POLICY, {"x-run": "1"}, recorder)
    caller = kind(fast, plan, recorder, clock, book)
    for call in (PlannedCall(open_call_id(0, 0), 0, 0, "open_session"), *_calls()):
        job, _ = book.offer(call, clock.now_ns())
        assert job is not None
        book.done(job, caller.perform(job))
    fast.close()
    recorder.close()
    history = from_spools(folder, {})
    rows = {
        name: {key: column.tolist() for key, column in table.columns.items() if key not in TIMES}
        for name, table in (("calls", history.calls), ("attempts", history.attempts))
    }
    return rows, [(seen.method, seen.headers, seen.body) for seen in kato.seen]


def _calls() -> Iterator[PlannedCall]:
    return (PlannedCall(number, 0, 0, "predict" if number % 3 == 0 else "observe") for number in range(1, CALLS + 1))


@pytest.mark.parametrize("fate", FATES)
def test_a_direct_call_leaves_what_any_call_leaves(fate: str, tmp_path: Path) -> None:
    """Prepared or not, the same calls send the same requests and leave the same rows, whatever becomes of one."""
    found = []
    for kind in (Caller, DirectCaller):
        with Server() as kato:
            kato.next(*["ok"] * 4, *FATES[fate])
            found.append(_left(kind, kato, tmp_path / kind.__name__))
    (common, asked), (direct, sent) = found
    assert len(direct["attempts"]["call"]) == len(direct["calls"]["call"]) == CALLS + 1
    assert direct == common
    assert [request[::2] for request in sent] == [request[::2] for request in asked]
    assert [_own(request[1]) for request in sent] == [_own(request[1]) for request in asked]


def _own(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("x-")}


def test_progress_counts_direct_calls_like_any_other(tmp_path: Path) -> None:
    """Each once, by operation and response time, whenever it is asked for."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    heads = recorder.attempt_head("fast", 200, 0), recorder.call_head("observe", "session-1", "n-1", "u-1", "")
    taken = []
    for took_ns in (1_999_999, 2_000_000, 2_500_000):
        recorder.served(*heads, 1, "observe", 0, 0, 0, 1, took_ns, 0, True)
        if took_ns == 2_000_000:
            taken.append(recorder.take_tally())
    recorder.served(*heads, 1, "observe", 0, 0, 0, 1, 5, 0, False)
    taken.append(recorder.take_tally())
    recorder.close()
    assert taken == [{("observe", "ok", 1): 1, ("observe", "ok", 2): 1}, {("observe", "ok", 2): 1}]


def test_a_call_that_was_given_up_leaves_its_attempt_alone(tmp_path: Path) -> None:
    """What the drain gave up is recorded as cancelled already; an answer that comes later adds no second row."""
    recorder, clock, book = Recorder(tmp_path / "g.raw", "g"), MonotonicClock(), Book(1)
    plan = Plan.of(Load((Stage(1, 1, SECOND_NS),), sessions=1), 1)
    with Server() as kato:
        fast = make(kato.url, POLICY, None, recorder)
        caller = DirectCaller(fast, plan, recorder, clock, book)
        for number in (1, 2, 3):
            job, _ = book.offer(PlannedCall(number, 0, 0, "observe"), clock.now_ns())
            assert job is not None
            if number == 3:
                assert list(book.give_up()) == [job]
            book.done(job, caller.perform(job))
        fast.close()
    recorder.close()
    history = from_spools(tmp_path, {})
    assert [call for call in history.calls["call"].tolist() if call <= CALLS] == [1, 2]
    assert sorted(call for call in history.attempts["call"].tolist() if call <= CALLS) == [1, 2, 3]
