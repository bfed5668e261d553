"""Calls as a breaker's outside shows them: tried and served, tried and failed, or rejected without a try.

A rejection is known by its error (`breaker_open`, or one of the client's own that nobody knows), or is a degraded
answer for which nothing was sent: clients hide the breaker's error behind a fallback. Only operations that were ever
rejected are taken to be behind the breaker. Each process has a breaker of its own; which operations share one is told
in `breaker_state`.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, in_order, names_in, once, order_of
from harness.policy import Breaker

RECENT = 50
"""How many tried calls before a degraded answer are looked at for the failure that explains it."""


@dataclass(frozen=True, slots=True)
class Events:
    """The calls of one worker behind one breaker (of operations `ops`), in order of start; all arrays are equally long.

    `row`: its row in calls; `rejected` without a try; `served` and `failed` (a counted failure) after one; `denied`:
    the breaker refused a later try of it. `from_ns` is the first attempt's start, `to_ns` the last attempt's end.
    """

    worker: int
    ops: tuple[str, ...]
    row: NDArray[Any]
    start_ns: Ints
    end_ns: Ints
    from_ns: Ints
    to_ns: Ints
    rejected: Mask
    served: Mask
    failed: Mask
    denied: Mask

    def __len__(self) -> int:
        return len(self.row)


def breakers(case: Case) -> list[Breaker]:
    """Every breaker that is promised, for all operations or for one."""
    policies = (case.policy, *case.policy.calls.values())
    return [policy.breaker for policy in policies if policy.breaker is not None]


def counts(case: Case, op: str) -> tuple[str, ...]:
    """The error words that the breaker must count (design: connect errors, time-outs and 5xx unless declared)."""
    default = ("connect_error", "timeout", "reset", "protocol_error", "5xx")
    breaker = case.policy.of(op).breaker
    declared = any(key.endswith("breaker.counts") for key in case.promise.declared)
    return breaker.counts if breaker is not None and declared else default


@once
def explicit_rejections(case: Case) -> Mask:
    """The calls that ended with a breaker's own error. Where none has a name that says so, and a breaker is promised:
    with an error of the client's own, for which nothing was sent, after a failure."""
    named: Mask = case.calls["outcome"].among("rejected") | case.calls["error"].among("breaker_open")
    if named.any() or not breakers(case) or not case.hooked:
        return named
    nobodys = _own_errors(case) & (case.attempts.count == 0)
    return nobodys & _after_failure(case) & _in_quiet_rows(case, nobodys) if nobodys.any() else named


def _own_errors(case: Case) -> Mask:
    """The calls that ended with an exception of a class that somebody wrote and that stands for nothing else: bugs are
    the language's own."""
    details = case.calls["detail"]
    own = [text for text in details.names if "<" not in text and not hasattr(builtins, text.partition(" @ ")[0])]
    return case.calls["error"].among("client_bug") & details.among(*(text for text in own if text))  # type: ignore[no-any-return]


@once
def silent_rejections(case: Case) -> Mask:
    """Degraded answers for which nothing was sent, after a failure of the same worker: a breaker behind a fallback.

    A bulkhead behind a fallback looks alike, but sheds only while its places are taken: of a row of such answers one
    at least must come with nothing under way.
    """
    calls = case.calls
    silent: Mask = calls["outcome"].among("degraded") & (case.attempts.count == 0)
    if not silent.any():
        return silent
    if not breakers(case) and not explicit_rejections(case).any():
        return np.zeros(len(calls), bool)
    return silent & _after_failure(case) & _in_quiet_rows(case, silent)


def _in_quiet_rows(case: Case, silent: Mask) -> Mask:
    """The silent calls in whose row (silent ones with no try between) one came with no attempt under way."""
    calls, tries, found = case.calls, case.attempts, np.zeros(len(case.calls), bool)
    of_worker = calls["worker"][tries.row]
    for worker in case.workers:
        mine = np.flatnonzero((calls["worker"] == worker) & (silent | (tries.count > 0)))
        mine = mine[order_of(calls["start_ns"][mine])]
        rows = np.flatnonzero(silent[mine])
        if not len(rows):
            continue
        begins = in_order(tries.table["start_ns"][of_worker == worker])
        ends = in_order(tries.table["end_ns"][of_worker == worker])
        at = calls["start_ns"][mine[rows]]
        idle = np.searchsorted(begins, at, side="right") == np.searchsorted(ends, at, side="right")
        group = np.cumsum(np.diff(rows, prepend=rows[0]) > 1)
        quiet = np.bincount(group, weights=idle) > 0
        found[mine[rows]] = quiet[group]
    return found


def _after_failure(case: Case) -> Mask:
    """For each call, whether one of the tried calls that ended shortly before it in its worker had failed."""
    calls, found = case.calls, np.zeros(len(case.calls), bool)
    bad = case.attempts.any(case.words["lost"] | case.words["5xx"] | case.words["4xx"])
    for worker in case.workers:
        mine = np.flatnonzero(calls["worker"] == worker)
        tried = mine[case.attempts.count[mine] > 0]
        tried = tried[order_of(calls["end_ns"][tried])]
        failures = np.concatenate([[0], np.cumsum(bad[tried])])
        at = np.searchsorted(calls["end_ns"][tried], calls["start_ns"][mine], side="right")
        found[mine] = failures[at] > failures[np.maximum(at - RECENT, 0)]
    return found


