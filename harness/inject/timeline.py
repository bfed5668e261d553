"""The timeline: carries out planned faults at their times, several at once, and undoes them whatever happens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from harness.clock import Clock
from harness.faults import KINDS
from harness.model import Fault

LISTEN_NS = 20_000_000
"""The timeline sleeps at most this long before it looks for a wish to stop (ns)."""


class Plane(Protocol):
    """What carries a fault; `where` says so in the evidence."""

    where: str

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        ...

    def clear(self, fault: Fault) -> None:
        """Undo it, also when `apply` failed halfway; it is gone when this returns."""
        ...


class Prover(Protocol):
    """What proves faults: the canary."""

    def watch(self, fault: Fault) -> None:
        """The fault has just been applied."""
        ...

    def settle(self, fault: Fault) -> None:
        """The fault has just been cleared."""
        ...

    def effective_ns(self, fault: Fault) -> int:
        """When it was first seen to act; 0: not yet."""
        ...


@dataclass(slots=True)
class Record:
    """One row of faults.jsonl; times in ns on the run's clock, 0 for what has not happened.

    `params` has the fault's choice of requests and instances under `only`, where it makes one.
    """

    name: str
    kind: str
    where: str
    params: Mapping[str, Any]
    planned_ns: int
    requested_ns: int = 0
    applied_ns: int = 0
    effective_ns: int = 0
    cleared_ns: int = 0


def run_timeline(
    faults: Sequence[Fault],
    start_ns: int,
    planes: Mapping[str, Plane],
    prover: Prover,
    rows: Path,
    clock: Clock,
    stop: Event,
) -> tuple[Record, ...]:
    """Carry out `faults`, whose times are offsets from `start_ns`; returns when all are cleared.

    `planes` by the plane of a fault's kind. `rows` always holds one JSON line for each fault that was begun. When
    `stop` is set, and at any error, what is active is cleared at once, last applied first; the first error is raised
    then, with a note of each that followed.
    """
    timeline = _Timeline(start_ns, planes, prover, rows, clock)
    try:
        for due_ns, begins, fault in _steps(faults, start_ns):
            if not _sleep(clock, due_ns, stop):
                break
            (timeline.begin if begins else timeline.end)(fault)
    except BaseException as error:
        for later in timeline.end_all():
            error.add_note(f"and while the other faults were cleared: {later}")
        raise
    for failure in timeline.end_all():
        raise failure
    return timeline.records()


def _steps(faults: Sequence[Fault], start_ns: int) -> list[tuple[int, bool, Fault]]:
    """(time, begins, fault) in order of time; ends come before beginnings of the same instant."""
    begins = [(start_ns + fault.at_ns, True, fault) for fault in faults]
    ends = [(start_ns + fault.until_ns, False, fault) for fault in faults]
    return sorted(begins + ends, key=lambda step: step[:2])


def _sleep(clock: Clock, due_ns: int, stop: Event) -> bool:
    """True at `due_ns`, False as soon as `stop` is set."""
    while not stop.is_set() and (now_ns := clock.now_ns()) < due_ns:
        clock.sleep_until_ns(min(due_ns, now_ns + LISTEN_NS))
    return not stop.is_set()


class _Timeline:
    """What was begun and is not ended yet, with a record of each."""

    def __init__(self, start_ns: int, planes: Mapping[str, Plane], prover: Prover, rows: Path, clock: Clock) -> None:
        self._start_ns = start_ns
        self._planes = planes
        self._prover = prover
        self._rows = rows
        self._clock = clock
        self._begun: list[tuple[Fault, Record]] = []
        self._active: list[tuple[Fault, Record]] = []

    def begin(self, fault: Fault) -> None:
        """Apply one fault and have it proved."""
        kind = KINDS[fault.kind]
        plane = self._planes[kind.plane]
        planned_ns = self._start_ns + fault.at_ns
        only = {"only": dict(fault.only)} if fault.only else {}
        record = Record(fault.name, fault.kind, plane.where, kind.complete(fault.params) | only, planned_ns)
        record.requested_ns = self._clock.now_ns()
        self._begun.append((fault, record))
        self._active.append((fault, record))
        self._write()
        plane.apply(fault)
        record.applied_ns = self._clock.now_ns()
        self._prover.watch(fault)
        self._write()

    def end(self, fault: Fault) -> None:
        """Clear one fault."""
        entry = next(entry for entry in self._active if entry[0] is fault)
        self._active.remove(entry)
        self._planes[KINDS[fault.kind].plane].clear(fault)
        record = entry[1]
        record.cleared_ns = self._clock.now_ns()
        if record.applied_ns:
            self._prover.settle(fault)
        self._write()

    def end_all(self) -> list[Exception]:
        """Clear what is active, each whatever happens to the others; what went wrong."""
        errors: list[Exception] = []
        for fault, _ in reversed(list(self._active)):
            try:
                self.end(fault)
            except Exception as error:  # noqa: BLE001 - returned, so that the other faults are cleared too
                errors.append(error)
        self._write()
        return errors

    def records(self) -> tuple[Record, ...]:
        """One a fault that was begun, in order."""
        return tuple(record for _, record in self._begun)

    def _write(self) -> None:
        """Replace the rows by what is known now."""
        for fault, record in self._begun:
            record.effective_ns = record.effective_ns or self._prover.effective_ns(fault)
        draft = self._rows.with_suffix(".draft")
        draft.write_text("".join(json.dumps(asdict(record)) + "\n" for record in self.records()))
        draft.replace(self._rows)
