"""Breaker laws about the time it is open: rejections are quick, it closes when KATO is back, by a steady clock."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import call_bounds_s
from harness.laws.breaker_events import Events, breakers, moved_unseen
from harness.laws.breaker_spells import Spell
from harness.laws.breaker_state import all_spells, breaker_of, events_of
from harness.laws.case import Case, Ints, in_order, names_in, order_of, rows_from
from harness.laws.chains import chains_of
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.laws.steady import failing_without_faults
from harness.stats import quantile, quantile_interval

FAST_NS = 10_000_000
"""laws.md, B4: p99 of rejected calls."""

SLEPT_NS = 50_000_000
"""A rejected call of a re-trying client that lasts longer slept on the rejection, which is R10's matter."""

LEAST = 20
"""Rejections below which no p99 is judged."""

OUTAGES = frozenset({"refuse", "reset_peer", "timeout", "kill", "pause", "status", "drop_before_commit"})


def retrying(case: Case) -> Mask:
    """The calls of operations that are tried again: by the policy, by what the client's methods make, or as seen."""
    names, found = case.calls["op"].names, np.zeros(len(case.calls), bool)
    seen = case.attempts.any(chains_of(case).again)
    made = case.promise.read.get("retrying")
    for op in names:
        mine = case.calls["op"].among(op)
        retry = case.policy.of(op).retry
        promised = retry is not None and retry.max_attempts > 1 and (retry.calls is None or op in retry.calls)
        if promised or (isinstance(made, list | tuple) and op in made) or (mine & seen).any():
            found |= mine
    return found


def rejected_rows(case: Case) -> Ints:
    """The calls that a breaker rejected without a try."""
    return in_order(np.concatenate([rows_from([]), *(e.row[e.rejected] for e in events_of(case))]))


