"""What a degraded answer says of itself: `degraded()` knows it, or a flag or type of its own tells it apart.

Shapes are those of `load.outcomes.shape`: `{count:int,stale:true}`, `Answer{items:list}`, `(false,null)`, `null`.
"""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, names_in, once

FLAGS = {"true": "false", "false": "true"}


@once
def marked(case: Case) -> Mask:
    """The calls whose answer can be told to be a substitute by whoever looks at it."""
    calls = case.calls
    found: Mask = calls["marked"] > 0
    for op in calls["op"].names:
        mine = calls["op"].among(op) & calls["outcome"].among("degraded")
        healthy = shapes(case, op)
        telling = [shape for shape in names_in(calls["shape"], mine) if tells(shape, healthy)]
        found = found | (mine & calls["shape"].among(*telling))
    return found


def shapes(case: Case, op: str) -> frozenset[str]:
    """The shapes of this run's healthy answers."""
    calls = case.calls
    return frozenset(names_in(calls["shape"], calls["op"].among(op) & calls["outcome"].among("ok")))


def tells(shape: str, healthy: frozenset[str]) -> bool:
    """Whether no healthy answer is of this type, or shows its flag (a field, or the answer itself) like this."""
    if not healthy:
        return False
    own = type_of(shape)
    if own and shape.endswith("}") and all(type_of(other) not in ("", own) for other in healthy):
        return True
    others = [fields(other) for other in healthy]
    return any(
        kind in FLAGS and all(other.get(name, "false") == FLAGS[kind] for other in others)
        for name, kind in fields(shape).items()
    )


def fits(shape: str, healthy: str) -> bool:
    """Whether all fields of a healthy shape are there with its types; null fits all, further ones may mark it."""
    if shape[-1:] != healthy[-1:] or shape[-1:] not in ("}", ")"):
        return alike(shape, healthy)
    own = fields(shape)
    return all(name in own and alike(own[name], kind) for name, kind in fields(healthy).items())


def alike(one: str, other: str) -> bool:
    """Whether two kinds of value pass for each other."""
    return one == other or "null" in (one, other) or {one, other} <= {"int", "float", "bool", "true", "false"}


def type_of(shape: str) -> str:
    """The class of an object's shape; '' for a mapping and for plain values."""
    return shape[: shape.index("{")] if "{" in shape else ""


def fields(shape: str) -> dict[str, str]:
    """The kinds of a shape's fields: by name, by place in a tuple, or of the value itself under ''."""
    if shape.endswith("}"):
        pairs = shape[shape.index("{") + 1 : -1].split(",")
        return dict(pair.rpartition(":")[::2] for pair in pairs if pair)
    if shape.endswith(")"):
        return {str(place): kind for place, kind in enumerate(shape[1:-1].split(","))}
    return {"": shape}


def gives_nothing(case: Case) -> Mask:
    """The calls that gave None where others of their operation give something: that says no more than "no"."""
    calls, troubled = case.calls, case.attempts.any(~case.words["ok"]) | case.during()
    empty = calls["shape"].among("null", "")
    peaceful = calls["outcome"].among("ok") | ~troubled
    usual = [op for op in calls["op"].names if (calls["op"].among(op) & peaceful & empty).any()]
    nothing: Mask = empty & ~calls["op"].among(*usual)
    return np.asarray(nothing)
