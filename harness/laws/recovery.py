"""Recovery laws: how long it takes until all is as before, whether it ever is, and whether everybody comes at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence.table import Mask
from harness.laws.band import LEAST_A_WINDOW, Band, band_of, failing, service_of, untold, within, working
from harness.laws.bounds import backoff_s, call_bounds_s
from harness.laws.breaker_events import explicit_rejections
from harness.laws.breaker_open import Quiet, quiet_stretches
from harness.laws.case import Case, Ints, in_order
from harness.laws.chains import chains_of
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised

SECOND_NS = 1_000_000_000
IN_A_ROW = 3

GATE_NS = 10_000_000
FEW = 10
"""Calls that a gate must let go within GATE_NS to be one."""

GRACE_NS = SECOND_NS
"""laws.md, M1: the first second after a fault is left out (removing a toxic closes the connections it held)."""

NO_BAND = "no baseline with enough calls whose service is seen, so nobody knows what recovered means"
UNTOLD = "commits that belong to no one call may be those of the writes that are still put aside"

ANY = frozenset({
    "refuse", "status", "timeout", "reset_peer", "kill", "pause", "latency", "delay", "drop_before_commit", "sequence",
    "commit_then_drop", "bandwidth", "slicer", "drip", "quota", "store", "external", "limit_data", "slow_close",
})  # fmt: skip


def allowed_ns(case: Case) -> int:
    """How long recovery may take: max(reset time-out, longest back-off) + the longest call + 10 s (scaled, ≥ 3 s)."""
    policies = (case.policy, *case.policy.calls.values())
    resets = [policy.breaker.reset_timeout for policy in policies if policy.breaker]
    waits = [backoff_s(policy, policy.retry.max_attempts) for policy in policies if policy.retry]
    longest = max(call_bounds_s(case).values(), default=0.0)
    slack = max(10.0 * case.promise.scale, 3.0)
    return int(1e9 * (max([*resets, *waits], default=0.0) + longest + slack))


@dataclass(frozen=True, slots=True)
class Return:
    """How a quiet stretch went: seconds (from its start) whose calls were out of band, and the first of three in a
    row that were in it (ns after the fault; −1: never seen)."""

    quiet: Quiet
    out: tuple[int, ...]
    back_ns: int
    seconds: int


def returns(case: Case, band: Band) -> list[Return]:
    """One Return for each stretch without faults that is long enough to tell."""
    stretches = quiet_stretches(case)
    found: list[Return | None] = case.memo.get(
        ("returns", band), lambda: [return_of(case, band, quiet) for quiet in stretches]
    )
    return [each for each in found if each is not None]


def return_of(case: Case, band: Band, quiet: Quiet) -> Return | None:
    """How one stretch went; None when it is too short or too empty to tell."""
    calls = case.calls
    begin = quiet.start_ns + GRACE_NS
    seconds = (quiet.end_ns - begin) // SECOND_NS
    rows = np.flatnonzero(working(case) & (calls["start_ns"] >= begin) & (calls["start_ns"] < quiet.end_ns))
    if seconds < IN_A_ROW or len(rows) < LEAST_A_WINDOW * seconds / 2:
        return None
    rows = rows[np.argsort(calls["start_ns"][rows], kind="stable")]
    edges = np.searchsorted(calls["start_ns"][rows], begin + SECOND_NS * np.arange(seconds + 1))
    starts = begin + SECOND_NS * np.arange(seconds)
    lags = case.lag.over(starts, starts + SECOND_NS).tolist()
    good = np.zeros(seconds, bool)
    for second in range(seconds):
        mine = rows[edges[second] : edges[second + 1]]
        good[second] = len(mine) < LEAST_A_WINDOW or within(band, case, mine, lags[second])
    back = -1
    for second in range(seconds - IN_A_ROW + 1):
        together = rows[edges[second] : edges[second + IN_A_ROW]]
        if good[second : second + IN_A_ROW].all() and not failing(band, case, together):
            back = second
            break
    out = tuple(int(second) for second in np.flatnonzero(~good))
    return Return(quiet, out, back * SECOND_NS + GRACE_NS if back >= 0 else -1, seconds)


@law(
    "M1",
    "MTTR",
    family="recovery",
    rule="after a fault is gone the first of three seconds in band (errors ≤ baseline + 5 points by the whole 95 % "
    "interval, p50 ≤ 2 × baseline + 10 ms) comes within max(reset_timeout, longest back-off) + the longest call + 10 s",
    trap="the first second is left out: removing a time-out toxic closes the connections that it held; a client that "
    "puts every write aside has served one when KATO commits it, and may take its time for those of the fault (M3)",
    cure="let trials through when the reset time-out has passed, bound back-off, drop pooled connections that died, "
    "and drain what was put aside faster than more is",
    example="a pool full of connections that no longer answer: each is tried, and waits for its whole time-out",
    needs=ANY,
    wants="a fault, and traffic after it for as long as recovery may take",
    calls=20,
)
def mean_time_to_recover(case: Case) -> Ruling:
    band = band_of(case)
    if band is None:
        return inconclusive(NO_BAND)
    bound = allowed_ns(case)
    found = returns(case, band)
    more = {each: backlog_ns(case, each.quiet) for each in found}
    late = [each for each in found if _is_late(each, bound + more[each])]
    shown = f"{(bound + max((more[each] for each in late), default=0)) / 1e9:.1f} s"
    if late:
        rows = _rows_out(case, late)
        if explicit_rejections(case)[rows].all():
            return inconclusive("whatever failed after the fault was rejected by the breaker: B7 judges that")
        if untold(case, rows):
            return inconclusive(UNTOLD)
        longest = max((each.back_ns if each.back_ns >= 0 else each.seconds * SECOND_NS) for each in late) / 1e9
        never = any(each.back_ns < 0 for each in late)
        reason = f"{'not back' if never else 'back only'} after {longest:.1f} s, after {plural(len(late), 'fault')}"
        return broken(case, rows, reason, measured=f"{longest:.1f} s", bound=shown)
    back = [each for each in found if each.back_ns >= 0]
    if not back:
        why = "the run ended before recovery was due" if found else "no fault was followed by three seconds of traffic"
        return inconclusive(why) if found else unexercised(f"{why}; it takes {exercise('M1')}")
    if not _hurt(case, band):
        return unexercised("no fault drove the calls out of band, so there was nothing to recover from")
    slowest = max(each.back_ns for each in back) / 1e9
    return passed(f"back in band after {plural(len(back), 'fault')}", measured=f"{slowest:.1f} s", bound=shown)


def backlog_ns(case: Case, quiet: Quiet) -> int:
    """How long it takes to make up for the writes that were put aside before a fault was gone, and sent after it: half
    the baseline's rate may come on top of it (M3). There is a baseline where there is a band."""
    spans = case.history.phase("baseline")
    peace_ns = sum(span.end_ns - span.start_ns for span in spans)
    usual = int(case.history.calls_in("baseline").sum())
    seen = case.replays
    owed = (case.calls["start_ns"][seen.row] < quiet.start_ns) & (seen.table["arrive_ns"] >= quiet.start_ns)
    return len(np.unique(seen.row[owed])) * peace_ns * 2 // usual