@law(
    "B4",
    "OpenIsFast",
    family="breaker",
    rule="p99 of rejected calls is at most 10 ms",
    trap="a rejection that waits for a lock or a back-off is none; lag of the harness is taken off",
    cure="ask the breaker before anything else, and hold no lock while a call is under way",
    example="callers that queue for the breaker's lock during the trial are rejected after the trial's whole time-out",
    needs=OUTAGES,
    promise=("breaker",),
    wants="an outage during which 20 calls are rejected: refuse",
    calls=LEAST,
)
def open_is_fast(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    rows = rejected_rows(case)
    calls = case.calls
    took = np.maximum(calls["end_ns"] - calls["start_ns"] - case.lag.over(calls["start_ns"], calls["end_ns"]), 0)
    rows = rows[~_slept(case, rows, took)[rows]]
    if not len(rows):
        return unexercised(f"no call was rejected; it takes {exercise('B4')}")
    p99 = quantile(took[rows], 0.99)
    measured = f"p99 {p99 / 1e6:.2f} ms of {plural(len(rows), 'rejection')}"
    if len(rows) >= LEAST and quantile_interval(took[rows], 0.99).above(FAST_NS):
        slow = rows[took[rows] > FAST_NS]
        slow = slow[order_of(-took[slow])]
        reason = f"{plural(len(slow), 'rejected call')} of {len(rows)} took longer than 10 ms"
        return broken(case, slow, reason, of=len(rows), measured=measured, bound="p99 10 ms")
    if len(rows) < LEAST or p99 > FAST_NS:
        return inconclusive(f"{plural(len(rows), 'rejection')} can't tell a p99", measured=measured, bound="p99 10 ms")
    return passed(f"{plural(len(rows), 'call')} were rejected at once", measured=measured, bound="p99 10 ms")


def _slept(case: Case, rejected: Ints, took: Ints) -> Mask:
    """The calls of operations that slept on a rejection, which is R10's matter: a back-off with jitter is short at
    times. A client that does so where it tries again may do so for its other operations, too."""
    again, op = retrying(case), case.calls["op"]
    slow = rejected[took[rejected] >= SLEPT_NS]
    none = np.zeros(len(case.calls), bool)
    return none | op.among(*names_in(op, slow)) if again[slow].any() else none


@dataclass(frozen=True, slots=True)
class Quiet:
    """A stretch without any fault, after at least one: [start_ns, end_ns)."""

    start_ns: int
    end_ns: int


def quiet_stretches(case: Case) -> list[Quiet]:
    """The stretches between a fault's end and the next one's start, or the end of load."""
    found, windows = [], case.windows
    load_end_ns = int(case.calls["start_ns"].max()) if len(case.calls) else 0
    for window in windows:
        ends = [other.end_ns for other in windows if other.start_ns < window.end_ns]
        if window.end_ns == max(ends):
            later = [other.start_ns for other in windows if other.start_ns >= window.end_ns]
            found.append(Quiet(window.end_ns, min(later, default=load_end_ns + 1)))
    return [quiet for quiet in found if quiet.end_ns > quiet.start_ns]


@law(
    "B7",
    "ClosesOnRecovery",
    family="breaker",
    rule="within reset_timeout + the longest call + one trial after the fault is gone the breaker is closed, and "
    "rejects nothing from then on; while it lasts, no longer than that goes by without a trial",
    trap="without traffic there is no trial; success_threshold above 1 takes as many trials; late failures of calls "
    "in flight may push the reset time-out forward",
    cure="let a trial through once the reset time-out has passed, and close on its success",
    example="a breaker whose trial is lost with a cancelled caller stays half-open, and rejects for ever",
    needs=OUTAGES,
    promise=("breaker",),
    wants="an outage, then traffic for longer than reset_timeout + a time-out",
    zero_tolerance=True,
)
def closes_on_recovery(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    late: list[Ints] = []
    closed = 0
    untried = [_untried(case, e, spell) for e, states in all_spells(case) for spell in states if spell.state == "open"]
    for quiet in quiet_stretches(case):
        for e, states in all_spells(case):
            due_ns = _due_ns(case, e, quiet)
            if due_ns is None or not _was_open(states, quiet):
                continue
            after = (e.start_ns > due_ns) & (e.start_ns < quiet.end_ns)
            stuck = after & e.rejected & ~_on_trial(e, states)
            late.append(e.row[stuck])
            closed += bool((after & e.served).any()) and not stuck.any()
    rows = np.concatenate([*late, np.zeros(0, np.int64)])
    if len(rows):
        late_words = f"{plural(len(rows), 'call')} were rejected after the breaker had to be closed again"
        if failing_without_faults(case):
            return inconclusive(
                f"{late_words}, but KATO gave no results without a fault either: trials may rightly fail"
            )
        return broken(case, rows, late_words)
    if sum(map(len, untried)):
        rows = np.concatenate(untried)
        return broken(case, rows, f"{plural(len(rows), 'call')} were rejected when a trial had been due, and none came")
    if not closed:
        return unexercised(f"nobody called late enough after an outage that had opened it; it takes {exercise('B7')}")
    return passed(f"the breaker closed after {plural(closed, 'outage')}, and rejected nothing after that")


def _untried(case: Case, e: Events, spell: Spell) -> Ints:
    """The calls (rows) that an open breaker rejected though it had to let a trial through, whatever goes on with KATO.

    The last attempt of anybody may have opened it anew; what the client tries in the background may be its trial.
    """
    tries = case.attempts
    start, end = tries.table["start_ns"], tries.table["end_ns"]
    near = np.flatnonzero((start < spell.to_ns) & (end > spell.from_ns))
    mine = near[case.calls["op"].among(*e.ops)[tries.row[near]]]
    since_ns = max(spell.from_ns, int(end[mine].max(initial=0)))
    if not case.hooked or moved_unseen(case, spell.from_ns, spell.to_ns):
        return rows_from([])
    stretch = Quiet(since_ns, spell.to_ns)
    due_ns = _due_ns(case, e, stretch)
    return e.row[e.rejected & (e.start_ns > due_ns) & (e.end_ns < spell.to_ns)] if due_ns else rows_from([])


def _due_ns(case: Case, e: Events, quiet: Quiet) -> int | None:
    """When the breaker has to be closed: reset + longest call, and a gap and a trial for each success it takes."""
    breaker = breaker_of(case, e)
    first, last = np.searchsorted(e.start_ns, [quiet.start_ns, quiet.end_ns])
    inside = np.arange(first, last)
    if len(inside) < 2:
        return None
    gap_ns = int(np.diff(e.start_ns[inside]).max())
    tried = inside[~e.rejected[inside]]
    trial_ns = int((e.end_ns[tried] - e.start_ns[tried]).max()) if len(tried) else 0
    epsilon_ns = int(case.epsilon_ns[e.row[inside]].max())
    reset_ns = int(1e9 * breaker.reset_timeout)
    each_ns = breaker.success_threshold * (gap_ns + trial_ns)
    return quiet.start_ns + reset_ns + _longest_ns(case, e, quiet) + each_ns + epsilon_ns


def _longest_ns(case: Case, e: Events, quiet: Quiet) -> int:
    """How long a call that began under the fault may go on: its promised bound, at least what was seen."""
    bounds = [bound for op in e.ops if (bound := call_bounds_s(case).get(op)) is not None]
    over = (e.start_ns < quiet.start_ns) & (e.end_ns > quiet.start_ns)
    seen = int((e.end_ns[over] - quiet.start_ns).max()) if over.any() else 0
    return max(seen, int(1e9 * max(bounds, default=0.0)))


def _was_open(states: list[Spell], quiet: Quiet) -> bool:
    return any(s.state == "open" and s.from_ns < quiet.end_ns and s.to_ns > quiet.start_ns for s in states)


def _on_trial(e: Events, states: list[Spell]) -> Mask:
    found = np.zeros(len(e), bool)
    for spell in states:
        if spell.state == "half_open":
            found |= (e.start_ns >= spell.from_ns) & (e.start_ns <= spell.to_ns)
    return found


@law(
    "B10",
    "ClockRobust",
    family="breaker",
    rule="a step of the wall clock neither lengthens nor shortens the time that the breaker is open",
    trap="pybreaker counts its reset time-out by datetime.now(UTC); its Redis storage keeps whole seconds",
    cure="count time-outs by time.monotonic()",
    example="a clock set back by an hour keeps a breaker open for an hour and a minute",
    needs=frozenset({"external"}),
    promise=("breaker",),
    wants="a step of the wall clock while the breaker is open",
)
def clock_robust(case: Case) -> Ruling:
    if not breakers(case):
        return inapplicable("no breaker is declared or seen in the client")
    steps = [int(step["at_ns"]) for step in case.facts.get("clock_steps") or ()]
    kept = 0
    for e, states in all_spells(case):
        reset_ns = int(1e9 * breaker_of(case, e).reset_timeout)
        for spell, following in pairwise(states):
            if spell.state != "open" or not any(spell.from_ns <= at < spell.to_ns for at in steps):
                continue
            tried = int(e.row[spell.at])
            slack_ns = int(case.epsilon_ns[tried]) + _gap_ns(e, spell) + int(1e9)
            if following.state == "half_open" and abs(spell.to_ns - spell.from_ns - reset_ns) > slack_ns:
                lasted = f"{(spell.to_ns - spell.from_ns) / 1e9:.2f} s"
                reason = f"the breaker was open for {lasted} while the clock was set"
                return broken(case, np.array([tried]), reason, measured=lasted, bound=f"{reset_ns / 1e9:.2f} s")
            kept += 1
    if not kept:
        return unexercised(f"the wall clock was not set while the breaker was open; it takes {exercise('B10')}")
    return passed(f"the breaker kept its time through {plural(kept, 'step')} of the clock")


def _gap_ns(e: Events, spell: Spell) -> int:
    """The longest time without a call while it was open: nobody can be tried before somebody calls."""
    inside = e.start_ns[(e.start_ns >= spell.from_ns) & (e.start_ns <= spell.to_ns)]
    return int(np.diff(np.concatenate([[spell.from_ns], inside, [spell.to_ns]])).max())
