"""The arrival clock: when calls start, what they wait for, and that each one is accounted for."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

from harness.clock import ManualClock, MonotonicClock
from harness.evidence.finalise import from_spools
from harness.evidence.table import Table
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.driver import Driver
from harness.load.driver_async import AsyncDriver
from harness.load.recorder import Recorder
from harness.model import UNLEARNED, Load, PlannedCall, Stage
from harness.plan import SECOND_NS, Plan

MS = 1_000_000


def _call(number: int, session: int) -> PlannedCall:
    return PlannedCall(number, 0, session, "observe")


def test_a_call_waits_for_its_sessions_previous_call() -> None:
    """The second call of a session is ready when the first one ends, not when it was intended."""
    book = Book(chains=2)
    first, _ = book.offer(_call(1, 0), 10)
    assert first is not None
    assert book.offer(_call(2, 0), 20) == (None, False)
    second = book.done(first, 500)
    assert second is not None
    assert (second.call, second.intended_ns, second.ready_ns) == (2, 20, 500)


def test_sessions_do_not_wait_for_each_other() -> None:
    """A call of another session starts at once."""
    book = Book(chains=2)
    book.offer(_call(1, 0), 10)
    other, _ = book.offer(_call(2, 1), 20)
    assert other is not None
    assert other.ready_ns == 20


def test_a_call_over_the_bound_overflows() -> None:
    """With two calls in flight and a bound of two, the third is overflow and stays out of the book."""
    book = Book(chains=0, limit=2)
    book.offer(_call(1, 0), 10)
    book.offer(_call(2, 0), 10)
    assert book.offer(_call(3, 0), 10) == (None, True)
    assert (book.in_flight, book.issued) == (2, 3)


class Client:
    """A client whose calls take no time, but for a gate that can be shut."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def open_session(self, node_id: str) -> str:
        return f"session-{node_id}"

    def observe(self, session_id: str, observation: Any) -> dict[str, str]:
        self.gate.wait()
        return {"status": "okay"}

    def predict(self, session_id: str) -> None:
        raise ConnectionRefusedError(111, "refused")


def test_sessions_are_opened_in_the_warm_up(tmp_path: Path) -> None:
    """With 100 ms of warm-up the five sessions are opened 20 ms apart, before any call needs them."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    load = Load(stages=(Stage(30, 30, SECOND_NS // 2),), sessions=5, warmup_for_ns=100 * MS)
    plan, clock, book = Plan(load, 1), MonotonicClock(), Book(5)
    start_ns = clock.now_ns()
    Driver(plan, Caller(Client(), plan, recorder, clock, book), book, clock).drive(start_ns, SECOND_NS)
    recorder.close()
    calls = _rows(tmp_path)
    opens = calls.where(calls["op"].among("open_session"))
    assert (opens["intended_ns"] - start_ns).tolist() == [n * 20 * MS for n in range(5)]
    assert set(calls["outcome"].tolist()) == {"ok"}


def fifty_calls(folder: Path, client: Any) -> tuple[Table, int]:
    """The rows, and how many calls were issued, where calls come before the openings of five sessions are due."""
    recorder = Recorder(folder / "g.raw", "g")
    load = Load(stages=(Stage(200, 200, SECOND_NS // 4),), sessions=5, warmup_for_ns=200 * MS)
    plan, clock, book = Plan(load, 1), MonotonicClock(), Book(5)
    Driver(plan, Caller(client, plan, recorder, clock, book), book, clock).drive(clock.now_ns(), SECOND_NS)
    recorder.close()
    return _rows(folder), book.issued


def test_a_session_is_opened_once(tmp_path: Path) -> None:
    """A call that comes before the planned opening opens the session; the opening is then no call."""
    calls, issued = fifty_calls(tmp_path, Client())
    assert len(calls) == issued == 55
    assert calls["op"].tolist().count("open_session") == 5


class Bare(Client):
    """Gives nothing where it could not observe, and says so."""

    def observe(self, session_id: str, observation: Any) -> Any:
        return None

    def degraded(self, result: Any) -> bool:
        return result is None


def test_a_session_that_was_opened_is_no_substitute(tmp_path: Path) -> None:
    """`degraded` is asked of answers; a session's opening gives none."""
    calls, _ = fifty_calls(tmp_path, Bare())
    found = set(zip(calls["op"].tolist(), calls["outcome"].tolist(), calls["marked"].tolist(), strict=True))
    assert found == {("open_session", "ok", 0), ("observe", "degraded", 1)}


