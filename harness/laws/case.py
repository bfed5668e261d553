"""A run as laws look at it: its history, its promise, and what several laws derive from them, computed once.

Everything here is columns; a *row* of calls, attempts or arrivals is an index into that table. Times are int64 ns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.evidence.history import History
from harness.evidence.ids import ids_of, rows_of
from harness.evidence.shelf import Shelf
from harness.evidence.table import Mask, Table, Words, ascend, by_chunks
from harness.laws.lag import LagProfile
from harness.policy import Policy, Promise

Ints = NDArray[np.int64]

EPSILON_NS = 250_000_000
"""laws.md, "Evidence": ε = 250 ms + measured injector error + the dispatch lag seen during the call."""

AT_HAND_BYTES = 320e6
"""What laws derive from a run is kept up to so much: a breaker's events of 3.6 million calls take half of it."""

UNSEEN = 0.01
"""Share of calls that may have arrived without an attempt of theirs before attempts are not trusted."""


@dataclass(frozen=True, slots=True)
class Window:
    """One applied fault: in force over [start_ns, end_ns), and surely from `sure_ns` on.

    `felt_ns` 0: the client never felt it.
    """

    name: str
    kind: str
    start_ns: int
    end_ns: int
    felt_ns: int
    params: Mapping[str, Any]
    sure_ns: int


@dataclass(frozen=True, slots=True)
class Picked:
    """Rows of a table in an order of their own; a column is picked when it is asked for, to save memory."""

    table: Table
    order: Ints | slice
    shelf: Shelf
    own: object = field(default_factory=object)

    def __len__(self) -> int:
        return len(range(self.order.start, self.order.stop)) if isinstance(self.order, slice) else len(self.order)

    def __getitem__(self, name: str) -> Any:
        if isinstance(self.order, slice):
            return self.table[name][self.order]
        return self.shelf.get((self.own, name), lambda: self.table[name][self.order])


@dataclass(frozen=True, slots=True)
class Tries:
    """The rows of a table that belong to known calls, by call and time. `row` is each one's row in calls.

    `first` and `count` are each call's own: its rows are first … first + count − 1.
    """

    table: Picked
    row: Ints
    count: Ints

    def any(self, mask: Mask) -> Mask:
        """For each call, whether one of its rows is in `mask`."""
        found = np.zeros(len(self.count), bool)
        found[self.row[mask]] = True
        return found

    def number(self, mask: Mask) -> Ints:
        """For each call, how many of its rows are in `mask`."""
        return np.asarray(np.bincount(self.row[mask], minlength=len(self.count)), np.int64)

    def sum(self, values: Ints) -> Ints:
        """For each call the sum of its rows' `values`."""
        total: Ints = np.bincount(self.row, weights=values, minlength=len(self.count)).astype(np.int64)
        return total

    def pick(self, name: str, at: NDArray[Any], otherwise: Ints, known: Mask) -> Ints:
        """Column `name` of the rows `at` (of some calls their `first` or `last`), `otherwise` where not `known`: of
        calls without rows."""
        column = self.table[name]
        last = len(column) - 1
        if last < 0:
            return otherwise.copy()
        return by_chunks(
            lambda at, other, known: np.where(known, column[np.minimum(at, last)], other), at, otherwise, known
        )

    @property
    def _past(self) -> NDArray[np.int32]:
        """For each call the index past its last row; four bytes hold it."""
        past: NDArray[np.int32] = self.table.shelf.get(
            (self.table.own, "past"), lambda: np.cumsum(self.count, dtype=np.int32)
        )
        return past

    @property
    def first(self) -> Ints:
        """For each call the index of its first row; meaningless where `count` is 0."""
        return self._past - self.count

    @property
    def opens(self) -> Mask:
        """The rows that are their call's first."""
        opens: Mask = np.append(True, self.row[1:] != self.row[:-1])[: len(self.row)]
        return opens

    @property
    def last(self) -> NDArray[np.int32]:
        """For each call the index of its last row; meaningless where `count` is 0."""
        last: NDArray[np.int32] = self._past - np.int32(1)
        return np.maximum(last, 0, out=last)


