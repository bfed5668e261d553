"""From a YAML tree to typed records: every unknown field, wrong type and refused feature by name and place.

A record is a frozen dataclass whose field names are the YAML's in snake case; annotations say the rest (Named, OneOf,
Refused). Absent is None or empty; presence counts in protobuf, so optional scalars stay None when they aren't written.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from harness.errors import Problem
from harness.mesh import duration
from harness.mesh.nodes import Node

T = TypeVar("T")
Duration = typing.NewType("Duration", int)
"""Nanoseconds, written as a Go duration."""
Unsigned = typing.NewType("Unsigned", int)
"""A 32 or 64 bit unsigned integer."""
ZERO = Unsigned(0)
_REFUSED = object()
"""Stands for a value that became a problem; its field keeps the default."""


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """The YAML's name of a field where camel case doesn't give it."""

    name: str


@dataclasses.dataclass(frozen=True, slots=True)
class OneOf:
    """Of the fields of one group only one may be given."""

    group: str


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """A known field that isn't translated, and why."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class RefusedWords:
    """Known values that aren't translated, and why."""

    reasons: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    kind: Any
    group: str = ""
    refused: str = ""
    refused_words: Mapping[str, str] = dataclasses.field(default_factory=dict)


@functools.cache
def _fields(record: Any) -> Mapping[str, _Field]:
    hints = typing.get_type_hints(record, include_extras=True)
    out = {}
    for field in dataclasses.fields(record):
        hint = hints[field.name]
        marks = {type(mark): mark for mark in getattr(hint, "__metadata__", ())}
        kind = typing.get_args(hint)[0] if marks else hint
        name = marks[Named].name if Named in marks else _camel(field.name)
        out[name] = _Field(
            field.name,
            kind,
            marks[OneOf].group if OneOf in marks else "",
            marks[Refused].reason if Refused in marks else "",
            marks[RefusedWords].reasons if RefusedWords in marks else {},
        )
    return out


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


class Decoder:
    """Decodes nodes into records and gathers `problems` as it goes; it never stops at the first."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def record(self, node: Node, kind: type[T]) -> T:
        """`node` as a `kind`. What can't be used is a problem, and its field stays at the default."""
        if not isinstance(node.value, Mapping):
            self._refuse(node, f"{_word(node)} where a mapping is needed", "write `key: value` lines")
            return kind()
        fields: Mapping[str, _Field] = _fields(typing.cast("Any", kind))
        given: dict[str, Any] = {}
        groups: dict[str, str] = {}
        for key, child in node.value.items():
            field = fields.get(key)
            if field is None:
                self._unknown(child, key, kind, tuple(fields))
            elif child.value is None:
                continue
            elif reason := field.refused or field.refused_words.get(str(child.value), ""):
                self._refuse(child, f"`{key}` is not translated: {reason}", "leave it out, or test it in a cluster")
            else:
                self._group(groups, field.group, key, child)
                given[field.attribute] = self._value(child, field.kind, key)
        return kind(**{name: value for name, value in given.items() if value is not _REFUSED})

    def _value(self, node: Node, kind: Any, key: str) -> Any:
        origin = typing.get_origin(kind)
        if origin in (types.UnionType, typing.Union):
            return self._value(node, next(k for k in typing.get_args(kind) if k is not types.NoneType), key)
        if origin is tuple:
            return self._sequence(node, typing.get_args(kind)[0], key)
        if origin in (Mapping, typing.get_origin(Mapping[str, str])):
            return self._mapping(node, typing.get_args(kind)[1], key)
        if dataclasses.is_dataclass(kind):
            return self.record(node, typing.cast("type[Any]", kind))
        return self._scalar(node, kind, key)

    def _sequence(self, node: Node, kind: Any, key: str) -> Any:
        if not isinstance(node.value, tuple):
            self._refuse(node, f"`{key}` is {_word(node)}, a list is needed", f"start each entry of `{key}` with `- `")
            return _REFUSED
        values = [self._value(item, kind, key) for item in node.value if item.value is not None]
        return tuple(value for value in values if value is not _REFUSED)

    def _mapping(self, node: Node, kind: Any, key: str) -> Any:
        if not isinstance(node.value, Mapping):
            self._refuse(
                node, f"`{key}` is {_word(node)}, a mapping is needed", f"write `name: value` lines under `{key}`"
            )
            return _REFUSED
        values = {name: self._empty_or(child, kind, name) for name, child in node.value.items()}
        return {name: value for name, value in values.items() if value is not _REFUSED}

    def _empty_or(self, node: Node, kind: Any, key: str) -> Any:
        if node.value is None and dataclasses.is_dataclass(kind):
            return typing.cast("type[Any]", kind)()
        return self._value(node, kind, key)

    def _scalar(self, node: Node, kind: Any, key: str) -> Any:
        value, words = node.value, _EXPECTED.get(kind, "")
        if kind is Duration:
            return self._duration(node, key)
        if typing.get_origin(kind) is Literal:
            words = "one of " + ", ".join(map(str, typing.get_args(kind)))
            fits = not isinstance(value, bool) and value in typing.get_args(kind)
        elif kind is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        elif kind in (int, Unsigned):
            fits = isinstance(value, int) and not isinstance(value, bool) and (kind is int or value >= 0)
        else:
            fits = isinstance(value, kind)
        if fits:
            return value
        self._refuse(node, f"`{key}` is {_word(node)}, {words} is needed", f"give `{key}` as {words}")
        return _REFUSED

    def _duration(self, node: Node, key: str) -> Any:
        try:
            if isinstance(node.value, str):
                return duration.parse(node.value)
        except ValueError as error:
            self._refuse(node, f"`{key}`: {error}", "write a number with its unit: ns, us, ms, s, m or h")
            return _REFUSED
        self._refuse(node, f"`{key}` is {_word(node)}, a duration is needed", "write a number with its unit, like 30s")
        return _REFUSED

    def _group(self, groups: dict[str, str], group: str, key: str, node: Node) -> None:
        if group and group in groups:
            self._refuse(
                node, f"`{key}` beside `{groups[group]}`: only one may be given", f"keep `{groups[group]}` or `{key}`"
            )
        groups[group] = key

    def _unknown(self, node: Node, key: str, kind: type, names: tuple[str, ...]) -> None:
        close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
        cure = f"did you mean `{close[0]}`?" if close else f"known here: {', '.join(names)}"
        self._refuse(node, f"unknown field `{key}` in {kind.__name__}", cure)

    def _refuse(self, node: Node, what: str, cure: str) -> None:
        self.problems.append(node.problem(what, cure))


_EXPECTED = {
    str: "a word or quoted text",
    bool: "true or false",
    int: "a whole number",
    Unsigned: "a whole number of at least 0",
    float: "a number",
}


def _word(node: Node) -> str:
    if isinstance(node.value, Mapping):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    return f"`{node.value}`" if isinstance(node.value, str) else str(node.value).lower()
