"""Calls as a breaker's outside shows them: tried and served, tried and failed, or rejected without a try.

A rejection is known by its error (`breaker_open`), or is a degraded answer for which nothing was sent: clients hide
the breaker's error behind a fallback. Only operations that were ever rejected are taken to be behind the breaker. Each
process has a breaker of its own, and may have one an operation: tries of one while another is rejected show that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, in_order, names_in, once
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
    row: Ints
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


def counts(case: Case, op: str = "") -> tuple[str, ...]:
    """The error words that the breaker must count (design: connect errors, time-outs and 5xx unless declared)."""
    default = ("connect_error", "timeout", "reset", "protocol_error", "5xx")
    breaker = case.policy.of(op).breaker
    declared = any(key.endswith("breaker.counts") for key in case.promise.declared)
    return breaker.counts if breaker is not None and declared else default


@once
def explicit_rejections(case: Case) -> Mask:
    """The calls that ended with a breaker's own error."""
    return case.calls["outcome"].among("rejected") | case.calls["error"].among("breaker_open")  # type: ignore[no-any-return]


@once
def silent_rejections(case: Case) -> Mask:
    """Degraded answers for which nothing was sent, after a failure of the same worker: a breaker behind a fallback.

    A bulkhead behind a fallback looks alike, but sheds only while its places are taken: of a row of such answers one
    at least must come with nothing under way.
    """
    calls = case.calls
    silent: Mask = calls["outcome"].among("degraded") & (case.attempts.count == 0)
    if not case.hooked or not silent.any():
        return np.zeros(len(calls), bool)
    if case.policy.breaker is None and not explicit_rejections(case).any():
        return np.zeros(len(calls), bool)
    return silent & _after_failure(case) & _in_quiet_rows(case, silent)


def _in_quiet_rows(case: Case, silent: Mask) -> Mask:
    """The silent calls in whose row (silent ones with no try between) one came with no attempt under way."""
    calls, tries, found = case.calls, case.attempts, np.zeros(len(case.calls), bool)
    of_worker = calls["worker"][tries.row]
    for worker in case.workers:
        mine = np.flatnonzero((calls["worker"] == worker) & (silent | (tries.count > 0)))
        mine = mine[np.argsort(calls["start_ns"][mine], kind="stable")]
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
        tried = tried[np.argsort(calls["end_ns"][tried], kind="stable")]
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


@once
def events_of(case: Case) -> list[Events]:
    """The events of each breaker: one a worker, or one for each operation of a worker."""
    calls, tries = case.calls, case.attempts
    tried = tries.count > 0
    denied = explicit_rejections(case)
    rejected = (denied & ~tried) | silent_rejections(case)
    served, failed = outcomes(case)
    known = (rejected | tried) if case.hooked else ~calls["outcome"].among("overflow", "cancelled")
    ops = governed_ops(case, denied | rejected)
    chosen = known & calls["op"].among(*ops)
    first = tries.pick("start_ns", tries.first, calls["start_ns"])
    last = tries.pick("end_ns", tries.last, calls["end_ns"])
    columns = (calls["start_ns"], calls["end_ns"], first, last, rejected, served, failed, denied & tried)
    found = []
    for worker in case.workers:
        row = np.flatnonzero(chosen & (calls["worker"] == worker))
        if not len(row):
            continue
        row = row[np.argsort(calls["start_ns"][row], kind="stable")]
        for scope in _scopes(case, row, rejected[row], served[row], ops):
            mine = row[calls["op"].among(*scope)[row]]
            picked: list[Any] = [column[mine] for column in columns]
            found.append(Events(int(worker), scope, mine, *picked))
    return found


def _scopes(case: Case, row: Ints, rejected: Mask, served: Mask, ops: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All operations as one scope, or one each where they can't share a breaker.

    Between two rejections of one operation a shared breaker lets another one succeed only if it closed meanwhile, and
    then it takes a full count of failures to reject again.
    """
    breaker = case.policy.breaker or Breaker()
    limit = breaker.fail_max or 1
    for op in ops if len(ops) > 1 else ():
        mine = np.flatnonzero(case.calls["op"].among(op)[row])
        others = np.setdiff1d(np.flatnonzero(~rejected), mine)
        gap = np.searchsorted(mine, others)
        inside = (gap > 0) & (gap < len(mine))
        others, gap = others[inside], gap[inside]
        within = rejected[mine[gap - 1]] & rejected[mine[gap]]
        others, gap = others[within], gap[within]
        good = np.bincount(gap[served[others]], minlength=len(mine))
        bad = np.bincount(gap[~served[others]], minlength=len(mine))
        between_s = np.diff(case.calls["start_ns"][row[mine]], prepend=case.calls["start_ns"][row[mine[:1]]]) / 1e9
        open_s = float(between_s[1:][rejected[mine[1:]] & rejected[mine[:-1]]].sum())
        trials = open_s / max(breaker.reset_timeout, 1e-3) + 1
        if ((good > 0) & (bad < limit)).sum() > 3 * trials * max(breaker.success_threshold, breaker.half_open_trials):
            return [(each,) for each in ops]
    return [ops]


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
    order = np.argsort(ends, kind="stable")
    return ends[order], ops[order]
