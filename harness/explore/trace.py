"""What a client did in a small run, in a form that two runs can be compared by."""

from __future__ import annotations

from dataclasses import dataclass

NEAR_NS = 100_000_000
"""A fault of a time may hit what was sent so long before its request."""


@dataclass(frozen=True, slots=True)
class Did:
    """One call: what was asked, what came of it, its attempts as (ms after the call's start, result, status), and how
    often KATO committed it."""

    call: int
    op: str
    outcome: str
    error: str
    attempts: tuple[tuple[int, str, int], ...]
    commits: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A run's calls in order, and when requests of which operation reached KATO or were sent (ns from the start of
    load)."""

    calls: tuple[Did, ...] = ()
    starts_ns: tuple[int, ...] = ()
    requests: tuple[tuple[str, int], ...] = ()

    def first(self, op: str, after_ns: int) -> int | None:
        """When a request of an operation was sent from `after_ns` on, if possible one with no other just before it;
        None: never."""
        found = [at_ns for name, at_ns in self.requests if name == op and at_ns >= after_ns]
        others = [at_ns for name, at_ns in self.requests if name != op]
        alone = [at_ns for at_ns in found if not any(0 <= at_ns - other <= NEAR_NS for other in others)]
        return next(iter(alone or found), None)

    def retried_ns(self, op: str, after_ns: int) -> int | None:
        """When the second attempt of the first re-tried call of `op` from `after_ns` on began; None: nothing was."""
        for did, start_ns in zip(self.calls, self.starts_ns, strict=True):
            if did.op == op and start_ns >= after_ns and len(did.attempts) > 1:
                return start_ns + did.attempts[1][0] * 1_000_000
        return None

    def differs_after(self, other: Trace) -> int | None:
        """When the first call began that came after one that went otherwise than in `other`, and did so too; None:
        at most one call went otherwise."""
        theirs = {did.call: did for did in other.calls}
        odd = [s for did, s in zip(self.calls, self.starts_ns, strict=True) if theirs.get(did.call) != did]
        return odd[1] if len(odd) > 1 else None
