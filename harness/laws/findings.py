"""Findings of a run: where declared and read differ, and what nobody says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from harness.laws.case import Case
from harness.laws.pool_waits import pool_waits
from harness.laws.steady import not_working
from harness.model import Finding
from harness.policy import Promise
from harness.policy.backoff import interval_s
from harness.policy.merge import shared_key
from harness.policy.types import Backoff


def findings_of(case: Case) -> tuple[Finding, ...]:
    """What fails without faults, K2 for each key declared and read otherwise, T2 for no total, P5 for a full pool."""
    return (*not_working(case), *_left_out(case), *differences(case), *_no_total(case), *_full_pool(case))


def _left_out(case: Case) -> tuple[Finding, ...]:
    """A finding for each call of the load for which the client has no method: nothing is said of it."""
    reason = "the client has no such method, so the load makes no such calls, and nothing is said of them"
    cure = "add the method, or leave its calls out of load.mix"
    return tuple(Finding("load", op, reason, cure) for op in case.facts.get("left_out", ()))


def _full_pool(case: Case) -> tuple[Finding, ...]:
    waits = pool_waits(case)
    if waits is None:
        return ()
    cure = "allow as many connections as rate × longest answer needs, or fewer calls at a time in front of it"
    return (Finding("P5", "limits.max_connections", str(waits), cure, "info"),)


def _no_total(case: Case) -> tuple[Finding, ...]:
    policies = (case.policy, *case.policy.calls.values())
    if any(policy.timeout is not None and policy.timeout.total is not None for policy in policies):
        return ()
    why = "no call has a total time-out: an answer that drips in, or a row of retries, may take as long as it likes"
    return (Finding("T2", "timeout.total", why, "put a deadline over the whole call, and declare it", "info"),)


def differences(case: Case) -> tuple[Finding, ...]:
    """A finding for each policy key whose declared value isn't the one read from the client's objects."""
    return tuple(
        Finding("K2", key, _difference(declared, read), "make the two agree")
        for key, (declared, read) in sorted(comparable(case.promise).items())
        if not same(declared, read)
    )


def comparable(promise: Promise) -> dict[str, tuple[object, object]]:
    """What is declared and what is read for each key that has both; what was read for one operation is held against
    what is declared for it, or for all. A retry that is declared for some operations says nothing of the others; a
    total that a library keeps is of one attempt, a declared one of the call."""
    declared, read = promise.declared, promise.read
    covered = declared.get("retry.calls")
    found: dict[str, tuple[object, object]] = {}
    for key, value in read.items():
        shared = shared_key(key)
        elsewhere = shared.startswith("retry.") and isinstance(covered, tuple) and key.split(".")[1] not in covered
        if key in declared:
            found[key] = declared[key], value
        elif key != shared and shared in declared and not elsewhere:
            found[key] = declared[shared], value
    found |= {key: (declared, declared) for key, (declared, _) in found.items() if _waits_as_declared(key, promise)}
    return {key: _heeding(key, pair, read) for key, pair in found.items() if shared_key(key) != "timeout.total"}


FIRST_WAITS = range(1, 6)
"""The re-tries whose waits are compared where two back-offs are put in different words."""


def _waits_as_declared(key: str, promise: Promise) -> bool:
    """Whether this key is of a back-off that is read in other words than it is declared in, of which every wait keeps
    within the declared one: full jitter up to 0.6 s is said of urllib3's 0.4 s and up to 0.2 s more, too."""
    own, part, _ = key.rpartition("retry.backoff.")
    if not part:
        return False
    place = f"{own}{part}"
    elsewhere = place if f"{place}jitter" in promise.declared else part
    said, seen = _backoff(promise.declared, elsewhere), _backoff(promise.read, place)
    if (said.jitter, said.first) == (seen.jitter, seen.first) or f"{elsewhere}jitter" not in promise.declared:
        return False
    pairs = [(interval_s(said, retry), interval_s(seen, retry)) for retry in FIRST_WAITS]
    return all(wide[0] - 1e-6 <= narrow[0] and narrow[1] <= wide[1] + 1e-6 for wide, narrow in pairs)


def _backoff(flat: Mapping[str, object], place: str) -> Backoff:
    values: dict[str, Any] = {f.name: flat[place + f.name] for f in fields(Backoff) if place + f.name in flat}
    return Backoff(**values)


HEEDED = frozenset({"413", "429", "503"})
"""Answers that urllib3 tries again when they carry a Retry-After (Retry.RETRY_AFTER_STATUS_CODES)."""


def _heeding(key: str, pair: tuple[object, object], read: Mapping[str, object]) -> tuple[object, object]:
    """Who honours Retry-After may declare the answers that carry it among those tried again, or leave them unsaid."""
    declared, seen = pair
    if not key.endswith("retry.on") or read.get(f"{key.removesuffix('on')}retry_after") != "honour":
        return pair
    if not isinstance(declared, (list, tuple)) or not isinstance(seen, (list, tuple)):
        return pair
    return tuple(word for word in declared if word not in HEEDED or word in seen), seen


OWN = frozenset({"pool_timeout", "decode", "client_bug", "cancelled", "breaker_open", "retry_exhausted", "timeout"})
"""Failures of the client itself, which `except Exception` catches beside those that a policy speaks of."""


def same(one: object, other: object) -> bool:
    """Equal as promises: numbers by value, lists as sets; lists of failures as far as they are KATO's."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return _of_kato(one) == _of_kato(other)
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= 1e-6 * max(abs(one), abs(other))
    return one == other


def _of_kato(words: Iterable[object]) -> set[str]:
    named = set(map(str, words))
    return (named | ({"connect_timeout", "read_timeout"} if "timeout" in named else set())) - OWN


def _difference(declared: object, read: object) -> str:
    """Both values; of two lists only what one has and the other hasn't."""
    if not (isinstance(declared, (list, tuple)) and isinstance(read, (list, tuple))):
        return f"declared {_shown(declared)}, read {_shown(read)}"
    one, other = _of_kato(declared), _of_kato(read)
    sides = ((one - other, "declared and not read"), (other - one, "read and not declared"))
    return "; ".join(f"{', '.join(sorted(words))} {side}" for words, side in sides if words)


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
