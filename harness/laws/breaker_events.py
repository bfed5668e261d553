"""Calls as a breaker's outside shows them: tried and served, tried and failed, or rejected without a try.

A rejection is known by its error (`breaker_open`), or is a degraded answer for which nothing was sent: clients hide
the breaker's error behind a fallback. Only operations that were ever rejected are taken to be behind the breaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, once

RECENT = 50
"""How many tried calls before a degraded answer are looked at for the failure that explains it."""


@dataclass(frozen=True, slots=True)
class Events:
    """The calls of one worker behind its breaker, in order of start; all arrays are equally long.

    `row`: its row in calls; `rejected` without a try; `served` and `failed` (a counted failure) after one; `denied`:
    the breaker refused a later try of it. `from_ns` is the first attempt's start, `to_ns` the last attempt's end.
    """

    worker: int
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
    """Degraded answers for which nothing was sent, after a failure of the same worker: a breaker behind a fallback."""
    calls = case.calls
    silent: Mask = calls["outcome"].among("degraded") & (case.attempts.count == 0)
    if not case.hooked or not silent.any():
        return np.zeros(len(calls), bool)
    if case.policy.breaker is None and not explicit_rejections(case).any():
        return np.zeros(len(calls), bool)
    return silent & _after_failure(case)


def _after_failure(case: Case) -> Mask:
    """For each call, whether one of the tried calls that ended shortly before it in its worker had failed."""
    calls, found = case.calls, np.zeros(len(case.calls), bool)
    bad = case.attempts.any(case.words["lost"] | case.words["5xx"] | case.words["4xx"])
    for worker in np.unique(calls["worker"]):
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
    seen = tuple(ops.names[code] for code in np.unique(ops.codes[rejected]))
    if seen:
        return seen
    return tuple(op for op in ops.names if op not in ("open_session", "other", "") and case.policy.of(op).breaker)


@once
def events_of(case: Case) -> list[Events]:
    """One Events a worker, over the operations that are behind the breaker."""
    calls, tries = case.calls, case.attempts
    tried = tries.count > 0
    denied = explicit_rejections(case)
    rejected = (denied & ~tried) | silent_rejections(case)
    served, failed = outcomes(case)
    known = (rejected | tried) if case.hooked else ~calls["outcome"].among("overflow", "cancelled")
    chosen = known & calls["op"].among(*governed_ops(case, denied | rejected))
    first = tries.pick("start_ns", tries.first, calls["start_ns"])
    last = tries.pick("end_ns", tries.last, calls["end_ns"])
    found = []
    for worker in np.unique(calls["worker"][chosen]):
        row = np.flatnonzero(chosen & (calls["worker"] == worker))
        row = row[np.argsort(calls["start_ns"][row], kind="stable")]
        columns = (calls["start_ns"], calls["end_ns"], first, last, rejected, served, failed, denied & tried)
        picked: list[Any] = [column[row] for column in columns]
        found.append(Events(int(worker), row, *picked))
    return found


@once
def outcomes(case: Case) -> tuple[Mask, Mask]:
    """For each call, whether its last attempt was served, and whether it was a counted failure."""
    calls, tries = case.calls, case.attempts
    served, failed = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    if not case.hooked:
        for op in calls["op"].names:
            mine = calls["op"].among(op)
            failed |= mine & _call_failures(case, counts(case, op))
        return calls["outcome"].among("ok"), failed
    tried = np.flatnonzero(tries.count > 0)
    last = tries.last[tried]
    served[tried] = case.words["ok"][last]
    for op in calls["op"].names:
        mine = tried[calls["op"].among(op)[tried]]
        failed[mine] = case.failures(counts(case, op))[tries.last[mine]]
    return served, failed


def _call_failures(case: Case, words: tuple[str, ...]) -> Mask:
    errors = set(words) | ({"connect_timeout", "read_timeout"} if "timeout" in words else set())
    return case.calls["error"].among(*errors) & ~case.calls["outcome"].among("ok", "degraded")  # type: ignore[no-any-return]
