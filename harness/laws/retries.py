"""Retry laws about what is sent again: how often, after which failures, and whether that is safe."""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.bounds import attempts_of, source
from harness.laws.case import Case, Ints
from harness.laws.chains import chains_of, failed_words
from harness.laws.fallback import TRANSIENT
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised
from harness.laws.writes import WRITES, has_oracle
from harness.policy import Retry

RETRIED = frozenset({"status", "refuse", "reset_peer", "timeout", "drop_before_commit", "kill", "sequence"})

NEVER_SENT = ("connect_error", "connect_timeout", "pool_timeout")
"""Failures after which nothing can have reached KATO."""

DID_NOTHING = (429, 503)
"""Answers that say that the request was not handled: shed by uvicorn or a gateway before KATO saw it."""

BUGS = ("TypeError", "KeyError", "AttributeError", "NameError", "UnboundLocalError", "IndexError", "AssertionError")


def no_retry(case: Case) -> Ruling | None:
    """The ruling where no retry is promised and none was seen."""
    policies = (case.policy, *case.policy.calls.values())
    if any(policy.retry is not None and policy.retry != Retry() for policy in policies):
        return None
    return None if len(chains_of(case).retries) else inapplicable("no retry is declared or read, and none was seen")


def unseen(case: Case) -> Ruling | None:
    """The ruling where attempts are not recorded at the client's side."""
    return None if case.hooked else inconclusive("attempts are not seen at the client's side (no hook fits)")


def limits(case: Case) -> Ints:
    """For each call how many attempts of one request its policy allows; 0 where no retry policy is known."""
    found = np.zeros(len(case.calls), np.int64)
    for op in case.calls["op"].names:
        found[case.calls["op"].among(op)] = attempts_of(case, op) or 0
    return found


