"""What became of each message, derived from the witness of the queue, the collector and the commits, once a case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask
from harness.faults.broker import POISON_ID
from harness.laws.case import Case, Ints, Window, once
from harness.laws.registry import Ruling, inapplicable, inconclusive
from harness.laws.writes import committed, has_oracle, times_committed

AMQP_MARGIN_NS = 5_000_000_000
"""A broker that starts again takes connections and drops them for a while; what ends then is the fault's doing."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """One message of any origin: its row in calls (−1: poison or a stranger), its name, its deliveries' times (ns)."""

    row: int
    name: str
    times: Ints


class Flow:
    """Messages of the load by row of calls; masks and counts over all calls."""

    def __init__(self, case: Case) -> None:
        table = case.history.messages
        self.table = table
        self.row = case.rows_of(table["call"])
        self._size = len(case.calls)
        self.confirmed: Mask = case.calls["op"].among("observe") & case.calls["outcome"].among("ok")
        self.commits = times_committed(case, "observe")
        seen = case.arrivals
        mine = committed(seen, "observe")
        self.commit_ns = self._first(seen.row[mine], seen.table["arrive_ns"][mine])
        self.acked_ns = self.last("acked")

    def number(self, *events: str) -> Ints:
        """For each call how many of these events its message had."""
        mine = self.table["event"].among(*events) & (self.row >= 0)
        return np.asarray(np.bincount(self.row[mine], minlength=self._size), np.int64)

    def first(self, event: str) -> Ints:
        """For each call the time of the first such event (ns), 0 for none."""
        mine = self.table["event"].among(event) & (self.row >= 0)
        return self._first(self.row[mine], self.table["time_ns"][mine])

    def last(self, event: str) -> Ints:
        """For each call the time of the last such event (ns), 0 for none: an earlier ack is of a copy's forerunner."""
        mine = self.table["event"].among(event) & (self.row >= 0)
        found = np.zeros(self._size, np.int64)
        np.maximum.at(found, self.row[mine], self.table["time_ns"][mine])
        return found

    def times(self, event: str) -> dict[int, list[int]]:
        """The times (ns) of these events by row, in order; row −1: of messages that no call is known for."""
        mine = self.table["event"].among(event)
        found: dict[int, list[int]] = {}
        for row, time_ns in zip(self.row[mine].tolist(), self.table["time_ns"][mine].tolist(), strict=True):
            found.setdefault(row, []).append(time_ns)
        return found

    def early_acks(self) -> Ints:
        """The rows of which an ack came before the commit, and before a copy of the message was confirmed in its
        place (a consumer may publish a message again, for a later try or as a dead letter, and ack what it was)."""
        acks, copies = self.times("acked"), self.times("copy_confirmed")
        early = []
        for row, times in acks.items():
            if row >= 0:
                commit_ns = int(self.commit_ns[row]) or times[-1] + 1
                bare = unmatched([each for each in times if each < commit_ns], copies.get(row, []))
                early += [row] * bool(bare)
        return np.array(sorted(early), np.int64)

    def _first(self, rows: Ints, times: Ints) -> Ints:
        found = np.full(self._size, np.iinfo(np.int64).max, np.int64)
        np.minimum.at(found, rows, times)
        found[found == np.iinfo(np.int64).max] = 0
        return found

    def strangers(self, *events: str) -> dict[str, Ints]:
        """Times (ns) of these events by name of message, of poison and other messages that no call published."""
        mine = self.table["event"].among(*events) & (self.row < 0) & ~self.table["message"].among("")
        names, times = self.table["message"][mine].tolist(), self.table["time_ns"][mine]
        found: dict[str, list[int]] = {}
        for name, time_ns in zip(names, times.tolist(), strict=True):
            found.setdefault(name, []).append(time_ns)
        return {name: np.array(moments, np.int64) for name, moments in found.items()}

    def deliveries(self) -> list[Deliveries]:
        """Every message that was delivered more than once, and every stranger, by number of deliveries, most first."""
        given = self.table["event"].among("delivered")
        mine = given & (self.row >= 0)
        again = np.flatnonzero(np.bincount(self.row[mine], minlength=self._size) > 1)
        rows, times = self.row[mine], self.table["time_ns"][mine]
        order = np.argsort(rows, kind="stable")
        rows, times = rows[order], times[order]
        found = [
            Deliveries(int(row), "", times[np.searchsorted(rows, row) : np.searchsorted(rows, row, "right")])
            for row in again
        ]
        found += [Deliveries(-1, name, moments) for name, moments in self.strangers("delivered").items()]
        return sorted(found, key=lambda each: -len(each.times))


def unmatched(needing: list[int], given: list[int]) -> list[int]:
    """The places of those of `needing` (times in order) for which no time of `given` is left that is not later."""
    found, used = [], 0
    for place, time_ns in enumerate(needing):
        if used < len(given) and given[used] <= time_ns:
            used += 1
        else:
            found.append(place)
    return found


@once
def flow(case: Case) -> Flow:
    """The flow of the run's messages."""
    return Flow(case)


def queued(case: Case) -> bool:
    """Whether load went through a queue."""
    return "messaging" in case.facts


def no_queue(case: Case, oracle: bool = True) -> Ruling | None:
    """The ruling where there is no queue, or nothing can say what was committed."""
    if not queued(case):
        return inapplicable("no broker stands between load and KATO")
    if oracle and not has_oracle(case):
        return inconclusive("nothing tells what was committed on this target: no commit oracle")
    return None


def poison_names(case: Case) -> frozenset[str]:
    """The ids of the poison that was published."""
    return frozenset(
        f"{POISON_ID}-{window.name}-{number + 1}"
        for window in case.windows
        if window.kind == "poison"
        for number in range(int(window.params.get("count", 1)))
    )


def on_connection(window: Window) -> bool:
    """Whether the fault itself ends the consumer's connections."""
    only = window.params.get("only") or {}
    return window.kind in ("broker_down", "kill_subject") or only.get("part") == "broker"
