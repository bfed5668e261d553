"""What a degraded answer says of itself: `degraded()` knows it, or a flag, a word or a type of its own tells it apart.

Shapes are those of `load.outcomes.shape`: `{count:int,stale:true}`, `{source:str=cache}`, `Answer{items:list}`,
`(false,null)`, `null`.
"""

from __future__ import annotations

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, names_in, once
from harness.model import FAILED

FLAGS = {"true": "false", "false": "true"}

DONE = frozenset({
    "ok", "okay", "success", "successful", "succeeded", "accepted", "stored", "saved", "committed", "delivered",
    "recorded", "observed", "done",
})  # fmt: skip
"""Fields that say whether an operation was done; a bare flag or a tuple's says the same."""

ERRORS = frozenset({"error", "errors", "err", "exception", "failure"})
"""Fields that hold what went wrong."""

EMPTY = ("null", "false")

NUMBERS = frozenset({"int", "float", "bool", "true", "false"})
"""Kinds that pass for each other."""


@once
def marked(case: Case) -> Mask:
    """The calls whose answer can be told to be a substitute by whoever looks at it."""
    calls = case.calls
    found: Mask = calls["marked"] > 0
    for op in calls["op"].names:
        mine = calls["op"].among(op) & calls["outcome"].among("degraded")
        healthy = shapes(case, op)
        telling = [s for s in names_in(calls["shape"], mine) if tells(s, healthy) or admits(s, healthy)]
        found = found | (mine & calls["shape"].among(*telling))
    return found


@once
def admitted(case: Case) -> Mask:
    """The calls whose answer is an error report: the caller was told that nothing was done."""
    calls = case.calls
    found = np.zeros(len(calls), bool)
    for op in calls["op"].names:
        mine, healthy = calls["op"].among(op), shapes(case, op)
        found |= mine & calls["shape"].among(*(s for s in names_in(calls["shape"], mine) if admits(s, healthy)))
    return found


def shapes(case: Case, op: str) -> frozenset[str]:
    """The shapes of this run's healthy answers."""
    calls = case.calls
    return frozenset(names_in(calls["shape"], calls["op"].among(op) & calls["outcome"].among("ok")))


def tells(shape: str, healthy: frozenset[str]) -> bool:
    """Whether no healthy answer is of this type, or shows its flag or word (a field's, or its own) like this."""
    if not healthy:
        return False
    own = type_of(shape)
    if own and shape.endswith("}") and all(type_of(other) not in ("", own) for other in healthy):
        return True
    others = [fields(other) for other in healthy]
    return any(
        (kind in FLAGS and all(other.get(name, "false") == FLAGS[kind] for other in others))
        or ("=" in kind and all(other.get(name) != kind for other in others))
        for name, kind in fields(shape).items()
    )


def admits(shape: str, healthy: frozenset[str]) -> bool:
    """Whether an answer says that it failed, as no healthy one does: `ok` is false, `error` holds something, or a word
    says so."""
    others = [fields(other) for other in healthy]
    return any(
        (kind == "false" and _says_done(name) and all(other.get(name, "true") == "true" for other in others))
        or (name.lower() in ERRORS and kind not in EMPTY and all(other.get(name, "null") in EMPTY for other in others))
        or (kind.partition("=")[2] in FAILED and all(other.get(name) != kind for other in others))
        for name, kind in fields(shape).items()
    )


def _says_done(name: str) -> bool:
    return not name or name.isdecimal() or name.lower() in DONE


def fits(shape: str, healthy: str) -> bool:
    """Whether all fields of a healthy shape are there with its types; null fits all, further ones may mark it."""
    if shape[-1:] != healthy[-1:] or shape[-1:] not in ("}", ")"):
        return alike(shape, healthy)
    own = fields(shape)
    return all(name in own and alike(own[name], kind) for name, kind in fields(healthy).items())


def alike(one: str, other: str) -> bool:
    """Whether two kinds of value pass for each other."""
    one, other = one.partition("=")[0], other.partition("=")[0]
    return one == other or "null" in (one, other) or NUMBERS.issuperset((one, other))


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