T = TypeVar("T")


def names_in(words: Words, rows: Any) -> tuple[str, ...]:
    """The names that occur in those rows (a mask or indices) of a category column."""
    present = np.bincount(words.codes[rows], minlength=len(words.names)) > 0
    return tuple(name for name, there in zip(words.names, present, strict=True) if there)


def in_order(times: Ints) -> Ints:
    """The times sorted; quick where they nearly are."""
    return np.sort(times, kind="stable")


def order_of(values: Ints) -> Ints:
    """The rows in the order of their values; equals stay as they are."""
    rows: Ints = np.argsort(values, kind="stable")
    return rows


def rows_from(numbers: Iterable[int]) -> Ints:
    """Rows as an array, also where there are none."""
    return np.array(list(numbers), np.int64)


def ids_in(numbers: Ints) -> Ints:
    """The small whole numbers (workers, ordinals) that occur, in order."""
    present: Ints = np.flatnonzero(np.bincount(numbers))
    return present


def once(derive: Callable[[Case], T]) -> Callable[[Case], T]:
    """A function of a case that is computed once a case, however many laws ask; again where it was let go since."""

    def remembered(case: Case) -> T:
        found: T = case.memo.get(derive, lambda: derive(case))
        return found

    return wraps(derive)(remembered)


@dataclass(frozen=True)
class Case:
    """One run before the laws; `memo` keeps what `once` derives from it."""

    history: History
    promise: Promise
    memo: Shelf = field(default_factory=lambda: Shelf(AT_HAND_BYTES), compare=False, repr=False)

    @property
    def policy(self) -> Policy:
        """What the integration promises."""
        return self.promise.policy

    @property
    def calls(self) -> Table:
        """The table of calls."""
        return self.history.calls

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the manifest says beside the tables."""
        return self.history.facts

    @cached_property
    def end_ns(self) -> int:
        """The last moment that anything is known of."""
        ends = [int(self.calls["end_ns"].max())] if len(self.calls) else []
        return max([*ends, *(span.end_ns for span in self.history.phases)], default=0)

    @cached_property
    def workers(self) -> tuple[int, ...]:
        """The processes that made calls."""
        return tuple(ids_in(self.calls["worker"]).tolist())

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The faults that were applied, in order of time."""
        rows = [row for row in self.history.faults.rows() if row["applied_ns"]]
        found = [
            Window(
                row["name"], row["kind"],
                row["requested_ns"] or row["applied_ns"],  # it acts from somewhere between the two on
                row["cleared_ns"] or max(self.end_ns, row["applied_ns"]),
                row["felt_ns"], json.loads(row["params"] or "{}"),
                max(row["applied_ns"], row["effective_ns"]),
            )
            for row in rows
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda window: window.start_ns))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of the planned faults."""
        return frozenset(self.history.faults["kind"].tolist())

    @cached_property
    def hooked(self) -> bool:
        """Whether attempts are seen at the client's side, so that none is evidence of none.

        A client that sends from threads of its own loses the call on the way: its attempts belong to nobody. What is
        sent to a service is no attempt to reach KATO: a subject's own are not seen.
        """
        if not len(self.history.attempts) or "subject" in self.facts:
            return False
        known = np.zeros(len(self.calls), bool)
        known[self.attempt_rows[self.attempt_rows >= 0]] = True
        reached = self.arrivals.count > 0
        return int((reached & ~known).sum()) <= UNSEEN * int(reached.sum())

    @cached_property
    def lag(self) -> LagProfile:
        """How late the harness was, when."""
        return LagProfile(self.history)

    @property
    @once
    def epsilon_ns(self) -> Ints:
        """For each call what its time may exceed a bound by."""
        fixed = EPSILON_NS + int(self.facts.get("injector_error_ns") or 0)
        return fixed + self.lag.over(self.calls["start_ns"], self.calls["end_ns"])

    @property
    @once
    def attempts(self) -> Tries:
        """The attempts of known calls; none where they can't be trusted (`hooked`)."""
        rows: NDArray[Any] = self.attempt_rows if self.hooked else np.full(len(self.attempt_rows), -1, np.int32)
        return self._tries(self.history.attempts, rows, "start_ns")

    @property
    @once
    def arrivals(self) -> Tries:
        """The arrivals of known calls that their calls waited for; what was replayed after them is in `replays`."""
        late = self.history.arrivals["paired_by"].among("content")
        return self._tries(self.history.arrivals, np.where(late, -1, self.arrival_rows), "arrive_ns")

    @cached_property
    def replays(self) -> Tries:
        """The arrivals that a client made for known calls after these had ended."""
        late = self.history.arrivals["paired_by"].among("content")
        return self._tries(self.history.arrivals, np.where(late, self.arrival_rows, -1), "arrive_ns")

    @property
    @once
    def attempt_rows(self) -> Ints:
        """For each recorded attempt its row in calls; −1 where it belongs to none."""
        return self.rows_of(self.history.attempts["call"])

    @property
    @once
    def arrival_rows(self) -> Ints:
        """For each recorded arrival its row in calls; −1 where it belongs to none."""
        return self.rows_of(self.history.arrivals["call"])

    @property
    def _by_id(self) -> tuple[Ints, Ints]:
        return ids_of(self.calls)

    def rows_of(self, ids: Ints) -> NDArray[Any]:
        """The row in calls of each call id; −1 where there is none."""
        return rows_of(ids, *self._by_id)

    def _tries(self, table: Table, row: Ints, time: str) -> Tries:
        count = np.bincount(row[row >= 0], minlength=len(self.calls))
        if ascend([row, table[time]]):  # as the finaliser writes them: a slice of the table is no copy
            mine = slice(int(np.searchsorted(row, 0)), len(row))
            return Tries(Picked(table, mine, self.memo), row[mine], count)
        order: NDArray[Any] = np.lexsort((table[time], row)).astype(np.int32)
        order = order[row[order] >= 0]
        return Tries(Picked(table, order, self.memo), row[order], count)

    @property
    @once
    def words(self) -> dict[str, Mask]:
        """Masks over `attempts.table`: `ok` (2xx, whole), `5xx`, `4xx`, and `lost` (no whole answer came)."""
        table = self.attempts.table
        whole, status = table["result"].among("", "4xx", "5xx"), table["status"]
        return {
            "ok": table["result"].among("") & (status >= 200) & (status < 300),
            "5xx": whole & (status >= 500),
            "4xx": whole & (status >= 400) & (status < 500),
            "lost": ~whole & ~table["result"].among("cancelled"),
        }

    def failures(self, words: tuple[str, ...]) -> Mask:
        """The attempts that failed in one of `words` (policy words: errors, `timeout`, 5xx, 4xx, status codes)."""
        table = self.attempts.table
        timeouts = ("connect_timeout", "read_timeout") if "timeout" in words else ()
        found: Mask = table["result"].among(*words, *timeouts)
        for word in words:
            if word in ("4xx", "5xx"):
                found = found | self.words[word]
            elif word.isdecimal():
                found = found | (table["status"] == int(word))
        return found

    def hit_by(self, *kinds: str) -> Mask:
        """The calls of which an arrival suffered a fault of one of `kinds` at the witness."""
        names = [window.name for window in self.windows if window.kind in kinds]
        return self.arrivals.any(self.arrivals.table["fault"].among(*names))

    def during(self, *kinds: str) -> Mask:
        """The calls that overlap a fault of one of `kinds` (any fault, for none)."""
        found = np.zeros(len(self.calls), bool)
        for window in self.windows:
            if not kinds or window.kind in kinds:
                found |= (self.calls["start_ns"] < window.end_ns) & (self.calls["end_ns"] > window.start_ns)
        return found
