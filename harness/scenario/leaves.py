"""Kinds of single values: each reads a node, notes every problem it sees, and tells its JSON Schema.

`read` returns the value, or BAD when there is none; reading never stops at the first problem.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from harness import units
from harness.errors import Problem
from harness.scenario import expr
from harness.scenario.nodes import Node, Where
from harness.units import TextError

BAD: Final = object()
"""What `read` returns when a problem was noted instead of a value."""

REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


class Sink(list[Problem]):
    """The problems noted so far."""

    def note(self, where: Where, what: str, cure: str, index: int = 0) -> Any:
        """Note a problem and return BAD."""
        self.append(where.problem(what, cure, index))
        return BAD


class Kind(Protocol):
    """How values of one kind are read and described."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        """The value of `node`, or BAD after noting why; `name` is the key it stands under."""
        ...

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema (draft 2020-12)."""
        ...


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean x? ` when something known is near, then what is known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"one of: {', '.join(names)}"


def shown(node: Node) -> str:
    if node.kind != "scalar":
        return f"a {node.kind}"
    return "nothing" if node.null else repr(node.text if len(node.text) <= 40 else node.text[:37] + "…")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar read by a function that raises TextError; `pattern` describes it to editors."""

    parse: Callable[[str], Any]
    schema_: Mapping[str, Any]
    least: float | None = None
    most: float | None = None

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "scalar" or node.null:
            return sink.note(
                node.where, f"{name} needs a single value, not {shown(node)}", "write one value after the colon"
            )
        if REFERENCE.search(node.text):
            return sink.note(
                node.where, f"{name} can't be a reference", "references stand for texts; use environments for this key"
            )
        try:
            value = self.parse(node.text)
        except TextError as error:
            return sink.note(node.where, f"{name}: {error.what}", error.cure, error.index)
        if self.least is not None and value < self.least:
            return sink.note(
                node.where, f"{name} is {node.text}, below {self.least:g}", f"{name} is at least {self.least:g}"
            )
        if self.most is not None and value > self.most:
            return sink.note(
                node.where, f"{name} is {node.text}, above {self.most:g}", f"{name} is at most {self.most:g}"
            )
        return value

    def schema(self) -> dict[str, Any]:
        return dict(self.schema_)


def _positive(parse: Callable[[str], float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = parse(text)
        if value <= 0:
            raise TextError(f"{text} is nothing", "it must be more than 0")
        return value

    return read


def integer(least: int | None = None, most: int | None = None) -> Leaf:
    """A whole number in a range."""
    bounds = {key: value for key, value in (("minimum", least), ("maximum", most)) if value is not None}
    return Leaf(units.integer, {"type": "integer", **bounds}, least, most)


def number(least: float | None = None) -> Leaf:
    """A number."""
    return Leaf(units.number, {"type": "number"} | ({} if least is None else {"minimum": least}), least)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise TextError(f"{text!r} is neither true nor false", "write true or false (YAML 1.2 has no yes, no, on, off)")
    return text.lower() == "true"


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise TextError(f"{text!r} is not a date", "write year-month-day, such as 2027-02-01") from None


def _at_most(text: str) -> float:
    match = re.fullmatch(r"(\d+)\s+per\s+(\d+)", text.strip())
    if match and int(match[2]):
        return int(match[1][:15]) / int(match[2][:15])
    return units.ratio(text)


DURATION = Leaf(units.duration_s, {"type": "string", "pattern": f"^{units.DURATION_PATTERN}$"})
POSITIVE_DURATION = Leaf(_positive(units.duration_s), DURATION.schema_)
RATE = Leaf(units.rate_per_s, {"type": "string", "pattern": f"^{units.RATE_PATTERN}$"})
POSITIVE_RATE = Leaf(_positive(units.rate_per_s), RATE.schema_)
RATIO = Leaf(units.ratio, {"type": ["string", "number"], "pattern": f"^{units.NUMBER}%?$", "minimum": 0, "maximum": 1})
SIZE = Leaf(units.size_bytes, {"type": ["string", "integer"], "pattern": f"^{units.SIZE_PATTERN}$"})
BOOLEAN = Leaf(_boolean, {"type": "boolean"})
DATE = Leaf(_date, {"type": "string", "format": "date"})
AT_MOST = Leaf(_at_most, {"type": ["string", "number"], "pattern": rf"^(\d+ per \d+|{units.NUMBER}%?)$"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind == "scalar" and node.text in self.words:
            return node.text
        return sink.note(node.where, f"{name} can't be {shown(node)}", suggest(node.text, self.words))

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


def choice(*words: str) -> Choice:
    """One of `words`."""
    return Choice(words)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that may hold references; `path`: relative to the file it stands in; `command`: `$` is the shell's."""

    path: bool = False
    command: bool = False
    pattern: str = ""
    meaning: str = "text"

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "scalar" or node.null or not node.text.strip():
            return sink.note(
                node.where, f"{name} needs a {self.meaning}, not {shown(node)}", "write it after the colon"
            )
        left = REFERENCE.sub("", node.text)
        if "${" in left and not self.command:
            return sink.note(node.where, f"{name}: a reference that can't be read", "write ${env:NAME} or ${file:PATH}")
        if self.pattern and not REFERENCE.search(node.text) and not re.fullmatch(self.pattern, node.text):
            return sink.note(node.where, f"{name} can't be {shown(node)}", f"write a {self.meaning}")
        if left == node.text:
            return beside(node) if self.path else node.text
        return REFERENCE.sub(lambda match: _placed(match[1], match[2], node), node.text)

    def schema(self) -> dict[str, Any]:
        # what may be a number is written bare, and YAML calls that an integer
        numeric = bool(self.pattern and re.fullmatch(self.pattern, "1"))
        return {"type": ["string", "integer"] if numeric else "string"}


TEXT = Text()
PATH = Text(path=True, meaning="path")
COMMAND = Text(command=True, meaning="command")


@dataclass(frozen=True, slots=True)
class Variable(Text):
    """A variable of an environment: a text that YAML may take for a number or a truth value."""

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]}


VARIABLE = Variable()


def _placed(kind: str, name: str, node: Node) -> str:
    """A reference with its file's path made independent of where the harness runs."""
    return f"${{{kind}:{name if kind == 'env' else _path(node, name)}}}"


def beside(node: Node) -> str:
    """The path that a node's text means: relative to the folder of the file in which it stands."""
    return _path(node, node.text)


def _path(node: Node, name: str) -> str:
    return str(Path(node.where.file).parent / Path(name).expanduser())


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression of expr.py that gives a duration, with names checked later."""

    def read(self, node: Node, sink: Sink, name: str) -> Any:
        if node.kind != "scalar" or node.null:
            return sink.note(
                node.where,
                f"{name} needs a duration or an expression, not {shown(node)}",
                "such as 10s or baseline.end + 5s",
            )
        if REFERENCE.search(node.text):
            return sink.note(
                node.where, f"{name} can't be a reference", "references stand for texts; use environments for this key"
            )
        try:
            return expr.parse(node.text, node.where)
        except TextError as error:
            return sink.note(node.where, f"{name}: {error.what}", error.cure, error.index)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "integer"], "description": "a duration or an expression, such as baseline.end + 5s"}


EXPRESSION = Expression()
