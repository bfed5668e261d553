"""Breaker laws: it opens when it must, on what it must count, and not before."""

from __future__ import annotations

import numpy as np

from harness.laws.breaker_events import Events, breakers
from harness.laws.breaker_runs import Run, full_runs, needed
from harness.laws.breaker_spells import Spell, since_served
from harness.laws.breaker_state import all_spells, breaker_of, premature
from harness.laws.breaker_trials import Trial, early, trials_of
from harness.laws.case import Case, Ints, rows_from
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.policy import Breaker

BREAKER = ("breaker",)


def no_breaker(case: Case) -> Ruling | None:
    """The ruling where there is nothing to judge: no breaker, or none whose limit is known."""
    promised = breakers(case)
    if not promised:
        return inapplicable("no breaker is declared or seen in the client")
    if not any(needed(breaker) for breaker in promised):
        return inconclusive("the breaker's limit (fail_max, or min_calls of a ratio) is neither declared nor readable")
    return None


def on_status(case: Case, rows: Ints) -> bool:
    """Whether one of these failed calls ended in an answer of 5xx."""
    tries = case.attempts
    last = tries.last[rows[tries.count[rows] > 0]]
    return bool(case.words["5xx"][last].any()) or bool(case.calls["error"].among("5xx")[rows].any())


def openings(case: Case) -> list[tuple[Events, Spell, Ints]]:
    """Each time that a closed breaker opened, with the tried events since the last served one."""
    return [
        (e, spell, since_served(e, spell))
        for e, states in all_spells(case)
        for spell in states
        if spell.state == "closed" and spell.at >= 0
    ]


@law(
    "B1",
    "OpensOnThreshold",
    family="breaker",
    rule="after fail_max counted failures in a row nothing is sent until reset_timeout has passed",
    trap="attempts in flight when it opens still arrive; each process has a breaker of its own",
    cure="put the breaker around the very call that fails, so that every failure is counted and every call asks it",
    example="an `async def` under a synchronous breaker: creating the coroutine counts as success, and it never opens",
    needs=frozenset({"refuse", "reset_peer", "timeout", "kill", "pause", "drop_before_commit"}),
    promise=BREAKER,
    wants="an outage longer than fail_max calls: refuse, or timeout",
    zero_tolerance=True,
)
def opens_on_threshold(case: Case) -> Ruling:
    if nothing := no_breaker(case):
        return nothing
    runs = [run for run in full_runs(case) if not on_status(case, run.failed)]
    through = [run for run in runs if len(run.through)]
    if through:
        return _missed(case, through, "connection errors and time-outs")
    hasty = [trial for trial in trials_of(case) if trial.after_closed and needed(trial.breaker) and early(case, trial)]
    if hasty:
        rows = rows_from(trial.row for trial in hasty)
        reason = f"{plural(len(rows), 'try')} while the breaker was open, before its reset time-out had passed"
        first = min(hasty, key=lambda trial: trial.from_ns - trial.open_ns)
        soonest = f"{(first.from_ns - first.open_ns) / 1e9:.2f} s"
        return broken(case, rows, reason, measured=soonest, bound=f"{first.breaker.reset_timeout:.2f} s")
    opened = openings(case)
    if any(e.failed[since].any() for e, _, since in opened):
        return passed(
            f"the breaker opened {plural(len(opened), 'time')}, and nothing was sent until its reset time-out"
        )
    if runs:
        return inconclusive("no call came while the breaker had to be open, so nobody saw whether it was")
    return unexercised(f"no run of failures filled the count; it takes {exercise('B1')}")


def _missed(case: Case, runs: list[Run], what: str) -> Ruling:
    rows = np.unique(np.concatenate([run.through for run in runs]))
    longest = max(len(run.failed) for run in runs)
    reason = f"{longest} failures in a row ({what}) left the breaker closed: {plural(len(rows), 'call')} went through"
    limit = needed(case.policy.of(runs[0].op).breaker or Breaker())
    return broken(case, rows, reason, measured=f"{longest} in a row", bound=str(limit))


