"""What may be taken away from a schedule, each way as candidates from the largest step to the smallest.

A candidate is always simpler by `cost`, so that reducing ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from harness.explore.draft import Draft, cut
from harness.faults import KINDS
from harness.model import Fault, Load, Stage

MS = 1_000_000
FRACTIONS = (0.0, 0.125, 0.25, 0.5, 0.75)
LEAST_WINDOW_NS = 10 * MS
LEAST_GAP_NS = 10 * MS
LEAST_RATE = 1.0
ROUND_NS = 10 * MS
UNCOUNTED = 1000
"""As many requests a fault may hit that doesn't count them, when two are compared."""

Candidate = tuple[str, Draft]
"""What was taken away, in words, and what is left."""

Reduction = Callable[[Draft], Iterator[Candidate]]


def cost(draft: Draft) -> float:
    """How complicated a schedule is: faults first, then what they hit, time, calls, and settings."""
    load = draft.load
    hit = sum(_hits(fault) for fault in draft.faults)
    windows_s = sum(fault.for_ns for fault in draft.faults) / 1e9
    settings = sum(len(fault.params) - _defaults(fault) for fault in draft.faults)
    settings += len(load.mix) + len(load.stages) + len(load.config) + len(load.users_are) + bool(load.events)
    settings += (load.arrivals != "constant") + (load.think_spread != "constant") + bool(draft.keys.get("target"))
    return len(draft.faults) * 1e6 + hit * 10 + windows_s * 10 + load.for_ns / 1e9 + draft.calls + settings


def _hits(fault: Fault) -> int:
    only = fault.only
    if "nth" in only:
        return 1
    return min(int(only.get("first", UNCOUNTED)), UNCOUNTED) - ("op" in only)


def _defaults(fault: Fault) -> int:
    return sum(fault.params.get(param.name) == param.default for param in KINDS[fault.kind].params)


