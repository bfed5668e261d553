"""Which operations share a breaker, and each breaker's states, from calls and attempts alone.

A client may have one breaker for all, one for writes and one for reads, or one an operation; nothing says which. All
operations share one unless that makes it break its promise and another division doesn't: of the ways to divide them
that one holds which leaves the fewest openings and trials unexplained, the coarsest of equals. Two operations behind
one breaker can't be told apart by chance: an opening without enough failures of its own is unexplained, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.evidence.history import History, table
from harness.evidence.table import Table
from harness.laws.breaker_events import Events, events_under, failure_ends, governed, moved_unseen
from harness.laws.breaker_spells import LOOK_BACK, ORDER_NS, Spell, since_served, spells
from harness.laws.case import Case, Ints, in_order, once
from harness.policy import Breaker, Policy, Promise

MOST_DIVIDED = 5
"""Operations above which no more divisions are looked at (52 of them)."""

Scope = tuple[str, ...]
"""Operations that share a breaker."""


def infer_breaker(history: History, policy: Policy) -> Table:
    """Rows of the table `breaker` with source `inferred`; none where nothing was ever rejected."""
    rows = [spell for _, found in all_spells(Case(history, Promise(policy))) for spell in found]
    names = ("state", "from_ns", "to_ns", "worker")
    columns = {name: [getattr(spell, name) for spell in rows] for name in names}
    return table("breaker", {"source": ["inferred"] * len(rows), **columns})


def breaker_of(case: Case, e: Events) -> Breaker:
    """What is promised of the breaker around these events."""
    promised = (case.policy.of(op).breaker for op in e.ops)
    return next((breaker for breaker in promised if breaker is not None), Breaker())


def events_of(case: Case) -> list[Events]:
    """The events of each breaker of each worker."""
    return [events for events, _ in all_spells(case)]


@once
def all_spells(case: Case) -> list[tuple[Events, list[Spell]]]:
    """Each breaker's events with its states."""
    ops = governed(case)
    whole = _read(case, ops)
    if not 1 < len(ops) <= MOST_DIVIDED or not _left(case, ops, whole):
        return whole
    del whole  # of millions of calls only one reading at a time finds room
    read = [each for scope in _division(case, ops) for each in _read(case, scope)]
    return sorted(read, key=lambda each: each[0].worker)


def _division(case: Case, ops: Scope) -> tuple[Scope, ...]:
    """The coarsest division that leaves the fewest openings and trials unexplained."""
    best: tuple[Scope, ...] = (ops,)
    fewest = _left(case, ops)
    for scopes in sorted(_divisions(ops), key=len)[1:]:
        left = sum(_left(case, scope) for scope in scopes)
        if left < fewest:
            best, fewest = scopes, left
        if not fewest:
            break
    return best


def surely_one(case: Case, ops: Scope) -> bool:
    """Whether one breaker is behind all of these operations: divided in any way they leave more unexplained."""
    if len(ops) > MOST_DIVIDED:
        return False
    finer = (scopes for scopes in _divisions(ops) if len(scopes) > 1)
    return all(sum(_left(case, scope) for scope in scopes) > _left(case, ops) for scopes in finer)


def _left(case: Case, scope: Scope, read: list[tuple[Events, list[Spell]]] | None = None) -> int:
    """What one breaker around these operations leaves unexplained; a number, so it is kept where readings are not."""
    found: int = case.memo.get(
        ("unexplained", scope), lambda: _unexplained(case, _read(case, scope) if read is None else read)
    )
    return found


def _read(case: Case, scope: Scope) -> list[tuple[Events, list[Spell]]]:
    begin = int(case.calls["start_ns"].min()) if len(case.calls) else 0
    begin = min([begin, *(span.start_ns for span in case.history.phases)])
    return [(e, spells(e, breaker_of(case, e), begin, case.end_ns)) for e in events_under(case, scope)]


def _divisions(ops: Scope) -> Iterator[tuple[Scope, ...]]:
    """All ways to divide the operations into groups, the undivided one first."""
    if not ops:
        yield ()
        return
    for rest in _divisions(ops[1:]):
        for at, group in enumerate(rest):
            yield (*rest[:at], (ops[0], *group), *rest[at + 1 :])
        yield ((ops[0],), *rest)


