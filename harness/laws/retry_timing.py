"""Retry laws about when something is sent again: back-off, jitter, Retry-After, the deadline."""

from __future__ import annotations

import json
import math

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import DRIPPING, overshot, started_late, totals_ns
from harness.laws.case import Case, Ints, ids_in
from harness.laws.chains import chains_of
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.laws.retries import RETRIED, no_retry, unseen
from harness.policy.backoff import interval_s
from harness.stats import wilson

EARLY_NS = 20_000_000
"""A timer and the end of an attempt are read at different moments: so much too early is none."""

LEAST_GAPS = 5
MOST_OUTSIDE = 0.05
"""Share of gaps that a noisy machine may put outside the interval."""

MOST_OF_ONE = 0.5
"""Share of the waits before one and the same re-try that it may."""

MOST_HASTY = 0.5
"""A tenth of uniform waits are below a tenth of their most."""

LEAST_JITTER_GAPS = 200
LEAST_CV = 0.1
"""laws.md, R4."""

FEW_GAPS, FEW_CV = 20, 0.05
"""Uniform waits, whose spread is 0.19 at least (0.58 from nothing on), never look so much alike, even so few."""


def retry_after_ns(case: Case) -> Ints:
    """For each attempt what its answer asked the client to wait (ns), less the tolerance of its form; 0 for nothing.

    Only answers that the harness gave are known: faults `status` with retry_after (seconds: 50 ms of tolerance, a
    date: 1 s, RFC 9110, 10.2.3), and `quota`, which asks for at least a second.
    """
    chains, seen = chains_of(case), case.arrivals.table
    found = np.zeros(len(case.attempts.row), np.int64)
    for window in case.windows:
        asked = 1 if window.kind == "quota" else window.params.get("retry_after")
        if asked is None or window.kind not in ("quota", "status"):
            continue
        hit = seen["fault"].among(window.name) & (seen["status"] >= 400)
        mine = (chains.arrival >= 0) & hit[np.maximum(chains.arrival, 0)] if len(seen) else np.zeros(len(found), bool)
        found[mine] = _least_wait_ns(asked)
    return found


def _least_wait_ns(asked: object) -> int:
    if isinstance(asked, str) and asked.startswith("{"):
        asked = json.loads(asked)
    if isinstance(asked, dict):
        return max(int(1e9 * (float(asked["date"]) - 1.0)), 0)
    return int(1e9 * (math.ceil(float(str(asked))) - 0.05))


def _no_backoff(case: Case) -> Ruling | None:
    policies = (case.policy, *case.policy.calls.values())
    known = any(policy.retry is not None and policy.retry.backoff is not None for policy in policies)
    return None if known else inapplicable("no back-off is declared or read")