def fewer_faults(draft: Draft) -> Iterator[Candidate]:
    """Half of the faults away, a quarter, … each one (the subsets of delta debugging, Zeller and Hildebrandt 2002)."""
    size = len(draft.faults)
    while size > 1:
        size = -(-size // 2)
        for at in range(0, len(draft.faults), size):
            gone = draft.faults[at : at + size]
            left = draft.faults[:at] + draft.faults[at + size :]
            yield f"without {', '.join(fault.name for fault in gone)}", replace(draft, faults=left)
    if len(draft.faults) == 1:
        yield f"without {draft.faults[0].name}", replace(draft, faults=())


def less_idle_time(draft: Draft) -> Iterator[Candidate]:
    """Shorter stretches without a fault: before, between and after them."""
    edges = [0, *_edges(draft), draft.load.for_ns]
    for start_ns, end_ns in reversed(list(pairwise(edges))):
        if any(fault.at_ns < end_ns and fault.until_ns > start_ns for fault in draft.faults):
            continue
        for left_ns in _shorter(end_ns - start_ns, LEAST_GAP_NS):
            yield (
                f"{_seconds(end_ns - start_ns)} of idle time made {_seconds(left_ns)}",
                cut(draft, start_ns + left_ns, end_ns),
            )


def shorter_windows(draft: Draft) -> Iterator[Candidate]:
    """Each fault ends sooner, and what follows comes sooner unless another fault is in force meanwhile."""
    for at, fault in enumerate(draft.faults):
        alone = all(o is fault or o.until_ns <= fault.at_ns or o.at_ns >= fault.until_ns for o in draft.faults)
        for left_ns in _shorter(fault.for_ns, LEAST_WINDOW_NS):
            words = f"{fault.name} for {_seconds(left_ns)}"
            if alone:
                yield words, cut(draft, fault.at_ns + left_ns, fault.until_ns)
            yield words, _with(draft, at, replace(fault, for_ns=left_ns))


def single_requests(draft: Draft) -> Iterator[Candidate]:
    """Faults of single requests: the nth one, or the first few, of one operation, instead of all or a share."""
    for at, fault in enumerate(draft.faults):
        if KINDS[fault.kind].plane != "witness" or fault.only.get("nth"):
            continue
        kept = {key: value for key, value in fault.only.items() if key in ("op", "path", "header", "instance")}
        ops = [{}] if "op" in kept or "path" in kept else [{}, *({"op": op} for op in draft.load.mix)]
        for op in ops:
            for number in (1, 2, 3, 5):
                yield f"{fault.name} at request {number} alone", _only(draft, at, kept | op | {"nth": number})
        for op in ops:
            for count in (2, 3, 5, 10, 20, 50, 100):
                if count < fault.only.get("first", UNCOUNTED):
                    yield f"{fault.name} at the first {count}", _only(draft, at, kept | op | {"first": count})
        if not fault.only:
            for op in ops[1:]:
                yield f"{fault.name} at {op['op']} alone", _only(draft, at, op)


def less_load(draft: Draft) -> Iterator[Candidate]:
    """A lower rate, fewer users, one operation, fewer sessions."""
    load = draft.load
    for part in (0.125, 0.25, 0.5, 0.75):
        if load.users > 1 and (users := max(1, int(load.users * part))) < load.users:
            yield f"{users} users", replace(draft, load=replace(load, users=users, sessions=min(load.sessions, users)))
        elif not load.users and (scaled := _scaled(load, part)) is not None:
            yield f"{part:g} of the rate", replace(draft, load=scaled)
    if len(load.mix) > 1:
        for op in load.mix:
            yield f"{op} alone", replace(draft, load=replace(load, mix={op: 1.0}))
    for sessions in (1, 2, 5, load.sessions // 2):
        if 0 < sessions < load.sessions and not load.users:
            yield f"{sessions} sessions", replace(draft, load=replace(load, sessions=sessions))


def plainer_settings(draft: Draft) -> Iterator[Candidate]:
    """Constant arrivals at one rate, default sessions, no jitter, one direction, an instant KATO."""
    load = draft.load
    if load.arrivals != "constant":
        yield "constant arrivals", replace(draft, load=replace(load, arrivals="constant"))
    if len(load.stages) > 1:
        rate = max(max(stage.start_rate, stage.end_rate) for stage in load.stages)
        yield "one rate", replace(draft, load=replace(load, stages=(Stage(rate, rate, load.for_ns),)))
    plainest: tuple[tuple[str, Any], ...] = (
        ("config", {}),
        ("users_are", ()),
        ("events", 0),
        ("ttl_s", 0),
        ("think_spread", "constant"),
    )
    for name, value in plainest:
        if getattr(load, name) != value:
            yield f"no {name}", replace(draft, load=replace(load, **{name: value}))
    if draft.keys.get("target"):
        keys = {key: value for key, value in draft.keys.items() if key != "target"}
        yield "an instant KATO", replace(draft, keys=keys)
    for at, fault in enumerate(draft.faults):
        for words, params in _plainer_params(fault):
            yield f"{fault.name} {words}", _with(draft, at, replace(fault, params=params))


def _plainer_params(fault: Fault) -> Iterator[tuple[str, dict[str, Any]]]:
    for param in KINDS[fault.kind].params:
        value = fault.params.get(param.name, param.default)
        if not param.required and value != param.default:
            yield f"with the usual {param.name}", {**fault.params, param.name: param.default}
        if param.type == "steps" and len(value) > 1:
            yield "with half of its steps", {**fault.params, param.name: list(value)[: len(value) // 2]}


REDUCTIONS: tuple[Reduction, ...] = (
    fewer_faults,
    less_idle_time,
    shorter_windows,
    single_requests,
    less_load,
    plainer_settings,
)


def _edges(draft: Draft) -> list[int]:
    return sorted({edge for fault in draft.faults for edge in (fault.at_ns, fault.until_ns)})


def _shorter(length_ns: int, least_ns: int) -> Iterator[int]:
    """Parts of a length, in whole hundredths of a second, from the shortest on."""
    told = set()
    for part in FRACTIONS:
        left_ns = max(round(length_ns * part / ROUND_NS) * ROUND_NS, least_ns)
        if left_ns < length_ns and left_ns not in told:
            told.add(left_ns)
            yield left_ns


def _scaled(load: Load, part: float) -> Load | None:
    stages = tuple(
        Stage(max(s.start_rate * part, LEAST_RATE), max(s.end_rate * part, LEAST_RATE), s.for_ns) for s in load.stages
    )
    lower = any(
        a.start_rate < b.start_rate or a.end_rate < b.end_rate for a, b in zip(stages, load.stages, strict=True)
    )
    return replace(load, stages=stages) if lower else None


def _with(draft: Draft, at: int, fault: Fault) -> Draft:
    return replace(draft, faults=(*draft.faults[:at], fault, *draft.faults[at + 1 :]))


def _only(draft: Draft, at: int, only: dict[str, Any]) -> Draft:
    return _with(draft, at, replace(draft.faults[at], only=only))


def _seconds(time_ns: int) -> str:
    return f"{time_ns / 1e9:g}s"