@law(
    "R1",
    "BoundedAttempts",
    family="retries",
    rule="a request is tried at most max_attempts times, re-sends by the HTTP library and all layers included",
    trap="layers multiply: 3 attempts around a transport with 3 re-tries are 12; hedges count apart",
    cure="retry in one layer only, and switch the others' retries off",
    example="tenacity (3 attempts) around an adapter with urllib3 Retry(3) sends one request twelve times",
    needs=RETRIED,
    promise=("retry",),
    wants="failures that are re-tried to the end: status 503, or refuse",
    zero_tolerance=True,
)
def bounded_attempts(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    chains, limit = chains_of(case), limits(case)
    bound = limit[case.attempts.row]
    over = (bound > 0) & (chains.nth > bound)
    if over.any():
        rows = np.unique(case.attempts.row[over])
        worst = int(chains.nth[over].max())
        reason = f"{plural(len(rows), 'call')} tried a request more often than promised, one even {worst} times"
        return broken(case, rows, reason, measured=str(worst), bound=str(int(bound[over].max())))
    if not (chains.nth > 1).any():
        return unexercised(f"nothing was tried twice; it takes {exercise('R1')}")
    most = str(int(chains.nth.max()))
    if not bound[chains.nth > 1].all():
        return inconclusive("requests were tried again, and nobody knows how often they may be", measured=most)
    return passed("no request was tried more often than promised", measured=most, bound=str(int(limit.max())))


@law(
    "R2",
    "RetriableOnly",
    family="retries",
    rule="nothing is tried again after an answer of 4xx (but 408, 425, 429), after an error of the client's own, or "
    "after a failure that the declared policy doesn't name",
    trap="a 404 of KATO may be Redis trouble in disguise; RequestError also covers malformed URLs",
    cure="name the failures that may pass by themselves, and try again after those only",
    example="a retry on every exception sends a request that KATO refuses with 422 three times",
    needs=frozenset({"status", "sequence"}),
    wants="answers of 4xx under a client that retries: status 422",
)
def retriable_only(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    chains, table = chains_of(case), case.attempts.table
    final = case.words["4xx"] & ~np.isin(table["status"], TRANSIENT) | table["result"].among("client_bug")
    final &= ~case.during("store", "external")[case.attempts.row]
    unnamed = _unnamed(case)
    retries = chains.retries
    wrong = retries[(final | unnamed)[retries - 1]]
    if len(wrong):
        rows = np.unique(case.attempts.row[wrong])
        what = listed_failures(case, wrong - 1)
        return broken(
            case, rows, f"{plural(len(rows), 'call')} tried again after {what}", of=int((final | unnamed).sum())
        )
    if not (final | unnamed).any():
        return unexercised(f"no failure came that must not be tried again; it takes {exercise('R2')}")
    count = int((final | unnamed).sum())
    return passed(f"{plural(count, 'failure')} that pass not by themselves were tried once")


def _unnamed(case: Case) -> Mask:
    """The failed attempts whose failure a declared `retry.on` doesn't name, by the operation that the witness saw: a
    call may observe and ask what comes next."""
    found = np.zeros(len(case.attempts.row), bool)
    chains = chains_of(case)
    unreadable, seen = chains.unreadable, case.arrivals.table["op"]
    failed = ~case.words["ok"] & ~case.attempts.table["result"].among("cancelled") | unreadable
    for op in case.calls["op"].names:
        retry = case.policy.of(op).retry
        if retry is not None and retry.on and source(case, op, "retry.on") == "declared":
            mine = case.calls["op"].among(op)[case.attempts.row]
            if len(seen):
                mine = np.where(chains.arrival >= 0, seen.among(op)[np.maximum(chains.arrival, 0)], mine)
            found |= mine & failed & ~_named(case, retry.on)
    return found


def _named(case: Case, words: tuple[str, ...]) -> Mask:
    """The attempts that failed in one of `words`, which may name answers that nobody can read."""
    failures = case.failures(words)
    return failures | chains_of(case).unreadable if "decode" in words else failures


def listed_failures(case: Case, at: Ints) -> str:
    """The failures of these attempts in words, the most frequent first."""
    words, counts = np.unique([failed_words(case, int(index)) for index in at[:10_000]], return_counts=True)
    return ", ".join(str(word) for word in words[np.argsort(-counts)][:3])


@law(
    "R8",
    "NonIdempotentRetrySafe",
    family="retries",
    rule="observe, learn and create_session are sent again only if the try before can't have been handled",
    trap="a time-out or a reset says nothing about KATO: it may have committed; a mesh re-sends POST all the same",
    cure="re-send writes after refused connections only; otherwise read back, or give the failure to the caller",
    example="retry_if_exception_type(RequestError) on create_session leaves an orphan for each lost reply",
    needs=frozenset(
        {"commit_then_drop", "commit_then_status", "timeout", "reset_peer", "kill", "limit_data", "truncate"}
    ),
    wants="replies to writes that are lost: commit_then_drop",
    zero_tolerance=True,
)
def non_idempotent_retry_safe(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    chains, table = chains_of(case), case.attempts.table
    doubtful = ~case.words["ok"] & ~case.words["4xx"] & ~np.isin(table["status"], DID_NOTHING) & _writing(case)
    doubtful = (doubtful & ~case.failures(NEVER_SENT)) | (chains.unreadable & _writing(case))
    doubtful &= (chains.arrival >= 0) if len(case.history.arrivals) else True
    retries = chains.retries
    again = retries[doubtful[retries - 1]]
    again = again[~_declared(case)[again - 1]]
    if len(again):
        rows = np.unique(case.attempts.row[again])
        what = listed_failures(case, again - 1)
        reason = f"{plural(len(rows), 'write')} had reached KATO and were sent again after {what}"
        return broken(case, rows, reason, of=int(doubtful.sum()), measured=f"{len(rows):,} re-sent", bound="0")
    if not doubtful.any():
        return unexercised(f"no write was in doubt; it takes {exercise('R8')}")
    if not has_oracle(case) and not len(case.history.arrivals):
        return inconclusive("nobody saw which writes arrived")
    return passed(
        f"{plural(int(doubtful.sum()), 'write')} in doubt were not sent again", measured="0 re-sent", bound="0"
    )


def _writing(case: Case) -> Mask:
    """The attempts of writes: by what the witness saw, else by the operation of their call."""
    chains, seen = chains_of(case), case.arrivals.table
    by_call: Mask = case.calls["op"].among(*WRITES)[case.attempts.row]
    if not len(seen):
        return by_call
    return np.where(chains.arrival >= 0, seen["op"].among(*WRITES)[np.maximum(chains.arrival, 0)], by_call)


def _declared(case: Case) -> Mask:
    """The attempts after whose failure the integration declares that this very operation is sent again."""
    found = np.zeros(len(case.attempts.row), bool)
    for op in case.calls["op"].names:
        retry = case.policy.of(op).retry
        named = retry is not None and retry.calls is not None and op in retry.calls
        if retry is not None and named and source(case, op, "retry.calls") == "declared":
            found |= case.calls["op"].among(op)[case.attempts.row] & _named(case, retry.on)
    return found


@law(
    "R9",
    "ExhaustionSurface",
    family="retries",
    rule="when all attempts have failed the caller gets the failure itself: no RetryError around it, no TypeError "
    "instead of it",
    trap="a wrapper of the client's own is fine; requests documents its RetryError",
    cure="tenacity: reraise=True; let no error handler assume that there was an answer",
    example="callers who catch httpx.HTTPError never see tenacity.RetryError coming",
    needs=RETRIED,
    promise=("retry",),
    wants="failures that are re-tried to the end: refuse, or status 503",
)
def exhaustion_surface(case: Case) -> Ruling:
    if nothing := no_retry(case) or unseen(case):
        return nothing
    calls, chains = case.calls, chains_of(case)
    retried = case.attempts.any(chains.nth > 1)
    over = retried & ~calls["outcome"].among("ok", "degraded", "cancelled", "rejected")
    if not over.any():
        return unexercised(f"no call used up its attempts; it takes {exercise('R9')}")
    wrapped = calls["error"].among("retry_exhausted") & ~_documented(case)
    for op in calls["op"].names:
        retry = case.policy.of(op).retry
        if retry is not None and retry.reraise is False and source(case, op, "retry.reraise") == "declared":
            wrapped &= ~calls["op"].among(op)
    bugs = calls["error"].among("client_bug") & _headed_by(case, BUGS)
    wrong = over & (wrapped | bugs)
    if wrong.any():
        rows = np.flatnonzero(wrong)
        shown = calls["detail"][int(rows[0])]
        reason = f"{plural(len(rows), 'call')} of {int(over.sum())} that used up their attempts surfaced as {shown}"
        return broken(case, rows, reason, of=int(over.sum()))
    count = plural(int(over.sum()), "call")
    return passed(f"{count} used up their attempts, and none surfaced as a RetryError or as a bug of the client's own")


def _documented(case: Case) -> Mask:
    """The calls that ended in what urllib3 documents, or requests around an answer that it had tried again; tenacity
    around a failed connection has the same names in it."""
    details = case.calls["detail"]
    chains = {text: [name.strip() for name in text.split("<")] for text in details.names}
    own = (["MaxRetryError"], ["ResponseError"], ["RetryError", "MaxRetryError", "ResponseError"])
    return details.among(*(text for text, chain in chains.items() if any(chain[: len(o)] == o for o in own)))  # type: ignore[no-any-return]


def _headed_by(case: Case, names: tuple[str, ...]) -> Mask:
    details = case.calls["detail"]
    return details.among(*(text for text in details.names if text.split(" ")[0] in names))  # type: ignore[no-any-return]
