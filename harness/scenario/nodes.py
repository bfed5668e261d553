"""YAML 1.2 text to a tree of nodes that know their file, line and column; merge, override and plain values.

Scalars stay text: what a scalar means is decided by the key that reads it, so `no`, `503` and `2027-02-01` hold no
surprise. Mappings keep the position of each key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from harness.errors import Problem, ScenarioError

MAX_NODES = 20_000
"""Aliases can make a small file large; a scenario is never this large."""
MAX_DEPTH = 30

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a file: 1-based line and column."""

    file: str = ""
    line: int = 1
    column: int = 1

    def problem(self, what: str, cure: str, index: int = 0) -> Problem:
        """The problem at this place, `index` characters further right."""
        return Problem(self.file, self.line, self.column + index, what, cure)


@dataclass(frozen=True, slots=True)
class Node:
    """One YAML value. `value` is a str (scalar), a tuple of Nodes (list) or a dict of str to Node (map).

    `tag` is YAML 1.2's implicit type of a scalar (str, int, float, bool, null), `keys` where each key stands.
    """

    value: str | tuple[Node, ...] | dict[str, Node]
    where: Where = Where()
    tag: str = "str"
    keys: Mapping[str, Where] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """scalar, list or map."""
        return "scalar" if isinstance(self.value, str) else "list" if isinstance(self.value, tuple) else "map"

    @property
    def text(self) -> str:
        """The text of a scalar; empty for others."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def items(self) -> tuple[Node, ...]:
        """The nodes of a list; none for others."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def entries(self) -> dict[str, Node]:
        """The entries of a map; none for others."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def null(self) -> bool:
        """True for an empty or null scalar."""
        return self.tag == "null"

    def key_where(self, key: str) -> Where:
        """Where `key` of this map stands; the map itself when it has no such key."""
        return self.keys.get(key, self.where)


def parse(text: str, file: str) -> Node:
    """The tree of the one YAML document in `text`; raises ScenarioError with every problem of its structure."""
    try:
        composed = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise ScenarioError([_syntax(error, file)]) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise ScenarioError([_unreadable(error, file)]) from None
    if composed is None:
        return Node({}, Where(file), "map")
    problems: list[Problem] = []
    node = _Builder(file, problems).build(composed, ())
    if problems:
        raise ScenarioError(problems)
    return node


def _syntax(error: MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = " ".join(str(part) for part in (error.context, error.problem) if part)
    return Problem(file, line, column, f"not YAML: {said}", "check indentation, quotes and brackets at this place")


def _unreadable(error: Exception, file: str) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(
            file, 1, 1, "nested too deeply to read", "a scenario nests a handful of levels: check the brackets"
        )
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Problem(file, 1, 1, f"not YAML: {said}", "save the file as UTF-8 text without control characters")


class _Builder:
    """Walks a composed tree once, counting nodes and noting what a scenario may not hold."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems
        self._count = 0

    def build(self, raw: Any, above: tuple[int, ...]) -> Node:
        where = Where(self._file, raw.start_mark.line + 1, raw.start_mark.column + 1)
        self._count += 1
        if id(raw) in above or self._count > MAX_NODES:
            return self._refuse(where, "aliases make this file endless", "write the values out instead of `*alias`")
        if len(above) > MAX_DEPTH:
            return self._refuse(where, "nested too deeply", "a scenario nests a handful of levels: check the brackets")
        tag = str(raw.tag or "").removeprefix(_TAG)
        if isinstance(raw, ScalarNode):
            return self._scalar(raw, where, tag)
        if isinstance(raw, SequenceNode) and tag == "seq":
            return Node(tuple(self.build(item, (*above, id(raw))) for item in raw.value), where, "seq")
        if isinstance(raw, MappingNode) and tag == "map":
            return self._map(raw, where, above)
        return self._refuse(where, f"the tag !{tag} is not read", "leave the tag out: keys decide what a value means")

    def _scalar(self, raw: Any, where: Where, tag: str) -> Node:
        if tag not in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"):
            return self._refuse(
                where, f"the tag !{tag} is not read", "leave the tag out: keys decide what a value means"
            )
        shift = 1 if raw.style in ("'", '"') else 0
        plain = tag if tag in ("int", "float", "bool", "null") else "str"
        return Node(raw.value, replace(where, column=where.column + shift), plain)

    def _map(self, raw: Any, where: Where, above: tuple[int, ...]) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Where] = {}
        for key, value in raw.value:
            at = Where(self._file, key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, ScalarNode):
                self._refuse(at, "a key must be a word", "write `key: value`")
            elif key.value in entries:
                first = keys[key.value].line
                self._refuse(at, f"{key.value!r} stands here twice (first on line {first})", "keep one of the two")
            elif "${" in key.value:
                self._refuse(at, "a reference can't be a key", "use ${env:…} and ${file:…} in values only")
            else:
                entries[key.value] = self.build(value, (*above, id(raw)))
                keys[key.value] = at
        return Node(entries, where, "map", keys)

    def _refuse(self, where: Where, what: str, cure: str) -> Node:
        if not self._problems or self._problems[-1].what != what:
            self._problems.append(where.problem(what, cure))
        return Node("", where, "null")