class Racing:
    """A client whose two first openings end together, each with a session of its own."""

    def __init__(self) -> None:
        self.both = threading.Barrier(2, timeout=30)
        self.opened: list[str] = []
        self.observed: list[str] = []

    def open_session(self, node_id: str) -> str:
        self.both.wait()
        self.opened.append(f"session-{len(self.opened)}")
        return self.opened[-1]

    def observe(self, session_id: str, observation: Any) -> dict[str, str]:
        self.observed.append(session_id)
        return {"status": "okay"}


def test_callers_who_open_a_shared_session_at_once_are_on_record_with_the_one_they_used(tmp_path: Path) -> None:
    """Else the other session's observes would look lost (law D5)."""
    recorder, client = Recorder(tmp_path / "g.raw", "g"), Racing()
    plan = Plan(Load(stages=(Stage(30, 30, SECOND_NS),), sessions=1, strategy="shared"), 1)
    book = Book(chains=0)
    caller = Caller(client, plan, recorder, MonotonicClock(), book)
    jobs = [book.offer(_call(number, 0), 0)[0] for number in (1, 2)]
    threads = [threading.Thread(target=caller.perform, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    recorder.close()
    calls = _rows(tmp_path)
    observes = calls.where(calls["op"].among("observe"))
    assert sorted(client.observed) == sorted(observes["session"].tolist())
    assert len(set(client.observed)) == 1
    assert set(calls.where(calls["op"].among("open_session"))["session"].tolist()) == set(client.opened)


class Front:
    """A service that answers an observe with what it expects; `Asked` predicts as well."""

    def observe(self, session_id: str, observation: Any) -> list[str]:
        return [*observation["strings"], "bestseller"]

    def symbols(self, result: Any) -> list[str]:
        return list(result)


class Asked(Front):
    def predict(self, session_id: str) -> list[str]:
        return ["bestseller"]


def test_what_an_observe_is_answered_is_looked_at_where_nothing_else_is_answered(tmp_path: Path) -> None:
    """For what it names that its user never showed (law F5); with a `predict`, it is that one's answers."""
    said = []
    for number, client in enumerate((Front(), Asked())):
        folder = tmp_path / str(number)
        folder.mkdir()
        recorder, book = Recorder(folder / "g.raw", "g"), Book(chains=0)
        plan = Plan(Load(stages=(Stage(1, 1, SECOND_NS),), sessions=1), 1)
        job, _ = book.offer(_call(1, 0), 0)
        assert job is not None
        Caller(client, plan, recorder, MonotonicClock(), book).perform(job)
        recorder.close()
        said.append(_rows(folder)["detail"].tolist())
    assert said == [[f"{UNLEARNED}bestseller"], [""]]


class AsyncClient:
    """The same, async."""

    async def observe(self, session_id: str, observation: Any) -> dict[str, str]:
        await asyncio.sleep(0)
        return {"status": "okay"}

    async def predict(self, session_id: str) -> None:
        raise TimeoutError


LOAD = Load(stages=(Stage(200, 200, SECOND_NS // 2),), sessions=5, mix={"observe": 3, "predict": 1})


def _rows(folder: Path) -> Table:
    return from_spools(folder, {"phases": []}).calls


def test_each_issued_call_has_one_outcome(tmp_path: Path) -> None:
    """100 planned calls and 5 session opens give 105 rows: ok, or error where the client raised."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    plan, clock, book = Plan(LOAD, 1), MonotonicClock(), Book(5)
    driver = Driver(plan, Caller(Client(), plan, recorder, clock, book), book, clock)
    driver.drive(clock.now_ns(), SECOND_NS)
    recorder.close()
    calls = _rows(tmp_path)
    assert len(calls) == book.issued == 105
    assert set(calls.where(calls["op"].among("predict"))["error"].tolist()) == {"connect_error"}
    assert set(calls.where(calls["op"].among("observe", "open_session"))["outcome"].tolist()) == {"ok"}
    assert (calls["start_ns"] >= calls["ready_ns"]).all()
    assert (calls["ready_ns"] >= calls["intended_ns"]).all()


def test_what_the_drain_gives_up_is_cancelled_once(tmp_path: Path) -> None:
    """A call that never ends is counted cancelled, and stays so when it ends after all."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    load = Load(stages=(Stage(100, 100, SECOND_NS // 20),), sessions=5)
    plan, clock, book, client = Plan(load, 1), MonotonicClock(), Book(5), Client()
    client.gate.clear()
    driver = Driver(plan, Caller(client, plan, recorder, clock, book), book, clock)
    driver.drive(clock.now_ns(), 20 * MS)
    client.gate.set()
    recorder.close()
    calls = _rows(tmp_path)
    observes = calls.where(calls["op"].among("observe"))
    assert observes["outcome"].tolist() == ["cancelled"] * 5


class Closed(Client):
    """A client that opens no session: at once, or never while its gate is shut."""

    def open_session(self, node_id: str) -> str:
        self.gate.wait()
        raise ConnectionRefusedError(111, "refused")


def test_each_try_to_open_a_session_is_a_call_of_its_own(tmp_path: Path) -> None:
    """Also where a call tried before the planned opening came: one id for both would be a call committed twice."""
    calls, issued = fifty_calls(tmp_path, Closed())
    assert calls["op"].tolist().count("open_session") == 55
    assert len(set(calls["call"].tolist())) == len(calls) == issued == 105


def test_an_opening_that_the_drain_gives_up_is_accounted_for(tmp_path: Path) -> None:
    """A call that still waits for its session at the end leaves two rows, and so does a run that is whole."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    load = Load(stages=(Stage(100, 100, SECOND_NS // 20),), sessions=5, strategy="per_call")
    plan, clock, book, client = Plan(load, 1), MonotonicClock(), Book(5), Closed()
    client.gate.clear()
    Driver(plan, Caller(client, plan, recorder, clock, book), book, clock).drive(clock.now_ns(), 20 * MS)
    client.gate.set()
    recorder.close()
    calls = _rows(tmp_path)
    assert len(calls) == book.issued == 10
    assert set(calls["outcome"].tolist()) == {"cancelled"}


def test_a_call_that_waited_for_its_session_to_the_end_is_no_dispatch_delay(tmp_path: Path) -> None:
    """What was never ready is recorded as ready when it was given up: the generator is not to blame."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    load = Load(stages=(Stage(100, 100, SECOND_NS // 20),), sessions=1)
    plan, clock, book, client = Plan(load, 1), MonotonicClock(), Book(1), Client()
    client.gate.clear()
    driver = Driver(plan, Caller(client, plan, recorder, clock, book), book, clock)
    driver.drive(clock.now_ns(), 20 * MS)
    client.gate.set()
    recorder.close()
    waited = _rows(tmp_path).where([2, 3, 4, 5])
    assert (waited["start_ns"] == waited["ready_ns"]).all()


def test_async_clients_run_the_same_plan(tmp_path: Path) -> None:
    """A client of async methods without sessions gets the users' ids and the same 100 calls."""
    recorder = Recorder(tmp_path / "h.raw", "h")
    plan, clock, book = Plan(LOAD, 1), MonotonicClock(), Book(5)

    async def drive() -> None:
        driver = AsyncDriver(plan, Caller(AsyncClient(), plan, recorder, clock, book), book, clock)
        await driver.drive(clock.now_ns(), SECOND_NS)

    asyncio.run(drive())
    recorder.close()
    calls = _rows(tmp_path)
    assert len(calls) == 100
    assert set(calls["session"].tolist()) == {f"user-{slot}" for slot in range(5)}
    assert set(calls.where(calls["op"].among("predict"))["outcome"].tolist()) == {"timeout"}


def test_a_closed_user_thinks_between_its_calls(tmp_path: Path) -> None:
    """With 50 ms of thinking each call is intended 50 ms after the end of the user's last one."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    load = Load(stages=(Stage(0, 0, SECOND_NS // 2),), users=1, sessions=1, think_mean_ns=50 * MS)
    plan, clock, book = Plan(load, 1), ManualClock(), Book(1)
    Driver(plan, Caller(Client(), plan, recorder, clock, book), book, clock).drive(0, 0)
    recorder.close()
    calls = _rows(tmp_path)
    assert calls.where(calls["op"].among("observe"))["intended_ns"].tolist() == [n * 50 * MS for n in range(1, 10)]


def test_the_plan_travels_as_json() -> None:
    """What the parent sends over the control channel is plain JSON."""
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(LOAD)))["sessions"] == 5
