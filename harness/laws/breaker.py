"""Breaker laws: it opens when it must, on what it must count."""

from __future__ import annotations

import numpy as np

from harness.laws.breaker_runs import Run, full_runs, needed
from harness.laws.breaker_state import all_spells, since_served
from harness.laws.case import Case, Ints
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.policy import Breaker

FAILING = frozenset({"refuse", "status", "sequence", "reset_peer", "timeout", "kill", "drop_before_commit"})


def no_breaker(case: Case) -> Ruling | None:
    """The ruling where there is nothing to judge: no breaker, or none whose limit is known."""
    policies = (case.policy, *case.policy.calls.values())
    breakers = [policy.breaker for policy in policies if policy.breaker is not None]
    if not breakers:
        return inapplicable("no breaker is declared or seen in the client")
    if not any(needed(breaker) for breaker in breakers):
        return inconclusive("the breaker's limit (fail_max, or min_calls of a ratio) is neither declared nor readable")
    return None


def on_status(case: Case, rows: Ints) -> bool:
    """Whether one of these failed calls ended in an answer of 5xx."""
    tries = case.attempts
    last = tries.last[rows[tries.count[rows] > 0]]
    return bool(case.words["5xx"][last].any()) or bool(case.calls["error"].among("5xx")[rows].any())


@law(
    "B3",
    "CountsRightFailures",
    family="breaker",
    rule="answers of 5xx count as failures, alone or between others, also in a half-open trial; 4xx don't",
    trap="pybreaker treats an excluded exception as success: it resets the count, and closes a half-open breaker",
    cure="count 5xx as failures: raise for the status inside the breaker, and don't exclude HTTP status errors",
    example="CircuitBreaker(exclude=[httpx.HTTPStatusError]) stays closed through an hour of 503",
    needs=frozenset({"status", "sequence", "commit_then_status"}),
    promise=("breaker",),
    wants="a burst of 5xx longer than fail_max calls: status, or sequence [cut*4, status:503]",
)
def counts_right_failures(case: Case) -> Ruling:
    if nothing := no_breaker(case):
        return nothing
    runs = [run for run in full_runs(case) if on_status(case, run.failed)]
    through = [run for run in runs if len(run.through)]
    if through:
        return _missed(case, through)
    wrong = _opened_by_4xx(case)
    if len(wrong):
        reason = f"the breaker opened {plural(len(wrong), 'time')} on answers of 4xx, without a counted failure"
        return broken(case, wrong, reason, cure="don't count 4xx: they are the caller's mistake, and KATO is well")
    opened = [run for run in runs if run.opened]
    by_attempt = _opened_on_status(case)
    if opened or by_attempt:
        count = max(len(opened), by_attempt)
        return passed(f"the breaker opened after failures with answers of 5xx, {plural(count, 'time')}")
    if runs:
        return inconclusive("no call came while the breaker had to be open, so nobody saw whether it was")
    return unexercised(f"no run of failures with a 5xx filled the count; it takes {exercise('B3')}")


def _missed(case: Case, runs: list[Run]) -> Ruling:
    rows = np.unique(np.concatenate([run.through for run in runs]))
    longest = max(len(run.failed) for run in runs)
    limit = needed(case.policy.of(runs[0].op).breaker or Breaker())
    return broken(
        case,
        rows,
        f"{longest} failures in a row, answers of 5xx among them, left the breaker closed: {plural(len(rows), 'call')} "
        "went through after the count was full",
        measured=f"{longest} in a row",
        bound=str(limit),
    )


def _opened_by_4xx(case: Case) -> Ints:
    """The calls (rows) before which a breaker opened though nothing but 4xx had come since the last success."""
    excused = case.during("store")
    found: list[int] = []
    for e, states in all_spells(case):
        bad = case.attempts.any(case.words["4xx"])[e.row]
        for spell in states:
            since = since_served(e, spell) if spell.state == "closed" and spell.at >= 0 else np.zeros(0, np.int64)
            limit = needed(case.policy.breaker or Breaker()) or 1
            if (
                len(since)
                and not e.failed[since].any()
                and bad[since].sum() >= limit
                and not excused[e.row[since]].any()
            ):
                found.append(int(e.row[since[-1]]))
    return np.array(found, np.int64)


def _opened_on_status(case: Case) -> int:
    """How often a breaker opened with an answer of 5xx among the failures since the last success."""
    found = 0
    for e, states in all_spells(case):
        bad = case.attempts.any(case.words["5xx"])[e.row]
        for spell in states:
            if spell.state == "closed" and spell.at >= 0:
                found += bool(bad[since_served(e, spell)].any())
    return found