def merge(base: Node, over: Node) -> Node:
    """`over` laid upon `base`: maps merge key by key, everything else is replaced."""
    if base.kind != "map" or over.kind != "map":
        return over
    entries = dict(base.entries)
    for key, value in over.entries.items():
        entries[key] = merge(entries[key], value) if key in entries else value
    return Node(entries, over.where, "map", {**base.keys, **over.keys})


def without(node: Node, *keys: str) -> Node:
    """The map without those keys."""
    return replace(node, value={key: value for key, value in node.entries.items() if key not in keys})


def put(node: Node, path: str, value: Node) -> Node:
    """The tree with `value` at a dotted path; an item of a list is named by its `name` or its index from 0.

    Raises KeyError with the part of the path that isn't there.
    """
    head, _, rest = path.partition(".")
    if node.kind == "list":
        index = _index(node, head)
        items = list(node.items)
        items[index] = put(items[index], rest, value) if rest else value
        return replace(node, value=tuple(items))
    if node.kind != "map":
        raise KeyError(head)
    inner = put(node.entries.get(head, Node({}, node.where, "map")), rest, value) if rest else value
    return replace(node, value={**node.entries, head: inner}, keys={**node.keys, head: value.where})


def _index(node: Node, name: str) -> int:
    for index, item in enumerate(node.items):
        named = item.entries.get("name")
        if name == str(index) or (named is not None and named.text == name):
            return index
    raise KeyError(name)


def find(node: Node, path: str) -> Node | None:
    """The node at a dotted path (list items by index), or None."""
    for part in path.split("."):
        if node.kind == "list":
            index = int(part) if part.isdigit() else -1
            if not 0 <= index < len(node.items):
                return None
            node = node.items[index]
        elif part in node.entries:
            node = node.entries[part]
        else:
            return None
    return node


def plain(node: Node) -> Any:
    """Plain Python values by YAML 1.2's core schema; texts, references included, stay as written."""
    if node.kind == "map":
        return {key: plain(value) for key, value in node.entries.items()}
    if node.kind == "list":
        return [plain(item) for item in node.items]
    return _scalar_value(node)


def _scalar_value(node: Node) -> Any:
    text = node.text
    if node.tag == "null":
        return None
    if node.tag == "bool":
        return text.lower() == "true"
    if node.tag == "int" and re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if node.tag == "float" and re.fullmatch(r"[+-]?\d*\.?\d+(?:[eE][+-]?\d{1,3})?", text):
        return float(text)
    return text


def of(value: object, file: str) -> Node:
    """The node of a plain value, as from `file` (a flag's name for values of the command line)."""
    where = Where(file)
    if isinstance(value, Mapping):
        entries = {str(key): of(item, file) for key, item in value.items()}
        return Node(entries, where, "map", dict.fromkeys(entries, where))
    if isinstance(value, (list, tuple)):
        return Node(tuple(of(item, file) for item in value), where, "seq")
    if value is None:
        return Node("", where, "null")
    if isinstance(value, bool):
        return Node(str(value).lower(), where, "bool")
    return Node(str(value), where, type(value).__name__ if isinstance(value, (int, float)) else "str")
