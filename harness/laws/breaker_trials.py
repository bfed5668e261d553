"""Half-open trials from outside, and the laws about them: one at a time, and open again when it failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.laws.breaker_events import Events, breakers, moved_unseen
from harness.laws.breaker_spells import ORDER_NS, Spell
from harness.laws.breaker_state import all_spells, breaker_of, open_since, slack_ns
from harness.laws.case import Case, Ints, once, order_of
from harness.laws.registry import Ruling, broken, exercise, inapplicable, law, passed, plural, unexercised
from harness.policy import Breaker

LEAST_CALLS = 10
"""laws.md, B5: so many calls must come during trials before one trial is more than chance."""

WAITED_NS = 50_000_000
"""An attempt that begins later than this after its call is no direct consequence of it."""

LOOK_AHEAD = 1_000
"""Calls from a trial on that are looked at."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: the deciding call's row, since when the breaker had been open (the earliest possible), whether it had
    been closed before that, who was tried at once, how many calls came meanwhile, and who was let through after it
    had failed though the breaker had to be open again. `reopened`: rejections followed. `breaker`: what is promised of
    it. Where a call from before was re-tried meanwhile it may have been the trial instead: such trials are left out."""

    row: int
    open_ns: int
    from_ns: int
    after_closed: bool
    at_once: Ints
    meanwhile: int
    failed: bool
    through: Ints
    reopened: bool
    breaker: Breaker

    @property
    def allowed(self) -> int:
        """How many calls may be tried at once."""
        return max(self.breaker.half_open_trials, self.breaker.success_threshold)


@once
def trials_of(case: Case) -> list[Trial]:
    """The trials of all breakers, in order of time within each."""
    found = []
    for e, states in all_spells(case):
        for before, opened in zip([None, *states], states[:-1], strict=False):
            if opened.state == "open":
                trial = _trial(case, e, before, opened)
                if not _tried_late(case, e, trial, opened.from_ns):
                    found.append(trial)
    return found


def _tried_late(case: Case, e: Events, trial: Trial, since_ns: int) -> bool:
    """Whether something that isn't among the trials was tried between the opening and the trial's end: a call that
    tried late, or work in the background."""
    if moved_unseen(case, since_ns, int(case.calls["end_ns"][trial.row])):
        return True
    starts, rows = _late_attempts(case)
    first, last = np.searchsorted(starts, [since_ns, case.calls["end_ns"][trial.row]])
    near = rows[first:last]
    near = near[case.calls["op"].among(*e.ops)[near] & (case.calls["worker"][near] == e.worker)]
    return len(np.setdiff1d(near, trial.at_once)) > 0


@once
def _late_attempts(case: Case) -> tuple[Ints, Ints]:
    """When attempts began that their call did not begin with, in order, and their call rows: further ones, and first
    ones that waited (for a back-off after a rejection)."""
    tries = case.attempts
    waited = tries.table["start_ns"] - case.calls["start_ns"][tries.row] > WAITED_NS
    further = np.flatnonzero((np.arange(len(tries.row)) > tries.first[tries.row]) | waited)
    order = further[order_of(tries.table["start_ns"][further])]
    return tries.table["start_ns"][order], tries.row[order]


def _trial(case: Case, e: Events, before: Spell | None, opened: Spell) -> Trial:
    breaker = breaker_of(case, e)
    first = opened.at
    window = np.arange(first, min(first + LOOK_AHEAD, len(e)))
    tried = window[~e.rejected[window]]
    tried = tried[order_of(e.from_ns[tried])]
    group = [int(tried[0])]
    for at in tried[1:]:
        if e.from_ns[at] >= e.to_ns[group].min():
            break
        group.append(int(at))
    ended = sorted(group, key=lambda at: int(e.end_ns[at]))
    decisive = ended[min(breaker.half_open_trials, len(ended)) - 1]
    decided_ns = int(e.end_ns[decisive])
    judged = ended[: breaker.half_open_trials]
    failed = bool(e.failed[judged].all()) and len(ended) >= breaker.half_open_trials
    meanwhile = int(((e.start_ns[window] > e.from_ns[first]) & (e.start_ns[window] < e.to_ns[decisive])).sum())
    after = window[e.start_ns[window] > decided_ns + ORDER_NS]
    let_in = after[~e.rejected[after]][:1]
    # from the trial's attempt on: its call may go on for as long as it waits to try again; the first failure of several
    # trials may open it as well as the last
    again_ns = int(e.to_ns[judged].min()) + int(1e9 * breaker.reset_timeout) - slack_ns(case, decided_ns)
    return Trial(
        row=int(e.row[decisive]),
        open_ns=open_since(case, e, before, opened),
        from_ns=int(e.from_ns[first]),
        after_closed=before is None or before.state == "closed",
        at_once=e.row[np.array(group)],
        meanwhile=meanwhile,
        failed=failed,
        through=e.row[let_in[e.from_ns[let_in] < again_ns]],
        reopened=failed and len(after) > 0 and bool(e.rejected[after[0]]),
        breaker=breaker,
    )


def early(case: Case, trial: Trial) -> bool:
    """Whether the trial came before the reset time-out can have passed."""
    return trial.from_ns < trial.open_ns + int(1e9 * trial.breaker.reset_timeout) - slack_ns(case, trial.from_ns)


@law(
    "B5",
    "HalfOpenSingleTrial",
    family="breaker",
    rule="while a trial is under way no more calls are tried than the policy permits (1 unless declared)",
    trap="pybreaker's decorator passes only because it serialises; `with breaker.calling()` lets every caller through",
    cure="let one call through when half-open, and reject the others until it has ended",
    example="20 callers at once after the reset time-out: 20 of 20 go through a breaker that unlocks before the call",
    needs=frozenset({"latency", "delay", "pause", "timeout"}),
    promise=("breaker",),
    wants="an outage followed by latency for reset_timeout + 2 s, so that 10 calls come during a trial",
    zero_tolerance=True,
)
def half_open_single_trial(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    found = trials_of(case)
    if not found:
        return unexercised(f"the breaker was never half-open; it takes {exercise('B5')}")
    crowd = max(found, key=lambda trial: len(trial.at_once) - trial.allowed)
    allowed = crowd.allowed
    most, came = len(crowd.at_once), sum(trial.meanwhile for trial in found)
    if most > allowed:
        reason = f"{most} calls were tried at once in a half-open breaker"
        return broken(case, crowd.at_once, reason, measured=str(most), bound=str(allowed))
    if came < LEAST_CALLS:
        said = f"only {plural(came, 'call')} came during {plural(len(found), 'trial')}, {LEAST_CALLS} are needed"
        return unexercised(f"{said}; it takes {exercise('B5')}")
    reason = f"{plural(came, 'call')} came during {plural(len(found), 'trial')}, and at most {most} was tried at once"
    return passed(reason, measured=str(most), bound=str(allowed))


@law(
    "B6",
    "ReopensOnFailedTrial",
    family="breaker",
    rule="a failed trial opens the breaker for another reset_timeout",
    trap="each process has its own trials; a trial that meets an answer of 5xx is B3's matter",
    cure="open again on the first failed trial, and start the reset time-out anew",
    example="a breaker that needs fail_max failures to open again sends five calls into every outage each minute",
    needs=frozenset({"refuse", "reset_peer", "timeout", "kill", "pause", "drop_before_commit"}),
    promise=("breaker",),
    wants="an outage of three reset time-outs: refuse or timeout",
)
def reopens_on_failed_trial(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    failed = [trial for trial in trials_of(case) if trial.failed and not _answered(case, trial)]
    bad = [trial for trial in failed if len(trial.through)]
    if bad:
        rows = np.unique(np.concatenate([trial.through for trial in bad]))
        reason = (
            f"{plural(len(bad), 'failed trial')} of {len(failed)} did not open the breaker again for its whole time"
        )
        return broken(case, rows, reason, bound=f"{bad[0].breaker.reset_timeout:.2f} s")
    kept = sum(trial.reopened for trial in failed)
    if not kept:
        return unexercised(f"no trial failed with calls coming after it; it takes {exercise('B6')}")
    return passed(f"{plural(kept, 'failed trial')} opened the breaker again")


def _answered(case: Case, trial: Trial) -> bool:
    tries = case.attempts
    return bool(tries.count[trial.row]) and bool(case.words["5xx"][tries.last[trial.row]])