def _is_late(each: Return, bound: int) -> bool:
    watched = each.seconds * SECOND_NS + GRACE_NS
    return each.back_ns > bound if each.back_ns >= 0 else watched >= bound + IN_A_ROW * SECOND_NS


def _rows_out(case: Case, found: list[Return]) -> Ints:
    """The failed or slow calls of the seconds that were out of band: of all, where only three together ever were."""
    calls = case.calls
    chosen = np.zeros(len(calls), bool)
    for each in found:
        second = (calls["start_ns"] - each.quiet.start_ns - GRACE_NS) // SECOND_NS
        chosen |= np.isin(second, each.out or range(each.seconds))
    rows = np.flatnonzero(chosen & working(case))
    bad = rows[~service_of(case).ok[rows]]
    return bad if len(bad) else rows


def _hurt(case: Case, band: Band) -> bool:
    """Whether calls under some fault were out of band."""
    rows = np.flatnonzero(case.during() & working(case))
    if not len(rows):
        return False
    return failing(band, case, rows) or bool(np.median(service_of(case).took[rows]) > band.median_ns)


@law(
    "M2",
    "NoMetastability",
    family="recovery",
    rule="at the same offered load all is in band from three recovery times after the fault on",
    trap="a closed model hides it: its users wait; one run is one cell of the map of trigger length × load",
    cure="give retries a budget, shed early, and let queues drop what nobody waits for any more",
    example="retries of time-outs keep KATO at twice its capacity long after the 5 s stall that began them (OSDI'22)",
    needs=ANY,
    wants="an open load near capacity, and three recovery times of it after the fault",
    calls=20,
)
def no_metastability(case: Case) -> Ruling:
    band = band_of(case)
    if band is None:
        return inconclusive(NO_BAND)
    settled_s = 3 * allowed_ns(case) / 1e9
    watched = [each for each in returns(case, band) if each.seconds >= settled_s + IN_A_ROW]
    if not watched:
        return unexercised(f"nobody watched for {settled_s:.0f} s after a fault; it takes {exercise('M2')}")
    for each in watched:
        late = [second for second in each.out if second >= settled_s]
        if len(late) >= IN_A_ROW and len(late) > (each.seconds - settled_s) / 2:
            rows = _rows_out(case, [each])
            if untold(case, rows):
                return inconclusive(UNTOLD)
            reason = f"still out of band {each.seconds} s after the fault, at the load that was fine before it"
            return broken(case, rows, reason, measured=f"{len(late)} s out of band", bound=f"{settled_s:.0f} s")
    return passed(f"in band again, and stayed so, after {plural(len(watched), 'fault')}")