@law(
    "B2",
    "NoPrematureOpen",
    family="breaker",
    rule="the breaker stays closed while fewer than fail_max failures come in a row (or the ratio isn't reached)",
    trap="a breaker that opens on a ratio is held to its window and least number of calls, not to a row",
    cure="reset the count at every success, and count each failure once",
    example="a breaker that never resets its count opens after 5 failures in an hour of 0.1 % errors",
    needs=frozenset({"sequence", "status", "drop_before_commit", "reset_peer", "truncate", "quota", "refuse"}),
    promise=BREAKER,
    wants="failures with successes between: sequence [cut*4, ok], or status with only: {every: 4}",
)
def no_premature_open(case: Case) -> Ruling:
    if nothing := no_breaker(case):
        return nothing
    hasty = [(e, spell) for e, spell, _ in openings(case) if premature(case, e, spell)]
    if hasty:
        rows = rows_from(e.row[spell.at] for e, spell in hasty)
        reason = f"the breaker opened {plural(len(rows), 'time')} on fewer failures than its limit"
        return broken(case, rows, reason, bound=str(needed(breaker_of(case, hasty[0][0]))))
    seen = sum(int(e.failed.sum()) for e, _ in all_spells(case))
    if not seen:
        return unexercised(f"nothing failed behind the breaker; it takes {exercise('B2')}")
    return passed(
        f"{plural(seen, 'failure')} opened the breaker {plural(len(openings(case)), 'time')}, never too early"
    )


@law(
    "B3",
    "CountsRightFailures",
    family="breaker",
    rule="answers of 5xx count as failures, alone or between others, also in a half-open trial; 4xx don't",
    trap="pybreaker treats an excluded exception as success: it resets the count, and closes a half-open breaker",
    cure="count 5xx as failures: raise for the status inside the breaker, and don't exclude HTTP status errors",
    example="CircuitBreaker(exclude=[httpx.HTTPStatusError]) stays closed through an hour of 503",
    needs=frozenset({"status", "sequence", "commit_then_status"}),
    promise=BREAKER,
    wants="a burst of 5xx longer than fail_max calls: status, or sequence [cut*4, status:503]",
)
def counts_right_failures(case: Case) -> Ruling:
    if nothing := no_breaker(case):
        return nothing
    runs = [run for run in full_runs(case) if on_status(case, run.failed)]
    through = [run for run in runs if len(run.through)]
    if through:
        return _missed(case, through, "answers of 5xx among them")
    closed = [trial for trial in trials_of(case) if trial.failed and len(trial.through) and _by_status(case, trial)]
    if closed:
        rows = np.unique(np.concatenate([trial.through for trial in closed]))
        return broken(case, rows, f"an answer of 5xx to the trial closed the breaker, {plural(len(closed), 'time')}")
    wrong = _opened_by_4xx(case)
    if len(wrong):
        reason = f"the breaker opened {plural(len(wrong), 'time')} on answers of 4xx, without a counted failure"
        return broken(case, wrong, reason, cure="don't count 4xx: they are the caller's mistake, and KATO is well")
    opened = sum(run.opened for run in runs), sum(on_status(case, e.row[since]) for e, _, since in openings(case))
    if any(opened):
        return passed(f"the breaker opened after failures with answers of 5xx, {plural(max(opened), 'time')}")
    if runs:
        return inconclusive("no call came while the breaker had to be open, so nobody saw whether it was")
    return unexercised(f"no run of failures with a 5xx filled the count; it takes {exercise('B3')}")


def _by_status(case: Case, trial: Trial) -> bool:
    return on_status(case, rows_from([trial.row]))


def _opened_by_4xx(case: Case) -> Ints:
    """The calls (rows) before which a breaker opened though nothing but 4xx had come since the last success.

    A 404 while a store fails is a fault of the server in disguise (contract, section 7).
    """
    excused, refused = case.during("store", "external"), case.attempts.any(case.words["4xx"])
    found = [
        int(e.row[since[-1]])
        for e, _, since in openings(case)
        if not e.failed[since].any() and refused[e.row[since]].sum() >= (needed(breaker_of(case, e)) or 1)
    ]
    return rows_from(row for row in found if not excused[row])
