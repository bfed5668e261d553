"""Fallback laws: a degraded answer is recognisable, hides nothing, and loses no write silently."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.breaker_events import outcomes
from harness.laws.case import Case, Ints
from harness.laws.data import at_most, no_oracle
from harness.laws.kept import from_a_cache
from harness.laws.marks import admitted, fits, gives_nothing, marked, shapes
from harness.laws.queue_view import queued
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.laws.writes import commits, strays

FAILING = frozenset({"refuse", "status", "timeout", "reset_peer", "kill", "drop_before_commit", "pause", "sequence"})
WRITING = ("observe", "learn")

TRANSIENT = (408, 425, 429)
"""Statuses of 4xx that ask to come back later: no mistake of the caller."""

CORRUPTED = ("truncate", "malformed", "empty_body", "wrong_content_type", "huge_body", "limit_data")


def degraded(case: Case) -> Mask:
    """The calls that gave a substitute because something had failed: not an answer from a cache in peace."""
    calls, tries = case.calls, case.attempts
    seen = case.arrivals.table
    troubled = tries.any(~case.words["ok"]) | case.during() | (calls["marked"] > 0)
    fresh = from_a_cache(case)
    unseen = (tries.count == 0) & case.arrivals.any((seen["status"] // 100 == 2) & (seen["reply_ns"] > 0))
    given = calls["outcome"].among("degraded") & troubled
    return given & ~((unseen | fresh) & ~marked(case))  # type: ignore[no-any-return]


def no_fallback(case: Case) -> Ruling | None:
    """The ruling where no fallback is declared and none was ever seen."""
    policies = (case.policy, *case.policy.calls.values())
    if any(policy.fallback is not None for policy in policies) or case.calls["outcome"].among("degraded").any():
        return None
    return inapplicable("no fallback is declared, and none was seen")


@law(
    "F1",
    "FallbackShape",
    family="fallback",
    rule="a degraded answer has the keys and types of a healthy one of the same operation, and is marked as degraded",
    trap="any dictionary would do for a test that only looks for one: the healthy answers of this run are the measure",
    cure="give a degraded answer of the operation's own shape, and a way to tell it (a flag, a type, `degraded()`)",
    example='{"predictions": [], "status": "degraded"} as the answer to an observe',
    needs=FAILING,
    promise=("fallback",),
    wants="an outage long enough for a degraded answer: refuse",
)
def fallback_shape(case: Case) -> Ruling:
    if nothing := no_fallback(case):
        return nothing
    calls, substitutes = case.calls, np.flatnonzero(degraded(case))
    if not len(substitutes):
        return unexercised(f"no answer was degraded; it takes {exercise('F1')}")
    healthy = {op: shapes(case, op) for op in calls["op"].names}
    # what nothing was sent for may be all that its caller ever gets: a write put aside, say
    told = calls["op"].among(*(op for op, good in healthy.items() if good)) | (case.attempts.count > 0)
    unmarked = substitutes[(~marked(case) & _promises_marks(case) & told)[substitutes]]
    if len(unmarked):
        reason = f"{plural(len(unmarked), 'degraded answer')} can't be told from a real one: nothing marks them"
        return broken(case, unmarked, reason, of=len(substitutes))
    ops, given = calls["op"][substitutes].tolist(), calls["shape"][substitutes].tolist()
    known = np.array([bool(healthy[op]) for op in ops])
    odd = np.array([not any(fits(shape, good) for good in healthy[op]) for op, shape in zip(ops, given, strict=True)])
    wrong = substitutes[odd & known]
    if len(wrong):
        op, shape = calls["op"][int(wrong[0])], calls["shape"][int(wrong[0])]
        reason = (
            f"{plural(len(wrong), 'degraded answer')} don't look like a healthy one: {op} gave {shape or 'nothing'}"
        )
        return broken(case, wrong, reason, of=len(substitutes), bound=" or ".join(sorted(healthy[op])[:2]))
    if not known.all():
        return inconclusive("an operation was degraded that was never healthy in this run: nothing to compare with")
    return passed(f"{plural(len(substitutes), 'degraded answer')} were marked and shaped like healthy ones")


def _promises_marks(case: Case) -> Mask:
    """The calls whose fallback is promised to be marked (it is, unless a declaration says otherwise)."""
    plain = [op for op in case.calls["op"].names if (f := case.policy.of(op).fallback) is not None and not f.marked]
    return ~case.calls["op"].among(*plain)  # type: ignore[no-any-return]


@law(
    "F2",
    "NoFalseSuccess",
    family="fallback",
    rule="no write is reported as done to its caller without a commit",
    trap="only the commit log tells: a normal return value is a report of success unless it is marked as degraded",
    cure="look at the status of every answer, and give a failure or a marked substitute to the caller",
    example='a chatbot that answers {"message_processed": True} whatever KATO said',
    needs=FAILING | {"commit_then_status", "store"},
    wants="writes that fail: status, refuse or drop_before_commit",
    zero_tolerance=True,
)
def no_false_success(case: Case) -> Ruling:
    if nothing := no_oracle(case):
        return nothing
    if queued(case):
        return inapplicable("a broker's confirm promises no commit: Q1 says what became of confirmed messages")
    calls = case.calls
    told = calls["outcome"].among("ok") | (degraded(case) & ~marked(case) & ~gives_nothing(case))
    claimed = np.zeros(len(calls), bool)
    false = np.zeros(len(calls), bool)
    for op in WRITING:
        mine = calls["op"].among(op) & told
        if (case.history.arrivals["op"].among(op) & (case.history.arrivals["commit_seq"] > 0)).any() or op == "observe":
            claimed |= mine
            false |= mine & (commits(case, op) == 0)
    count, unknown = int(false.sum()), strays(case, *WRITING)
    if count > unknown:
        reason = (
            f"{plural(count, 'write')} of {int(claimed.sum()):,} were reported as done, and KATO never committed them"
        )
        rows = np.flatnonzero(false)
        return broken(case, rows, reason, of=int(claimed.sum()), measured=f"{count:,} false", bound="0")
    if unknown:
        return inconclusive(f"{plural(unknown, 'commit')} belong to no one call, so nobody can tell whose they are")
    troubled = calls["op"].among(*WRITING) & (case.attempts.any(~case.words["ok"]) | ~calls["outcome"].among("ok"))
    if not troubled.any():
        return unexercised(f"no write met any trouble; it takes {exercise('F2')}")
    done = int(claimed.sum())
    reason = f"all {plural(done, 'write')} reported as done were committed, while {int(troubled.sum()):,} met trouble"
    return passed(reason, measured="0 false", bound=at_most(done))


@law(
    "F3",
    "NoMasking",
    family="fallback",
    rule="answers of 4xx, and errors of the client itself, are never turned into a degraded answer",
    trap="404 while Redis is refused is a fault of the server in disguise; 429 asks to come back later; a write that "
    "is put aside may well be answered with a substitute while older ones succeed",
    cure="catch what means that KATO is unwell, and let everything else be seen: no `except Exception`",
    example="a fallback for every exception answers an empty prediction to a request that KATO refuses as malformed",
    needs=frozenset({"status"}),
    promise=("fallback",),
    wants="answers of 4xx, such as status 422",
)
def no_masking(case: Case) -> Ruling:
    if nothing := no_fallback(case):
        return nothing
    calls, tries = case.calls, case.attempts
    if not case.hooked:
        return inconclusive("attempts are not seen at the client's side, so nobody knows what was masked")
    tried = np.flatnonzero(tries.count > 0)
    refused, healthy = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    last = tries.last[tried]
    refused[tried] = case.words["4xx"][last] & ~np.isin(tries.table["status"][last], TRANSIENT)
    healthy[tried] = case.words["ok"][last]
    excused = case.during("store", "external")
    refused &= ~excused
    own = (
        calls["outcome"].among("degraded")
        & calls["op"].among("predict")
        & healthy
        & ~case.hit_by(*CORRUPTED)
        & ~excused
        & ~case.during(*CORRUPTED)
    )
    masked = (refused & calls["outcome"].among("degraded")) | own
    if masked.any():
        what = "answers of 4xx" if (masked & refused).any() else "errors of the client itself"
        reason = f"{plural(int(masked.sum()), 'call')} turned {what} into a degraded answer"
        return broken(case, np.flatnonzero(masked), reason, of=int((refused | own).sum()))
    if not refused.any():
        return unexercised(f"KATO refused no request; it takes {exercise('F3')}")
    return passed(f"{plural(int(refused.sum()), 'answer')} of 4xx came through as errors")


@law(
    "F4",
    "LostWritesDeclared",
    family="fallback",
    rule="a write that is answered with a substitute is committed later, or its caller gets an error",
    trap="a spooled write is replayed outside its call, so it counts by number; replay order is D4's matter; a result "
    "that says of itself that it failed (`ok` false, an `error`) is an error",
    cure="put the write aside and replay it after recovery, or raise: a lost observation can't be a mere footnote",
    example="observe_with_fallback returns a degraded prediction, and nobody ever hears of the observation again",
    needs=FAILING,
    promise=("fallback",),
    wants="an outage during which observes are made, and time to replay them after it",
)
def lost_writes_declared(case: Case) -> Ruling:
    if nothing := no_fallback(case) or no_oracle(case):
        return nothing
    calls = case.calls
    # a client that gathers its writes puts them aside in peace, too, and loses them when the outage comes
    gathered = calls["outcome"].among("degraded") & marked(case)
    put_aside = (degraded(case) | gathered) & ~admitted(case) & calls["op"].among("observe")
    lost = np.flatnonzero(put_aside & (commits(case, "observe") == 0))
    if not put_aside.any():
        return unexercised(f"no observe was answered with a substitute; it takes {exercise('F4')}")
    missing = len(lost) - strays(case, "observe")
    if missing <= 0:
        return passed(f"{plural(int(put_aside.sum()), 'observe')} put aside were all committed")
    if not _recovered(case, lost) or _still_replaying(case):
        return inconclusive(f"{plural(missing, 'observe')} put aside were not committed yet when the run ended")
    reason = f"{plural(missing, 'observe')} answered with a substitute were never committed, and nobody was told"
    return broken(case, lost, reason, of=int(put_aside.sum()), measured=f"{missing:,} lost", bound="0")


def _still_replaying(case: Case) -> bool:
    """Whether a replay was under way when the run ended: some observe outside its call came within its last second."""
    seen = case.history.arrivals
    late = (seen["call"] == 0) | seen["paired_by"].among("content")
    mine = seen["op"].among("observe") & late & (seen["commit_seq"] > 0)
    return bool(mine.any()) and int(seen["arrive_ns"][mine].max()) > case.end_ns - int(1e9)


def _recovered(case: Case, lost: Ints) -> bool:
    """Whether calls were served again after the last of these, so that a replay had its chance."""
    served, _ = outcomes(case)
    return bool((served & (case.calls["start_ns"] > case.calls["end_ns"][lost].max())).any())