@law(
    "M3",
    "NoHerd",
    family="recovery",
    rule="in the 10 s after a fault no second brings more than 1.5 times the baseline's attempts, or the calls that "
    "the load has due in it where those are more",
    trap="calls that waited for their session are the users' backlog, and a queue in the client is B8's matter: what "
    "counts are replays, what was called in that very second, and re-tries but of what the fault's end cut off",
    cure="spread what was put aside: jitter on re-tries and replays, and a limit on their rate",
    example="all clients of an outage wait for exactly the same time, and come back in the same instant",
    needs=frozenset({"refuse", "status", "timeout", "reset_peer", "kill", "pause", "drop_before_commit"}),
    wants="an outage, then traffic: refuse or pause",
    calls=20,
)
def no_herd(case: Case) -> Ruling:
    if not case.hooked:
        return inconclusive("attempts are not seen at the client's side")
    baseline = sum(span.end_ns - span.start_ns for span in case.history.phase("baseline")) / 1e9
    starts = case.history.attempts["start_ns"]
    before = sum(
        int(np.count_nonzero((starts >= span.start_ns) & (starts < span.end_ns)))
        for span in case.history.phase("baseline")
    )
    if baseline < 2 or before < 5 * baseline:
        return inapplicable("fewer than 5 attempts a second in the baseline: no herd can be told")
    fair = before / baseline
    stretches = quiet_stretches(case)
    due_ns = case.calls["intended_ns"]
    own, offered = _own_starts(case, stretches), in_order(due_ns[_near(due_ns, stretches)])
    most, at, due = 0, 0, fair
    for quiet in stretches:
        for edge in range(quiet.start_ns, min(quiet.end_ns, quiet.start_ns + 10 * SECOND_NS), SECOND_NS // 4):
            count = _between(own, edge, edge + SECOND_NS)
            mine = max(fair, _between(offered, edge, edge + SECOND_NS))
            most, at, due = (count, edge, mine) if count * due > most * mine else (most, at, due)
    if not most:
        return unexercised(f"no outage was followed by traffic; it takes {exercise('M3')}")
    measured, bound = f"{most}/s", f"1.5 × {due:.0f}/s"
    if most - 3.5 * np.sqrt(most) > 1.5 * due:
        calls = case.calls
        rows = np.flatnonzero((calls["end_ns"] >= at) & (calls["start_ns"] < at + SECOND_NS))
        return broken(case, rows, f"{most} attempts within a second after a fault", measured=measured, bound=bound)
    return passed("everybody came back in good order", measured=measured, bound=bound)


def _between(starts: Ints, since: int, until: int) -> int:
    low, high = np.searchsorted(starts, [since, until])
    return int(high - low)


def _near(times: Ints, quiet: list[Quiet]) -> Ints:
    """The rows of those times that lie in the 10 s after a fault, or a little before or after."""
    inside = np.zeros(len(times), bool)
    for each in quiet:
        inside |= (times >= each.start_ns - SECOND_NS) & (times < each.start_ns + 12 * SECOND_NS)
    return np.flatnonzero(inside)


def _own_starts(case: Case, quiet: list[Quiet]) -> Ints:
    """When attempts began after a fault that are the client's own doing, in order: all but first ones of calls that had
    waited (for their session or in the client's pool), and re-tries of attempts that the end of a fault cut off."""
    tries, chains = case.attempts, chains_of(case)
    start, end = tries.table["start_ns"], tries.table["end_ns"]
    near = _near(start, quiet)
    waited = tries.opens[near] & (start[near] - case.calls["intended_ns"][tries.row[near]] > 50_000_000)
    waited &= ~_released(case, near, waited, quiet)
    before = np.maximum(near - 1, 0)
    cut = np.zeros(len(near), bool)
    for each in quiet:
        ended = end[before]
        cut |= (ended > each.start_ns - GRACE_NS // 20) & (ended < each.start_ns + GRACE_NS)
    after_cut = chains.again[near] & cut & case.words["lost"][before]
    replays = case.history.attempts["start_ns"][case.attempt_rows < 0]
    return in_order(np.concatenate([start[near[~waited & ~after_cut]], replays]))


def _released(case: Case, near: Ints, waited: Mask, quiet: list[Quiet]) -> Mask:
    """Those `waited` attempts `near` a fault's end that a gate of the client's let go together: within GATE_NS many
    more connections were taken than others had given back, while a pool or a limit lets one in for each it lets out.
    What waited for its session is the load's."""
    tries = case.attempts
    start, end = tries.table["start_ns"], tries.table["end_ns"]
    own = near[waited]
    late = start[own] - case.calls["ready_ns"][tries.row[own]] > 50_000_000
    held, at = own[late], np.flatnonzero(waited)[late]
    gates = start[held] // GATE_NS
    taken = np.unique(np.stack([gates, tries.table["connection"][held]]), axis=1)[0]
    ended = _near(end, quiet)
    given_back = in_order(end[ended][end[ended] - start[ended] > GATE_NS])
    left = np.searchsorted(given_back, (gates + 1) * GATE_NS) - np.searchsorted(given_back, (gates - 1) * GATE_NS)
    at_once = np.searchsorted(taken, gates, side="right") - np.searchsorted(taken, gates)
    together = np.zeros(len(waited), bool)
    together[at] = at_once > 2 * left + FEW
    return together
