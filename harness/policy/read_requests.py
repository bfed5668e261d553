"""The time-outs and retries that requests carried: what a client is set to is often overruled with each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from math import inf, isfinite
from typing import Any

from harness.policy.merge import flatten
from harness.policy.read_transport import read_urllib3_retry

STEPS = ("connect", "read", "write", "pool", "total")
BACKGROUND = "background"
"""What stands in an operation's place for requests that no call waits for: a flusher's, a refresher's."""
Steps = Mapping[str, tuple[float, float]]
"""For each step of a time-out the shortest and the longest that was seen (s); infinite where a request had none."""


class Carried:
    """What the requests of each operation carried, taken down as they are sent."""

    def __init__(self) -> None:
        self.by_op: dict[str, dict[str, tuple[float, float]]] = {}
        self.retries: dict[str, list[dict[str, Any]]] = {}
        self._retry: dict[str, Any] = {}
        self._latest: tuple[str, dict[str, Any]] = ("", {})

    def note(self, op: str, **steps: Any) -> None:
        """One request of `op`: its connect, read, write, pool and total time-outs in seconds, as far as its library
        has such steps; what is no number is no bound."""
        if (op, steps) == self._latest:  # as nearly always: comparing costs a tenth of noting
            return
        self._latest = op, steps
        seen = self.by_op.setdefault(op, {})
        for step, value in steps.items():
            limit = float(value) if isinstance(value, (int, float)) else inf
            least, most = seen.get(step, (limit, limit))
            seen[step] = min(least, limit), max(most, limit)

    def note_retry(self, op: str, retry: Any) -> None:
        """urllib3's Retry of one request of `op`: what its client is set to is often overruled, too. One that has
        counted tries already is no setting."""
        counted: tuple[object, ...] = getattr(retry, "history", ())
        if retry is self._retry.get(op) or counted:
            return
        self._retry[op] = retry
        seen, told = self.retries.setdefault(op, []), read_urllib3_retry(retry)
        if told not in seen:
            seen.append(told)


def with_requests(
    read: Mapping[str, Any], carried: Mapping[str, Steps], declared: Mapping[str, Any], ops: Iterable[str]
) -> dict[str, Any]:
    """The `read` policy, with what requests carried instead of what the client's objects say.

    A time-out that differs from request to request, of whatever operation, is cut to what is left of a deadline, or
    follows measurements: the longest one counts, and none where it stays within what is declared. Requests that no
    call waits for are told under BACKGROUND, and are those of an operation that sends none itself.
    """
    aside = {step: most for step, (_, most) in carried.get(BACKGROUND, {}).items() if isfinite(most)}
    if BACKGROUND in carried:
        read = {**read, BACKGROUND: {"timeout": aside}}
    carried = {op: steps for op, steps in carried.items() if op != BACKGROUND}
    if not carried and not (aside and "timeout" not in read):
        return dict(read)
    flat = flatten(declared)
    seen = [(step, limit) for steps in carried.values() for step, limits in steps.items() for limit in limits]
    varied = {step for step in STEPS if len({limit for other, limit in seen if other == step}) > 1}
    others = read.get("timeout", aside)
    told = {op: _told(op, carried[op], flat, varied) if op in carried else others for op in ops}
    rest = {key: value for key, value in read.items() if key != "timeout"}
    one = next(iter(told.values()), {})
    if all(timeout == one for timeout in told.values()):
        return rest | ({"timeout": one} if one else {})
    calls = {op: dict(own) for op, own in dict(rest.get("calls", {})).items()}
    for op, timeout in told.items():
        if timeout:
            calls[op] = calls.get(op, {}) | {"timeout": timeout}
    return rest | {"calls": calls}


def _told(op: str, steps: Steps, declared: Mapping[str, Any], varied: Set[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for step, (_, most) in steps.items():
        promised = declared.get(f"calls.{op}.timeout.{step}", declared.get(f"timeout.{step}", 0.0))
        if isfinite(most) and not (step in varied and most <= promised):
            found[step] = most
    return found