def governed_ops(case: Case, rejected: Mask) -> tuple[str, ...]:
    """The operations behind the breaker: those ever rejected; before any rejection all that the policy promises."""
    ops = case.calls["op"]
    if rejected.any():
        return names_in(ops, rejected)
    return tuple(op for op in ops.names if op not in ("open_session", "other", "") and case.policy.of(op).breaker)


def governed(case: Case) -> tuple[str, ...]:
    """The operations behind a breaker in this run."""
    return governed_ops(case, explicit_rejections(case) | silent_rejections(case))


def events_under(case: Case, scope: tuple[str, ...]) -> list[Events]:
    """The events of each worker's breaker around the operations `scope`."""
    calls, tries = case.calls, case.attempts
    tried = tries.count > 0
    denied = explicit_rejections(case)
    rejected = (denied & ~tried) | silent_rejections(case)
    served, failed = outcomes(case)
    known = (rejected | tried) if case.hooked else ~calls["outcome"].among("overflow", "cancelled")
    mine, start, end = known & calls["op"].among(*scope), calls["start_ns"], calls["end_ns"]
    first, last, found = tries.first, tries.last, []
    for worker in case.workers:
        row = np.flatnonzero(mine & (calls["worker"] == worker)).astype(np.int32)
        if len(row):
            row = row[order_of(start[row])]
            from_ns = tries.pick("start_ns", first[row], start[row], tried[row])
            to_ns = tries.pick("end_ns", last[row], end[row], tried[row])
            masks = [mask[row] for mask in (rejected, served, failed, denied & tried)]
            found.append(Events(int(worker), scope, row, start[row], end[row], from_ns, to_ns, *masks))
    return found


@once
def outcomes(case: Case) -> tuple[Mask, Mask]:
    """For each call, whether its last attempt was served, and whether it was a counted failure."""
    calls, tries = case.calls, case.attempts
    served, failed = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    ok = calls["outcome"].among("ok")
    if not case.hooked:
        for op in calls["op"].names:
            mine = calls["op"].among(op)
            failed |= mine & _call_failures(case, counts(case, op))
        return ok, failed
    tried = np.flatnonzero(tries.count > 0)
    last = tries.last[tried]
    served[tried] = case.words["ok"][last] & ok[tried]
    abandoned = tries.table["result"].among("cancelled")
    for op in calls["op"].names:
        mine = tried[calls["op"].among(op)[tried]]
        last = tries.last[mine]
        # a coroutine's attempt is cancelled by its time-out: then the call says how it ended
        failed[mine] = case.failures(counts(case, op))[last] | (
            abandoned[last] & _call_failures(case, counts(case, op))[mine]
        )
    return served, failed


def _call_failures(case: Case, words: tuple[str, ...]) -> Mask:
    errors = set(words) | ({"connect_timeout", "read_timeout"} if "timeout" in words else set())
    return case.calls["error"].among(*errors) & ~case.calls["outcome"].among("ok", "degraded")  # type: ignore[no-any-return]


@once
def background(case: Case) -> tuple[Ints, Ints, Mask]:
    """The attempts that belong to no call, by end: when they began and ended, and which were served.

    A client that works in the background (a replay, a probe) moves its breaker by them, and no call shows it.
    """
    table = case.history.attempts
    rows = np.flatnonzero(case.attempt_rows < 0)
    rows = rows[order_of(table["end_ns"][rows])]
    status = table["status"][rows]
    served = table["result"].among("")[rows] & (status >= 200) & (status < 300)
    return table["start_ns"][rows], table["end_ns"][rows], served


def moved_unseen(case: Case, since_ns: int, until_ns: int) -> bool:
    """Whether the client tried something in the background between two moments."""
    starts, ends, _ = background(case)
    return bool(((starts <= until_ns) & (ends >= since_ns)).any())


def failure_ends(case: Case, e: Events, since: int, until: int) -> Ints:
    """When tries behind the breaker failed in [since, until], by any measure and in any worker (its state may be
    shared): failed attempts, and calls that didn't end well."""
    ends, ops = _all_failure_ends(case)
    first, last = np.searchsorted(ends, [since, until + 1])
    wanted = [case.calls["op"].names.index(op) for op in e.ops]
    return ends[first:last][np.isin(ops[first:last], wanted)]


@once
def _all_failure_ends(case: Case) -> tuple[Ints, Ints]:
    """The ends of all failures in order, and their operations' codes."""
    calls, tries = case.calls, case.attempts
    lacking = ~case.words["ok"]
    unserved = ~calls["outcome"].among("ok") & (tries.number(lacking) == 0) & (tries.count > 0)
    ends = np.concatenate([tries.table["end_ns"][lacking], calls["end_ns"][unserved]])
    ops = np.concatenate([calls["op"].codes[tries.row[lacking]], calls["op"].codes[unserved]])
    order = order_of(ends)
    return ends[order], ops[order]
