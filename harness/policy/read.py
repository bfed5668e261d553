"""What a client promises, read from its live objects: time-outs, retries and breakers, with their composition.

Nothing is imported and nothing of the client is called: objects are known by the names of their classes. What cannot
be read (a retry on a predicate) is left out, and so is what several objects say differently. Time-outs that are given
with each request are told by these (`read_requests`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.policy.read_breaker import read_breaker
from harness.policy.read_retry import read_retry
from harness.policy.read_timeout import read_timeout
from harness.policy.read_transport import read_transport_retry
from harness.policy.read_walk import Found, named, walk

NOTHING: Mapping[str, list[dict[str, Any]]] = {}
OPERATIONS = ("open_session", "observe", "predict", "learn")


def read_policy(
    integration: Any, inspect: Iterable[Any] = (), carried: Mapping[str, list[dict[str, Any]]] = NOTHING
) -> dict[str, Any]:
    """The policy that the objects show, nested as `policy.from_mapping` takes it, durations in seconds.

    `inspect`: more start points, as objects or as `module:name` texts. `carried`: the transport's retries that went
    with each operation's requests, which count before those of its client (`Carried.retries`). Settings that hold for
    some operations only are under `calls`, or in `retry.calls` where these share one retry. `composition` is
    `retry(breaker)` or `breaker(retry)`, the outer one first; `limits.max_connections` the size of a client's pool;
    `retrying` lists the operations in whose methods a retry is made anew, of which no more is known.
    """
    roots = [integration, *_listed(getattr(integration, "inspect", ())), *_listed(inspect)]
    found = walk([named(root) if isinstance(root, str) else root for root in roots])
    ops = [op for op in OPERATIONS if hasattr(integration, op)]
    policy = _agreed([read_timeout(item.thing) for item in found if item.kind == "client"])
    policy |= _retries(found, ops, carried) | _breakers(found, ops)
    inside = [item.op for item in found if item.kind == "retrying"]
    if inside:
        policy["retrying"] = [op for op in ops if op in inside or None in inside]
    composed = {" ".join(item.around) for item in found if len(item.around) > 1}
    if len(composed) == 1:
        outer, inner = composed.pop().split()
        policy["composition"] = f"{outer}({inner})"
    return policy


def breakers_of(integration: Any, inspect: Iterable[Any] = ()) -> tuple[Any, ...]:
    """The breakers that can be reached from an integration, to be listened to."""
    roots = [integration, *_listed(getattr(integration, "inspect", ())), *_listed(inspect)]
    found = walk([named(root) if isinstance(root, str) else root for root in roots])
    unique = {id(item.thing): item.thing for item in found if item.kind == "breaker"}
    return tuple(unique.values())


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) if value else ()


def _retries(found: list[Found], ops: list[str], carried: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Retries around operations, multiplied by those that the transport makes below them."""
    below = _agreed([read_transport_retry(item.thing) for item in found if item.kind == "client"])
    tied = {op: _agreed([read_retry(i.thing) for i in found if i.kind == "retry" and i.op == op]) for op in ops}
    shared = _agreed([read_retry(item.thing) for item in found if item.kind == "retry" and item.op is None])
    under = {op: _agreed(carried[op]) if op in carried else below for op in ops}
    each = {op: made for op in ops if (made := _layered(tied[op] or shared, _below(under[op], op)))}
    if not each:
        return {}
    if len({repr(retry) for retry in each.values()}) > 1:
        return {"calls": {op: {"retry": retry} for op, retry in each.items()}}
    one = next(iter(each.values()))
    return {"retry": one | ({"calls": list(each)} if any(tied.values()) or len(each) < len(ops) else {})}


def _below(retry: dict[str, Any], op: str) -> dict[str, Any]:
    """What a transport's retry does for one operation: for those it may not repeat, what it does `elsewhere`."""
    rest = {key: value for key, value in retry.items() if key not in ("calls", "elsewhere")}
    if op in retry.get("calls", (op,)):
        return rest
    return rest | {"on": retry["elsewhere"]} if retry["elsewhere"] else {}


def _layered(above: dict[str, Any], below: dict[str, Any]) -> dict[str, Any]:
    if not above or not below:
        return above or below
    attempts = {"max_attempts": above["max_attempts"] * below["max_attempts"]} if "max_attempts" in above else {}
    return above | attempts


def _breakers(found: list[Found], ops: list[str]) -> dict[str, Any]:
    breakers = {id(item.thing): item.thing for item in found if item.kind == "breaker"}
    agreed = _agreed([read_breaker(breaker) for breaker in breakers.values()])
    return {"breaker": agreed} if agreed else {}


def _agreed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The keys on which all non-empty parts agree, nested ones likewise."""
    known = [part for part in parts if part]
    if not known:
        return {}
    agreed: dict[str, Any] = {}
    for key, value in known[0].items():
        values = [part.get(key) for part in known]
        if isinstance(value, Mapping) and all(isinstance(other, Mapping) for other in values):
            inner = _agreed([dict(other) for other in values if isinstance(other, Mapping)])
            agreed |= {key: inner} if inner else {}
        elif all(other == value for other in values):
            agreed[key] = value
    return agreed
