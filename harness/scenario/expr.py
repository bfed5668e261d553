"""Expressions of `at`, `for` and `phases`: numbers, durations, + − *, `policy.…`, `<phase or fault>.start|end`.

    sum   = term (("+" | "-") term)*          term = item ("*" item)*
    item  = number | duration | name | "(" sum ")"

Every part is a number or a duration; a duration can't be multiplied by a duration nor a number added to one. The bare
number 0 is both. Names are resolved by whoever evaluates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.scenario.nodes import Where
from harness.units import DURATION_PATTERN, NUMBER, TextError, duration_s, format_duration, format_number

MAX_DEPTH = 40
NOWHERE = Where()
_TOKEN = re.compile(rf"\s*(?:({DURATION_PATTERN}(?![\w.]))|({NUMBER}(?![\w.]))|([A-Za-z_][\w.]*)|(.))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Literal:
    """A number or a duration (seconds). `index` is where it stands in the text."""

    value: float
    duration: bool
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name: `policy.breaker.reset_timeout`, `baseline.end`, `outage.start`."""

    path: str
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """`left` sign `right` with sign one of + − *."""

    sign: str
    left: Tree
    right: Tree
    index: int = field(default=0, compare=False)


Tree = Literal | Name | Operation


@dataclass(frozen=True, slots=True)
class Expr:
    """An expression as written, its tree, and where it stands."""

    text: str
    tree: Tree
    where: Where = field(default=Where(), compare=False)

    def names(self) -> Iterator[Name]:
        """Every name in it."""
        yield from _names(self.tree)


def parse(text: str, where: Where = NOWHERE) -> Expr:
    """The expression in `text`; raises TextError with the index of the character where it goes wrong."""
    tokens = _tokens(text)
    tree, at = _sum(tokens, 0, 0)
    kind, word, index = tokens[at]
    if kind != "end":
        raise TextError(f"{word!r} doesn't belong here", "join values with +, - or *", index)
    return Expr(text.strip(), tree, where)


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = ("duration", "number", "name", "sign")[(match.lastindex or 1) - 1]
        word = match[match.lastindex or 0]
        if kind == "sign" and word not in "+-*()":
            cure = (
                "multiply by a fraction, such as 0.5 * 10s"
                if word == "/"
                else "use numbers, durations, names, + - * ( )"
            )
            raise TextError(f"{word!r} can't be used in an expression", cure, match.start(match.lastindex or 0))
        tokens.append((kind, word, match.start(match.lastindex or 0)))
    return [*tokens, ("end", "the end", len(text.rstrip()))]


def _sum(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Tree, int]:
    left, at = _term(tokens, at, depth)
    while tokens[at][1] in ("+", "-") and tokens[at][0] == "sign":
        _, sign, index = tokens[at]
        right, at = _term(tokens, at + 1, depth)
        left = Operation(sign, left, right, index)
    return left, at


def _term(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Tree, int]:
    left, at = _item(tokens, at, depth)
    while tokens[at][:2] == ("sign", "*"):
        index = tokens[at][2]
        right, at = _item(tokens, at + 1, depth)
        left = Operation("*", left, right, index)
    return left, at


def _item(tokens: list[tuple[str, str, int]], at: int, depth: int) -> tuple[Tree, int]:
    kind, word, index = tokens[at]
    if depth > MAX_DEPTH or len(tokens) > 400:
        raise TextError(
            "this expression is too long to read", "split it: let a fault refer to another's start or end", index
        )
    if kind == "duration":
        return Literal(duration_s(word), True, index), at + 1
    if kind == "number":
        return Literal(float(word), False, index), at + 1
    if kind == "name":
        return Name(word, index), at + 1
    if word == "(":
        tree, after = _sum(tokens, at + 1, depth + 1)
        if tokens[after][1] != ")":
            raise TextError("this bracket is never closed", "add `)`", index)
        return tree, after + 1
    raise TextError(f"a value is missing before {word!r}", "write a number, a duration or a name here", index)


def _names(tree: Tree) -> Iterator[Name]:
    if isinstance(tree, Name):
        yield tree
    elif isinstance(tree, Operation):
        yield from _names(tree.left)
        yield from _names(tree.right)


def kind_of(tree: Tree, name_kind: Callable[[Name], str]) -> str:
    """number, duration or zero (fits both); `name_kind` says number or duration of a name. Raises TextError."""
    if isinstance(tree, Literal):
        return "duration" if tree.duration else "number" if tree.value else "zero"
    if isinstance(tree, Name):
        return name_kind(tree)
    left, right = kind_of(tree.left, name_kind), kind_of(tree.right, name_kind)
    if tree.sign == "*":
        if left == right == "duration":
            raise TextError("a duration times a duration", "multiply a duration by a plain number", tree.index)
        return "duration" if "duration" in (left, right) else "number"
    if left != right and "zero" not in (left, right):
        raise TextError(
            f"a {left} {'plus' if tree.sign == '+' else 'minus'} a {right}", "give both a unit, such as 10s", tree.index
        )
    return right if left == "zero" else left


def value_of(tree: Tree, lookup: Callable[[Name], float]) -> float:
    """The value: seconds for a duration. `lookup` gives a name's value."""
    if isinstance(tree, Literal):
        return tree.value
    if isinstance(tree, Name):
        return lookup(tree)
    left, right = value_of(tree.left, lookup), value_of(tree.right, lookup)
    return left * right if tree.sign == "*" else left + right if tree.sign == "+" else left - right


def write(tree: Tree) -> str:
    """The canonical text: `parse(write(tree)).tree == tree`."""
    if isinstance(tree, Literal):
        return format_duration(tree.value) if tree.duration else format_number(tree.value)
    if isinstance(tree, Name):
        return tree.path
    left, right = write(tree.left), write(tree.right)
    if tree.sign == "*":
        left = f"({left})" if isinstance(tree.left, Operation) and tree.left.sign != "*" else left
        return f"{left} * {f'({right})' if isinstance(tree.right, Operation) else right}"
    return (
        f"{left} {tree.sign} {f'({right})' if isinstance(tree.right, Operation) and tree.right.sign != '*' else right}"
    )
