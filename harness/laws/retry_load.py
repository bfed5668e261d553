"""Retry laws about the whole: how much load retries add, when they stop, and whether calls disturb each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import source
from harness.laws.breaker_events import breakers
from harness.laws.breaker_flow import queued_rows
from harness.laws.breaker_open import SLEPT_NS, rejected_rows, retrying
from harness.laws.case import Case, Ints, Window, in_order
from harness.laws.chains import chains_of
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.laws.retries import RETRIED, limits, no_retry, unseen
from harness.policy import Budget
from harness.stats import wilson

ALL_FAIL = 0.95
"""Share of failed attempts from which on a fault is total."""

LEAST_CALLS = 20
BUCKET = 10
"""Re-tries that a full token bucket may let through at once (gRPC: maxTokens 10)."""

LEAST_REJECTIONS = 5
CONCURRENT = 50
"""laws.md, R12: failing calls at the same time."""


@dataclass(frozen=True, slots=True)
class Storm:
    """One fault under which nearly every attempt failed: its calls (rows) and re-tries, in it all and its last half."""

    window: Window
    calls: Ints
    retries: Ints
    late_calls: int
    late_retries: int


def storms(case: Case) -> list[Storm]:
    """The faults under which at least 95 % of attempts failed, with at least 20 calls."""
    tries, chains = case.attempts, chains_of(case)
    start = tries.table["start_ns"]
    found = []
    for window in case.windows:
        inside = (start >= window.start_ns) & (start < window.end_ns)
        rows = np.flatnonzero((case.calls["start_ns"] >= window.start_ns) & (case.calls["start_ns"] < window.end_ns))
        # Behind a breaker a handful of attempts is all there is: one that slipped through before would outweigh them.
        surely = inside & (start >= window.sure_ns)
        if len(rows) < LEAST_CALLS or (surely & ~case.words["ok"]).sum() < ALL_FAIL * max(int(surely.sum()), 1):
            continue
        again = np.flatnonzero(inside & chains.again)
        half = (window.start_ns + window.end_ns) // 2
        late_calls = int((case.calls["start_ns"][rows] >= half).sum())
        found.append(Storm(window, rows, again, late_calls, int((start[again] >= half).sum())))
    return found


def budget_of(case: Case) -> Budget | None:
    """The retry budget that the policy names, for all operations or for one."""
    policies = (case.policy, *case.policy.calls.values())
    return next((policy.retry.budget for policy in policies if policy.retry and policy.retry.budget), None)


def _surely_more(seen: int, allowed: float) -> bool:
    """Whether a count is above what is allowed by more than chance (Poisson, 95 %)."""
    return bool(seen - 1.96 * np.sqrt(seen) > allowed)


@law(
    "R6",
    "Amplification",
    family="retries",
    rule="in a total failure attempts per call stay within the declared retry budget, else within max_attempts",
    trap="only an open model shows it: closed users wait for their own retries; at half the failures it looks harmless",
    cure="give retries a budget (10 to 20 % of calls), retry in one layer only, and shed early",
    example="3 attempts in the client and 4 in the mesh: 12 requests a call, just when KATO can't take one",
    needs=RETRIED,
    promise=("retry",),
    wants="a total failure of 20 calls or more: status 503, or refuse",
    calls=LEAST_CALLS,
)
def amplification(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    found = storms(case)
    if not found:
        return unexercised(f"nothing failed as a whole for {LEAST_CALLS} calls; it takes {exercise('R6')}")
    budget, workers = budget_of(case), len(case.workers)
    tries = case.attempts
    worst, bad = 1.0, []
    for storm in found:
        sent = int(tries.count[storm.calls].sum())
        worst = max(worst, sent / len(storm.calls))
        if _surely_more(len(storm.retries), _allowed(case, storm, budget, workers)):
            bad.append(storm)
    bound = f"{1 + budget.ratio:g} + {budget.min_per_second:g}/s" if budget else f"{max(limits(case).max(), 1)}"
    measured = f"{worst:.2f} attempts a call"
    if bad:
        rows = np.unique(np.concatenate([tries.row[storm.retries] for storm in bad]))
        total = sum(len(storm.retries) for storm in bad)
        reason = f"{plural(total, 're-try')} for {plural(sum(len(s.calls) for s in bad), 'call')} of a total failure"
        return broken(case, rows, reason, measured=measured, bound=bound)
    return passed(
        f"retries added no more than promised in {plural(len(found), 'total failure')}", measured=measured, bound=bound
    )


def _allowed(case: Case, storm: Storm, budget: Budget | None, workers: int) -> float:
    """The re-tries that the policy allows in a storm."""
    if budget is None:
        return float(np.maximum(limits(case)[storm.calls] - 1, 0).sum()) if limits(case).any() else np.inf
    length_s = (storm.window.end_ns - storm.window.start_ns) / 1e9
    return budget.ratio * len(storm.calls) + workers * (BUCKET + budget.min_per_second * length_s)


@law(
    "R7",
    "RetryBudgetEngages",
    family="retries",
    rule="in the second half of a total failure the share of re-tries is within the declared budget",
    trap="each process has a budget of its own; what a full bucket lets through at first is no breach",
    cure="take a token for each re-try and earn a part of one with each call (gRPC, Linkerd, Finagle)",
    example="a budget that is earned by attempts instead of calls pays for itself and never ends",
    needs=RETRIED,
    promise=("retry.budget",),
    wants="a total failure that lasts: status 503 or refuse",
    calls=2 * LEAST_CALLS,
)
def retry_budget_engages(case: Case) -> Ruling:
    budget = budget_of(case)
    if budget is None:
        return inapplicable("no retry budget is declared or read")
    if nothing := unseen(case):
        return nothing
    workers = len(case.workers)
    found = [storm for storm in storms(case) if storm.late_calls >= LEAST_CALLS]
    if not found:
        return unexercised(f"nothing failed as a whole for long enough; it takes {exercise('R7')}")
    measured = f"{max(storm.late_retries / storm.late_calls for storm in found):.2f} re-tries a call"
    bound = f"{budget.ratio:g} + {budget.min_per_second:g}/s"
    for storm in found:
        half_s = (storm.window.end_ns - storm.window.start_ns) / 2e9
        allowed = budget.ratio * storm.late_calls + workers * (1 + budget.min_per_second * half_s)
        if _surely_more(storm.late_retries, allowed):
            rows = np.unique(case.attempts.row[storm.retries[-storm.late_retries :]])
            reason = (
                f"{plural(storm.late_retries, 're-try')} for {plural(storm.late_calls, 'call')} late in the failure"
            )
            return broken(case, rows, reason, measured=measured, bound=bound)
    if not any(len(storm.retries) for storm in found):
        return unexercised("nothing was tried again in the failure")
    return passed("the budget held to the end of the failure", measured=measured, bound=bound)


@law(
    "R10",
    "RetryStopsWhenOpen",
    family="retries",
    rule="a call that an open breaker rejects ends within 50 ms: the rejection is neither re-tried nor slept on",
    trap="the order of decorators decides: retry(breaker()) burns its waits, breaker(retry()) counts a third; a call "
    "that queued in the client before it was rejected is B8's matter",
    cure="don't retry the breaker's error: exclude it in retry=, or put the breaker outside",
    example="@retry over @breaker answers an open breaker after 2 + 2 s of sleep",
    needs=frozenset({"refuse", "reset_peer", "timeout", "kill", "status", "drop_before_commit"}),
    promise=("breaker",),
    wants="an outage under a client with breaker and retry: refuse",
    calls=5,
)
def retry_stops_when_open(case: Case) -> Ruling:
    again = retrying(case)
    if not breakers(case) or not again.any():
        return inapplicable("breaker and retry are not both declared, read or seen")
    calls, rows = case.calls, np.setdiff1d(rejected_rows(case), queued_rows(case))
    rows = rows[again[rows]]
    if not len(rows):
        return unexercised(f"no call was rejected; it takes {exercise('R10')}")
    took = calls["end_ns"] - calls["start_ns"] - case.lag.over(calls["start_ns"], calls["end_ns"])
    slow = rows[took[rows] > SLEPT_NS]
    measured = f"{len(slow)} of {len(rows)} slower than 50 ms"
    if wilson(len(slow), len(rows)).above(0.05) and len(rows) >= LEAST_REJECTIONS:
        slow = slow[np.argsort(-took[slow], kind="stable")]
        longest = f"{took[slow[0]] / 1e9:.2f} s"
        reason = f"{plural(len(slow), 'rejected call')} of {len(rows)} slept on an open breaker, up to {longest}"
        return broken(case, slow, reason, of=len(rows), measured=measured, bound="50 ms")
    if len(rows) < LEAST_REJECTIONS:
        return inconclusive(f"{plural(len(rows), 'rejection')} can't tell", measured=measured)
    return passed(f"{plural(len(rows), 'rejected call')} ended at once", measured=measured, bound="50 ms")


@law(
    "R12",
    "RetryIsolation",
    family="retries",
    rule="of 50 calls that fail at the same time each makes exactly max_attempts attempts",
    trap="a breaker, a budget or a deadline may rightly end a call earlier: then nothing can be told",
    cure="make the retrying object for each call, as tenacity's decorator does; don't share one AsyncRetrying",
    example="one AsyncRetrying for the module: concurrent calls count each other's attempts (tenacity#93)",
    needs=RETRIED,
    promise=("retry.max_attempts",),
    wants="a total failure with 50 calls at once under a client with retries and no breaker: status 503",
    calls=CONCURRENT,
)
def retry_isolation(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    if breakers(case) or budget_of(case) is not None:
        return inapplicable("a breaker or a budget may rightly end retries early")
    rows = _surely_retriable(case)
    troubled = np.flatnonzero(case.attempts.any(case.words["lost"] | case.words["5xx"]))
    if len(rows) < LEAST_CALLS or _most_at_once(case, troubled) < CONCURRENT:
        return unexercised(f"never did {CONCURRENT} calls fail at the same time; it takes {exercise('R12')}")
    most = np.zeros(len(case.calls), np.int64)
    np.maximum.at(most, case.attempts.row, chains_of(case).nth)
    odd = rows[most[rows] != limits(case)[rows]]
    measured, bound = f"{len(odd)} of {len(rows)} otherwise", f"exactly {int(limits(case)[rows].max())}"
    if wilson(len(odd), len(rows)).above(0.05):
        reason = f"{plural(len(odd), 'call')} of {len(rows)} that failed together made another number of attempts"
        return broken(case, odd, reason, of=len(rows), measured=measured, bound=bound)
    return passed(
        f"{plural(len(rows), 'call')} that failed together made their own attempts", measured=measured, bound=bound
    )


def _surely_retriable(case: Case) -> Ints:
    """The failed calls (rows) of which every attempt failed as the known `retry.on` names, with time left, where
    other calls of their operation did use up their attempts."""
    calls, tries = case.calls, case.attempts
    chosen = np.zeros(len(calls), bool)
    for op in calls["op"].names:
        policy = case.policy.of(op)
        retry = policy.retry
        if (
            retry is None
            or retry.max_attempts < 2
            or not retry.on
            or (retry.calls is not None and op not in retry.calls)
        ):
            continue
        if retry.calls is None and op != "predict" and source(case, op, "retry.on") != "read":
            continue
        named = case.failures(retry.on)
        mine = calls["op"].among(op) & (tries.count > 0) & (tries.number(named) == tries.count) & ~_opening(case, op)
        chosen |= mine & (tries.count[mine].max(initial=0) >= retry.max_attempts)
        if policy.timeout is not None and policy.timeout.total is not None:
            chosen &= ~calls["op"].among(op) | (calls["end_ns"] - calls["start_ns"] < 5e8 * policy.timeout.total)
    found: Ints = np.flatnonzero(chosen & ~calls["outcome"].among("cancelled", "ok"))
    return found


def _opening(case: Case, op: str) -> Mask:
    """The calls of which something else was sent: a client that opens sessions of its own may fail at that, and try it
    once only. Of such a client nobody knows what it was that never arrived."""
    seen = case.arrivals
    of_op = seen.table["op"].among(op)
    owner = len(of_op) > 0 and not case.calls["op"].among("open_session").any()
    return seen.any(~of_op) | (owner & ~seen.any(of_op))


def _most_at_once(case: Case, rows: Ints) -> int:
    if not len(rows):
        return 0
    start, end = in_order(case.calls["start_ns"][rows]), in_order(case.calls["end_ns"][rows])
    return int((np.arange(1, len(rows) + 1) - np.searchsorted(end, start, side="right")).max())
