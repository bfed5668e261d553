"""The timeline applies and clears faults at their planned times, and undoes them whatever happens."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import ManualClock
from harness.inject.timeline import Record, run_timeline
from harness.model import Fault

MS = 1_000_000
START = 5_000 * MS


@dataclass
class Notes:
    """A plane and a prover in one that only take notes; each step takes 1 ms of the manual clock."""

    clock: ManualClock
    stop: Event = field(default_factory=Event)
    said: list[tuple[str, str, int]] = field(default_factory=list)
    fail_on: frozenset[tuple[str, str]] = frozenset()
    stop_at: tuple[str, str] = ("", "")
    where: str = "here"

    def note(self, what: str, fault: Fault) -> None:
        self.said.append((what, fault.name, (self.clock.now_ns() - START) // MS))
        self.clock.advance_ns(MS)
        if (what, fault.name) == self.stop_at:
            self.stop.set()
        if (what, fault.name) in self.fail_on:
            raise RuntimeError(f"{what} {fault.name}")

    def apply(self, fault: Fault) -> None:
        self.note("apply", fault)

    def clear(self, fault: Fault) -> None:
        self.note("clear", fault)

    def watch(self, fault: Fault) -> None:
        self.note("watch", fault)

    def settle(self, fault: Fault) -> None:
        self.note("settle", fault)

    def effective_ns(self, fault: Fault) -> int:
        watched = [at for what, name, at in self.said if (what, name) == ("watch", fault.name)]
        return START + watched[0] * MS if watched else 0

    def acts(self) -> list[tuple[str, str, int]]:
        return [entry for entry in self.said if entry[0] in ("apply", "clear")]


def fault(name: str, at_ms: int, for_ms: int, kind: str = "refuse") -> Fault:
    return Fault(name, kind, at_ms * MS, for_ms * MS)


def carry_out(notes: Notes, folder: Path, *faults: Fault) -> tuple[Record, ...]:
    planes = {"toxiproxy": notes, "witness": notes}
    return run_timeline(faults, START, planes, notes, folder / "faults.jsonl", notes.clock, notes.stop)


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "faults.jsonl").read_text().splitlines()]


def test_faults_come_and_go_at_their_times_and_may_overlap(tmp_path: Path) -> None:
    notes = Notes(ManualClock())
    carry_out(notes, tmp_path, fault("b", 200, 50), fault("a", 100, 120))
    assert notes.acts() == [("apply", "a", 100), ("apply", "b", 200), ("clear", "a", 220), ("clear", "b", 250)]


def test_a_fault_ends_before_the_next_one_of_the_same_instant_begins(tmp_path: Path) -> None:
    notes = Notes(ManualClock())
    carry_out(notes, tmp_path, fault("second", 200, 50), fault("first", 100, 100))
    assert [entry[:2] for entry in notes.acts()] == [
        ("apply", "first"),
        ("clear", "first"),
        ("apply", "second"),
        ("clear", "second"),
    ]


def test_a_record_tells_what_was_planned_asked_applied_proved_and_cleared(tmp_path: Path) -> None:
    (record,) = carry_out(Notes(ManualClock()), tmp_path, fault("a", 100, 50))
    assert record.where == "here"
    times = (record.planned_ns, record.requested_ns, record.applied_ns, record.effective_ns, record.cleared_ns)
    assert [(time - START) // MS for time in times] == [100, 100, 101, 101, 151]
    assert rows(tmp_path)[0]["cleared_ns"] == record.cleared_ns


def test_repetitions_of_one_name_are_separate_rows(tmp_path: Path) -> None:
    carry_out(Notes(ManualClock()), tmp_path, fault("flap", 100, 20), fault("flap", 200, 20), fault("flap", 300, 20))
    assert [(row["name"], row["planned_ns"]) for row in rows(tmp_path)] == [
        ("flap", START + at * MS) for at in (100, 200, 300)
    ]


def test_the_defaults_of_a_kind_are_in_the_row(tmp_path: Path) -> None:
    carry_out(Notes(ManualClock()), tmp_path, fault("a", 1, 1, "status"))
    assert rows(tmp_path)[0]["params"] == {"status": 503, "retry_after": None, "body": "kato"}


def test_a_wish_to_stop_clears_what_is_active_last_first_and_begins_nothing_more(tmp_path: Path) -> None:
    notes = Notes(ManualClock(), stop_at=("watch", "b"))
    carry_out(notes, tmp_path, fault("a", 100, 900), fault("b", 200, 900), fault("never", 300, 900))
    assert notes.acts() == [("apply", "a", 100), ("apply", "b", 200), ("clear", "b", 202), ("clear", "a", 204)]
    assert [row["name"] for row in rows(tmp_path)] == ["a", "b"]


def test_a_fault_that_can_not_be_applied_is_cleared_too_and_its_error_told(tmp_path: Path) -> None:
    notes = Notes(ManualClock(), fail_on=frozenset({("apply", "b")}))
    with pytest.raises(RuntimeError, match="apply b"):
        carry_out(notes, tmp_path, fault("a", 100, 900), fault("b", 200, 900))
    assert [entry[:2] for entry in notes.acts()[2:]] == [("clear", "b"), ("clear", "a")]
    assert [bool(row["applied_ns"]) for row in rows(tmp_path)] == [True, False]


def test_one_fault_that_will_not_go_does_not_keep_the_others(tmp_path: Path) -> None:
    notes = Notes(ManualClock(), fail_on=frozenset({("apply", "c"), ("clear", "b")}))
    with pytest.raises(RuntimeError, match="apply c") as caught:
        carry_out(notes, tmp_path, fault("a", 100, 900), fault("b", 200, 900), fault("c", 300, 900))
    assert ("clear", "a") in [entry[:2] for entry in notes.acts()]
    assert "clear b" in caught.value.__notes__[0]
    cleared = {row["name"]: bool(row["cleared_ns"]) for row in rows(tmp_path)}
    assert cleared == {"a": True, "b": False, "c": True}


windows = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=8)


@given(windows)
def test_every_fault_that_is_applied_is_cleared_once_and_not_before_its_end(spans: list[tuple[int, int]]) -> None:
    faults = [fault(f"f{number}", at, length) for number, (at, length) in enumerate(spans)]
    with tempfile.TemporaryDirectory() as folder:
        records = carry_out(Notes(ManualClock()), Path(folder), *faults)
    by_name = {record.name: record for record in records}
    assert by_name.keys() == {planned.name for planned in faults}
    for planned in faults:
        record = by_name[planned.name]
        assert START + planned.at_ns <= record.requested_ns <= record.applied_ns < record.cleared_ns
        assert record.cleared_ns >= START + planned.until_ns