def _unexplained(case: Case, read: list[tuple[Events, list[Spell]]]) -> int:
    """Openings on too few failures, and trials before their time."""
    count = 0
    for e, states in read:
        for opened, before, spell, after in zip(
            [None, None, *states], [None, *states], states, [*states[1:], None], strict=False
        ):
            if spell.state == "closed" and spell.at >= 0:
                count += premature(case, e, spell)
            if spell.state == "open" and after and before and _owed(case, e, opened, before, spell):
                reset_ns = int(1e9 * breaker_of(case, e).reset_timeout)
                count += spell.to_ns < open_since(case, e, before, spell) + reset_ns - slack_ns(case, spell.to_ns)
    return count


def _owed(case: Case, e: Events, opened: Spell | None, before: Spell, spell: Spell) -> bool:
    """Whether it has to stay open for its whole time: after being closed and after a failed trial. A trial that was
    served closes it: calls that are turned away afterwards met another one."""
    if opened is None or before.state == "closed" or e.failed[opened.at]:
        return True
    late_ns = spell.from_ns + slack_ns(case, spell.from_ns)
    late = slice(*(int(edge) for edge in np.searchsorted(e.start_ns, [late_ns, spell.to_ns])))
    return bool(e.served[opened.at] and e.rejected[late].any())


def slack_ns(case: Case, at_ns: int) -> int:
    """How far from what it seems the order of things may be around a moment."""
    edge = np.array([at_ns])
    return ORDER_NS + int(case.lag.over(edge - ORDER_NS, edge + ORDER_NS)[0])


def premature(case: Case, e: Events, spell: Spell) -> bool:
    """Whether a closed spell ended though even the most generous count of failures had not filled its limit.

    The breaker refused the first call at some moment between its start and its end: it may have waited in the client
    for the very try that opened the breaker.
    """
    refused = e.rejected[spell.at : spell.at + LOOK_BACK]
    shown = int(e.end_ns[spell.at : spell.at + LOOK_BACK][refused].min())
    return all(_too_few(case, e, spell, until) for until in (int(e.start_ns[spell.at]), shown))


def _too_few(case: Case, e: Events, spell: Spell, until: int) -> bool:
    breaker = breaker_of(case, e)
    if moved_unseen(case, spell.from_ns - int(1e9 * breaker.reset_timeout), until):
        return False
    ends = failure_ends(case, e, spell.from_ns - ORDER_NS, until + ORDER_NS)
    if breaker.fail_max is None:
        return not _ratio_reached(breaker, e, ends, until)
    if len(ends) < breaker.fail_max:
        return True
    least, most = int(ends[-breaker.fail_max]) + ORDER_NS, int(ends[-1]) - ORDER_NS
    served = e.end_ns[e.served & (e.start_ns > ends[-breaker.fail_max]) & (e.end_ns > least) & (e.end_ns < most)]
    return len(served) > 0


def _ratio_reached(breaker: Breaker, e: Events, ends: Ints, until: int) -> bool:
    """Whether from some moment within the window on so large a share had failed, of so many calls.

    Windows roll, or begin anew at fixed times, so each failure is tried as the first one. What ended about then counts
    as the breaker would have it: towards the number of calls, and not as a success.
    """
    ratio, least, window_ns = breaker.failure_ratio or 0.0, breaker.min_calls or 1, int(1e9 * (breaker.window or 1e9))
    recent = ends[ends >= until - ORDER_NS - window_ns]
    failed = np.arange(len(recent), 0, -1)
    served = in_order(e.end_ns[e.served])
    in_window = np.searchsorted(served, until + ORDER_NS) - np.searchsorted(served, until - ORDER_NS - window_ns)
    since = np.searchsorted(served, until - ORDER_NS) - np.searchsorted(served, recent + ORDER_NS, side="right")
    share = failed >= ratio * (failed + np.maximum(since, 0))
    return bool((share & (failed >= ratio * least) & (failed + int(in_window) >= least)).any())


def open_since(case: Case, e: Events, before: Spell | None, opened: Spell) -> int:
    """The earliest moment at which the breaker can have opened: the failed attempt that may have filled its count.

    Processes may share a breaker's state, so with several workers any failure may have been the one.
    """
    if before is None or before.state != "closed":
        return opened.from_ns
    tried = since_served(e, before)
    since = int(e.start_ns[tried[0]]) if len(tried) else before.from_ns
    ends = failure_ends(case, e, since, int(e.start_ns[before.at]))
    limit = 1 if len(case.workers) > 1 else breaker_of(case, e).fail_max or 1
    return int(ends[min(limit, len(ends)) - 1]) if len(ends) else opened.from_ns