@law(
    "R3",
    "BackoffShape",
    family="retries",
    rule="the wait before re-try i lies within the policy's interval around min(max, initial · multiplier^(i−1)), ± ε; "
    "under full jitter, which starts at nothing, most waits are more than a tenth of it, the first one too where no "
    "library or lost connection explains it",
    trap="measured from the end of the failed attempt; waits that Retry-After asked for are its own matter (R5)",
    cure="set the back-off that you mean: tenacity's wait_exponential(1, min=2, max=10) waits 2 s and 2 s",
    example="retries without any wait triple the load on a server that sheds it",
    needs=RETRIED,
    promise=("retry.backoff",),
    wants="failures that are re-tried: status 503, or refuse",
    calls=LEAST_GAPS,
)
def backoff_shape(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case) or _no_backoff(case):
        return nothing
    chains = chains_of(case)
    unasked = retry_after_ns(case)[chains.retries - 1] == 0
    retries = chains.retries[unasked]
    least, most = np.zeros(len(retries), np.int64), np.full(len(retries), -1, np.int64)
    rows = case.attempts.row[retries]
    for op in case.calls["op"].names:
        policy = case.policy.of(op)
        if policy.retry is None or policy.retry.backoff is None:
            continue
        mine = case.calls["op"].among(op)[rows]
        for retry in ids_in(chains.nth[retries][mine] - 1):
            chosen = mine & (chains.nth[retries] - 1 == retry)
            least[chosen], most[chosen] = (int(1e9 * wait) for wait in interval_s(policy.retry.backoff, int(retry)))
    judged = most >= 0
    if not judged.any():
        return unexercised(f"nothing was tried again; it takes {exercise('R3')}")
    gap = chains.gap_ns[unasked]
    outside = judged & ((gap < least - EARLY_NS) | (gap > most + case.epsilon_ns[rows]))
    count, total = int(outside.sum()), int(judged.sum())
    measured = f"{count} of {total} outside"
    many = total >= LEAST_GAPS and wilson(count, total).above(MOST_OUTSIDE)
    if many or _one_is_another(outside, judged, chains.nth[retries]):
        picked = np.flatnonzero(outside)
        seen = np.median(gap[picked]) / 1e9
        bound = f"{least[picked[0]] / 1e9:.2f} to {most[picked[0]] / 1e9:.2f} s"
        reason = f"{plural(count, 'wait')} of {total} before a re-try lay outside the policy (median {seen:.2f} s)"
        return broken(case, np.unique(rows[picked]), reason, of=total, measured=measured, bound=bound)
    later = judged & (least == 0) & ((chains.nth[retries] > 2) | _waited_first(case)[retries])
    hasty = later & (gap < most // 10)
    if wilson(int(hasty.sum()), int(later.sum())).above(MOST_HASTY):
        reason = f"{plural(int(hasty.sum()), 'wait')} before a re-try took no tenth of what its full jitter goes up to"
        return broken(case, np.unique(rows[hasty]), reason, measured=f"{hasty.sum()} of {later.sum()} hasty")
    if total < LEAST_GAPS or count > MOST_OUTSIDE * total:
        return inconclusive(f"{plural(total, 'wait')} can't tell the back-off", measured=measured)
    return passed(f"{plural(total, 'wait')} before re-tries followed the policy", measured=measured)


def _waited_first(case: Case) -> Mask:
    """The attempts before which even a first re-try is none that a library made at once: urllib3 makes it after any
    failure, and a client may after a stale connection."""
    return _had_arrived(case) & case.attempts.table["via"].among("httpx", "httpx_async", "aiohttp")  # type: ignore[no-any-return]


def _had_arrived(case: Case) -> Mask:
    """The attempts whose last one got an answer or waited for one: httpcore tries again what found no connection."""
    known = case.attempts.table["result"].among("", "4xx", "5xx", "read_timeout")
    found: Mask = np.append(False, known[:-1])[: len(known)]
    return found


def _one_is_another(outside: Mask, judged: Mask, nth: Ints) -> bool:
    """Whether most waits before the same re-try lie outside: no lag does that, however few got so far."""
    for number in ids_in(nth[judged]):
        mine = judged & (nth == number)
        if mine.sum() >= LEAST_GAPS and wilson(int((outside & mine).sum()), int(mine.sum())).above(MOST_OF_ONE):
            return True
    return False


@law(
    "R4",
    "JitterPresent",
    family="retries",
    rule="waits before re-tries are spread: their coefficient of variation is at least 0.1 over 200 of them; where "
    "full or equal jitter is promised, 20 that are all alike tell enough, if no transport may have made them",
    trap="the natural spread of latencies hides that jitter is missing: waits are compared, not arrivals",
    cure="add jitter: tenacity wait_random_exponential, or a uniform wait up to the back-off",
    example="wait_exponential sends all clients of an outage back in the same instant, again and again",
    needs=RETRIED,
    promise=("retry.backoff",),
    wants="an outage of which 200 re-tries follow: refuse under load",
    calls=LEAST_JITTER_GAPS // 2,
)
def jitter_present(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    if _declared_without(case):
        return inapplicable("the integration declares a back-off without jitter")
    chains = chains_of(case)
    unasked = retry_after_ns(case)[chains.retries - 1] == 0
    retries = chains.retries[unasked]
    gap_ns = chains.gap_ns[unasked]
    gap = gap_ns.astype(float)
    start = case.attempts.table["start_ns"][retries]
    lag = case.lag.over(start - gap_ns, start)
    clear = gap >= 20 * np.maximum(lag, 1_000_000)
    gap, nth, kept = gap[clear], chains.nth[retries][clear], retries[clear]
    own = _had_arrived(case)[kept]
    few = _promised_wide(case) and own.sum() >= max(FEW_GAPS, len(clear) / 2)
    if few and len(gap) < LEAST_JITTER_GAPS and _pooled_spread(gap[own], nth[own]) < FEW_CV:
        gap, nth, kept = gap[own], nth[own], kept[own]
    elif len(gap) < LEAST_JITTER_GAPS:
        said = f"{plural(len(gap), 'wait')} that stand out of the lag, {LEAST_JITTER_GAPS} are needed"
        return unexercised(f"{said}; it takes {exercise('R4')}") if not len(gap) else inconclusive(said)
    spread = _pooled_spread(gap, nth)
    measured, bound = f"spread {spread:.3f}", f"at least {LEAST_CV}"
    if spread < LEAST_CV:
        how = f"differ by {spread:.0%} only" if spread >= 0.01 else "are all alike"
        reason = f"{plural(len(gap), 'wait')} before re-tries {how}: everybody comes back at the same time"
        return broken(case, np.unique(case.attempts.row[kept]), reason, measured=measured, bound=bound)
    return passed(f"{plural(len(gap), 'wait')} before re-tries are spread", measured=measured, bound=bound)


def _declared_without(case: Case) -> bool:
    said = {case.promise.declared.get(key) for key in case.promise.declared if key.endswith("retry.backoff.jitter")}
    return said == {"none"}


def _promised_wide(case: Case) -> bool:
    """Whether every back-off is promised to be spread over half of its length at least."""
    policies = (case.policy, *case.policy.calls.values())
    backoffs = [policy.retry.backoff for policy in policies if policy.retry and policy.retry.backoff]
    return bool(backoffs) and all(backoff.jitter in ("full", "equal") for backoff in backoffs)


def _pooled_spread(gap: np.ndarray[tuple[int], np.dtype[np.float64]], nth: Ints) -> float:
    """Coefficient of variation of the waits around the mean of their own number in the chain."""
    relative = np.empty(len(gap))
    for number in ids_in(nth):
        mine = nth == number
        relative[mine] = gap[mine] / gap[mine].mean()
    return float(relative.std())


@law(
    "R5",
    "RetryAfterHonoured",
    family="retries",
    rule="after 429 or 503 with Retry-After nothing is sent again before that time (50 ms of tolerance; a date: 1 s)",
    trap="a date has whole seconds, and clocks differ; a real KATO never sends Retry-After, a gateway in front may",
    cure="read Retry-After in seconds and as a date, and wait the longer of it and the back-off",
    example="a client that answers `Retry-After: 5` with its own 200 ms",
    needs=frozenset({"status", "quota"}),
    promise=("retry",),
    wants="status 503 or 429 with retry_after, for requests that the client sends again",
)
def retry_after_honoured(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    ignoring = {v for key, v in case.promise.declared.items() if key.endswith("retry.retry_after")} == {"ignore"}
    if ignoring:
        return inapplicable("the integration declares that it ignores Retry-After")
    chains, asked = chains_of(case), retry_after_ns(case)
    retries = chains.retries
    least = asked[retries - 1]
    told = least > 0
    early = told & (chains.gap_ns < least)
    if early.any():
        rows = np.unique(case.attempts.row[retries[early]])
        soonest = chains.gap_ns[early].min() / 1e9
        reason = f"{plural(int(early.sum()), 're-try')} came before the time that Retry-After named"
        bound = f"{least[early].max() / 1e9:.2f} s"
        return broken(case, rows, reason, of=int(told.sum()), measured=f"{soonest:.2f} s", bound=bound)
    if not told.any():
        why = "nothing was sent again after an answer with Retry-After" if asked.any() else "no answer had Retry-After"
        return unexercised(f"{why}; it takes {exercise('R5')}")
    soonest = chains.gap_ns[told].min() / 1e9
    return passed(f"{int(told.sum())} re-tries waited as Retry-After asked", measured=f"at least {soonest:.2f} s")


@law(
    "R11",
    "DeadlineAwareRetry",
    family="retries",
    rule="no attempt starts after the call's declared total has passed, and the last one is cut to what is left of it",
    trap="tenacity's stop_after_delay looks at the time before the last wait and overshoots; stop_before_delay doesn't",
    cure="look at what is left before waiting, and cut the last attempt's time-outs to it",
    example="a total of 5 s, a wait of 2 s at 4.5 s, and a whole attempt after that",
    needs=RETRIED | {"latency", "delay", "pause"},
    promise=("timeout.total",),
    wants="failures just under the time-out, so that re-tries run into the total: latency or timeout",
)
def deadline_aware_retry(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    total = totals_ns(case)
    if not total.any():
        return inapplicable("no total time-out is declared")
    tries, late = case.attempts, started_late(case)
    if late.any():
        rows = np.unique(tries.row[late])
        latest = f"{(tries.table['start_ns'] - case.calls['start_ns'][tries.row])[late].max() / 1e9:.2f} s"
        reason = f"{plural(len(rows), 'call')} tried again after their total had passed, at the latest after {latest}"
        return broken(case, rows, reason, measured=latest, bound=f"{total[rows].max() / 1e9:.2f} s")
    dripped = case.during(*DRIPPING)
    beyond = overshot(case) & ~dripped[tries.row]
    if beyond.any():
        rows = np.unique(tries.row[beyond])
        latest = f"{(tries.table['end_ns'] - case.calls['start_ns'][tries.row])[beyond].max() / 1e9:.2f} s"
        reason = f"the last attempt of {plural(len(rows), 're-tried call')} wasn't cut to what was left of the total"
        return broken(case, rows, reason, measured=latest, bound=f"{total[rows].max() / 1e9:.2f} s")
    near = _near_the_end(case, total)
    if not near.any():
        return unexercised(f"no re-tried call came near its total; it takes {exercise('R11')}")
    return passed(f"{plural(int(near.sum()), 're-tried call')} came near their total, and none tried again after it")


def _near_the_end(case: Case, total: Ints) -> Mask:
    """The re-tried calls that used at least 80 % of their total."""
    took = case.calls["end_ns"] - case.calls["start_ns"]
    near: Mask = case.attempts.any(chains_of(case).nth > 1) & (total > 0) & (took >= 0.8 * total)
    return near
