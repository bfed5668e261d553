"""Time-out laws about what a client gives up or waits for: abandoned work, and its own connection pool."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import source
from harness.laws.breaker_events import Events
from harness.laws.breaker_spells import Spell, since_served
from harness.laws.breaker_state import all_spells
from harness.laws.case import Case
from harness.laws.chains import chains_of
from harness.laws.pool_waits import held_by_pool
from harness.laws.registry import (
    LAWS,
    Ruling,
    broken,
    by_chance,
    exercise,
    inconclusive,
    law,
    passed,
    plural,
    unexercised,
)
from harness.laws.writes import WRITES, committed, has_oracle


@law(
    "T6",
    "CancelledWorkStops",
    family="time-outs",
    rule="what KATO commits for attempts that the client had given up is counted as waste; it fails only through D2",
    trap="a real KATO does both: it committed an observation abandoned while ClickHouse was slow, and dropped one "
    "abandoned while Redis was",
    cure="give a call time enough to end, and read back before sending a write again",
    example="a time-out of 1 s on a KATO that takes 1.5 s commits everything and tells nobody",
    needs=frozenset({"latency", "delay", "timeout", "pause", "commit_then_drop"}),
    severity="info",
    wants="attempts that the client gives up while KATO works: latency or pause above the time-out",
)
def cancelled_work(case: Case) -> Ruling:
    if not has_oracle(case) or not case.hooked:
        return inconclusive("it takes a commit oracle and attempts seen at the client's side")
    given_up = case.failures(("timeout",)) | case.attempts.table["result"].among("cancelled")
    count = int(given_up.sum())
    if by_chance(case, count, LAWS["T6"].needs):
        what = f"only {plural(count, 'attempt')}" if count else "no attempt"
        return unexercised(f"the client gave up {what}; it takes {exercise('T6')}")
    arrival = chains_of(case).arrival[given_up]
    wasted = int(committed(case.arrivals, *WRITES)[arrival[arrival >= 0]].sum())
    reason = f"KATO committed {wasted:,} of {plural(count, 'attempt')} that the client had given up"
    return passed(reason, measured=f"{wasted / count:.1%} wasted")


@law(
    "T7",
    "PoolWaitClassified",
    family="time-outs",
    rule="a wait for a pooled connection ends within the pool time-out + ε, is not re-tried unless the policy says so, "
    "and opens no breaker",
    trap="httpx.PoolTimeout is a RequestError: what re-tries or counts those takes its own full pool for a dead KATO; "
    "httpcore starts the time-out anew for who lost a freed connection to another, which no client can mend",
    cure="keep PoolTimeout out of retry and breaker: the pool is full because of ourselves",
    example="retry_if_exception_type(httpx.RequestError) adds two more waits to a pool that is already full",
    needs=frozenset({"pause", "latency", "timeout", "delay"}),
    wants="more calls at once than the pool has connections, under latency or pause",
)
def pool_wait(case: Case) -> Ruling:
    tries = case.attempts
    full = tries.table["result"].among("pool_timeout")
    late, again = _late_for_the_pool(case, full), _tried_again(case, full)
    if not full.any() and not late.any():
        return unexercised(f"no wait for a connection ran into a time-out; it takes {exercise('T7')}")
    if late.any() or again.any():
        rows = np.unique(tries.row[late | again])
        reason = (
            "waited longer than the pool time-out" if late.any() else "sent again what its own full pool had refused"
        )
        return broken(case, rows, f"{plural(len(rows), 'call')} {reason}", of=int(tries.any(full | late).sum()))
    opened = [since for e, states in all_spells(case) for since in _opened_by_pool(case, e, states, full)]
    if opened:
        reason = f"the breaker opened {plural(len(opened), 'time')} on nothing but waits for its own pool"
        return broken(case, np.array(opened, np.int64), reason)
    return passed(f"{plural(int(full.sum()), 'wait')} for a connection ended in time, and led to nothing else")


def _late_for_the_pool(case: Case, full: Mask) -> Mask:
    """The attempts that waited longer for a connection than is declared, whether in vain or not: a pool that blocks
    without a time-out of its own hands one out in the end."""
    tries, late = case.attempts, np.zeros(len(full), bool)
    took = np.where(full, tries.table["end_ns"] - tries.table["start_ns"], 0)
    if (held := held_by_pool(case)) is not None:
        took[held.attempt] = np.where(_slowed(case)[tries.row[held.attempt]], 0, held.waits_ns)
    for op in case.calls["op"].names:
        timeout = case.policy.of(op).timeout
        if timeout is not None and timeout.pool is not None and source(case, op, "timeout.pool") == "declared":
            if (_set(case, op) or np.inf) <= timeout.pool:
                continue
            mine = case.calls["op"].among(op)[tries.row]
            late |= mine & (took > int(timeout.pool * 1e9) + case.epsilon_ns[tries.row])
    return late


def _set(case: Case, op: str) -> float | None:
    """The pool time-out (s) that the client's library was told."""
    read = case.promise.read
    found = read.get(f"calls.{op}.timeout.pool", read.get("timeout.pool"))
    return float(found) if isinstance(found, (int, float)) else None


def _slowed(case: Case) -> Mask:
    """The calls that a fault on the way to the witness kept from arriving: that is no wait in the client."""
    kinds = {window.kind for window in case.windows if window.params.get("direction") == "upstream"}
    return case.during(*kinds) if kinds else np.zeros(len(case.calls), bool)


def _tried_again(case: Case, full: Mask) -> Mask:
    tries, again = case.attempts, np.zeros(len(full), bool)
    again[:-1] = full[:-1] & (tries.row[1:] == tries.row[:-1])
    for op in case.calls["op"].names:
        retry = case.policy.of(op).retry
        if retry is not None and "pool_timeout" in retry.on and source(case, op, "retry.on") == "declared":
            again &= ~case.calls["op"].among(op)[tries.row]
    return again


def _opened_by_pool(case: Case, e: Events, states: list[Spell], full: Mask) -> list[int]:
    """The last call (row) before each opening that followed nothing but full pools."""
    crowded = case.attempts.any(full)[e.row]
    found = []
    for spell in states:
        if spell.state == "closed" and spell.at >= 0:
            since = since_served(e, spell)
            if len(since) and not e.failed[since].any() and crowded[since].all():
                found.append(int(e.row[since[-1]]))
    return found
