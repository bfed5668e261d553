"""The mutants of a file, by mutmut's operators.

mutmut's own runner leaves out what is decorated, and every law is: its operators are used here, the rest is ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_number, operator_string

DOUBLED_FROM = 1_000_000
"""Numbers from here on are nanoseconds, or a second of them: one more is below what evidence can tell."""


@dataclass(frozen=True)
class Mutant:
    """One change: `node` of the top-level `statement`, which begins in `line`, becomes `changed`.

    `lines` are those of the simple statement, or of the head, around it. `place` is the qualified name of the function
    in whose body it is, empty outside of any.
    """

    file: str
    place: str
    before: str
    after: str
    line: int
    lines: range
    statement: cst.CSTNode
    node: cst.CSTNode
    changed: cst.CSTNode

    @property
    def change(self) -> str:
        """What was changed into what."""
        return f"{self.before} → {self.after}"

    def source(self) -> str:
        """The top-level statement with the change, from `line` on."""
        return _code(self.statement.deep_replace(self.node, self.changed)).lstrip("\n")  # type: ignore[arg-type]


def mutants_of(path: Path) -> list[Mutant]:
    """All mutants of a file, in order of place."""
    return list(_Maker(path).made())


class _Maker:
    def __init__(self, path: Path) -> None:
        self._file = path.name
        wrapper = MetadataWrapper(cst.parse_module(path.read_text()), unsafe_skip_copy=True)
        self._module = wrapper.module
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._positions = wrapper.resolve(PositionProvider)

    def made(self) -> Iterator[Mutant]:
        for statement in self._behaviour():
            for node in _walk(statement):
                if not self._left_out(node):
                    yield from self._of(statement, node)

    def _behaviour(self) -> Iterator[cst.CSTNode]:
        """The top-level statements, without what only `@law(…)` uses."""
        names = [node for node in _walk(self._module) if isinstance(node, cst.Name)]
        said = [any(isinstance(one, cst.Decorator) for one in self._above(node)) for node in names]
        for statement in self._module.body:
            found = m.findall(statement, m.AssignTarget(target=m.Name()) | m.AnnAssign(target=m.Name()))
            bound = {one.target.value for one in found} if isinstance(statement, cst.SimpleStatementLine) else set()
            uses = [inside for node, inside in zip(names, said, strict=True) if node.value in bound]
            if uses.count(False) > 1 or True not in uses:
                yield statement

    def _of(self, statement: cst.CSTNode, node: cst.CSTNode) -> Iterator[Mutant]:
        """The mutants of one node."""
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                for changed in _changes(operator, node):
                    if not self._only_words(node, changed):
                        yield self._mutant(statement, node, changed)

    def _mutant(self, statement: cst.CSTNode, node: cst.CSTNode, changed: cst.CSTNode) -> Mutant:
        place, begin = self._place(node), self._positions[statement].start.line
        before, after = (re.sub(r"\s+", " ", _code(one)).strip() for one in (node, changed))
        return Mutant(self._file, place, before, after, begin, self._span(node), statement, node, changed)

    def _above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        while not isinstance(node, cst.Module):
            yield node
            node = self._parents[node]

    def _place(self, node: cst.CSTNode) -> str:
        """The top-level function or method whose body holds the node, else nothing."""
        above = list(self._above(node))
        names = [one.name.value for one in above if isinstance(one, (cst.FunctionDef, cst.ClassDef))]
        functions = [at for at, one in enumerate(above) if isinstance(one, cst.FunctionDef)]
        if not functions or above[functions[-1] - 1] is not above[functions[-1]].body:  # type: ignore[attr-defined]
            return ""
        outer = [one for one in above[functions[-1] :] if isinstance(one, (cst.FunctionDef, cst.ClassDef))]
        return ".".join(reversed(names[-len(outer) :]))

    def _span(self, node: cst.CSTNode) -> range:
        """The lines of the innermost statement around the node, without the blocks in it."""
        for one in self._above(node):
            if isinstance(one, (cst.SimpleStatementLine, cst.BaseCompoundStatement)):
                last = self._positions[one].end.line
                if isinstance(one, cst.BaseCompoundStatement):
                    last = self._positions[one.body].start.line
                return range(self._positions[one].start.line, last + 1)
        return range(0)

    def _left_out(self, node: cst.CSTNode) -> bool:
        """What is no behaviour: types, what a law says of itself, guards against our own mistakes."""
        for one in self._above(node):
            if isinstance(one, (cst.Annotation, cst.Import, cst.ImportFrom)) or _is_types(one):
                return True
            if isinstance(one, cst.Decorator) or m.matches(one, _STRICT):
                return True
            if isinstance(one, cst.FormattedStringExpression) and isinstance(node, cst.SimpleString):
                return True
        return _is_prose(node)

    def _only_words(self, node: cst.CSTNode, changed: cst.CSTNode) -> bool:
        """Whether nothing but prose, or zip's `strict`, is dropped or replaced."""
        if not (isinstance(node, cst.Call) and isinstance(changed, cst.Call)):
            return False
        kept = {id(arg) for arg in changed.args}
        lost = [arg for arg in node.args if id(arg) not in kept]
        return bool(lost) and all(_is_prose(arg.value) or m.matches(arg, _STRICT) for arg in lost)


def _changes(operator: Callable[[Any], Iterable[cst.CSTNode]], node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """What the operator makes of it, of a text only the first, and twice the number where one more is nothing."""
    if operator is operator_string:
        return islice(operator(node), 1)
    if operator is operator_number and node.evaluated_value >= DOUBLED_FROM:  # type: ignore[attr-defined]
        return [node.with_changes(value=repr(2 * node.evaluated_value))]
    return operator(node)


_STRICT = m.Arg(keyword=m.Name("strict"))
_GENERIC = m.OneOf(*(m.Name(name) for name in ("NDArray", "Literal", "Callable", "tuple")))
_VARIABLE = m.Call(func=m.Name("TypeVar"))
_ALIAS = m.Assign(value=m.Subscript(value=_GENERIC) | _VARIABLE)
_TYPES = _VARIABLE | m.Call(func=m.Name("cast"))


def _is_types(node: cst.CSTNode) -> bool:
    return m.matches(node, _TYPES | m.AnnAssign(value=None) | _ALIAS)


def _is_prose(node: cst.CSTNode) -> bool:
    """Words for a person have spaces; words for a program have none."""
    if isinstance(node, cst.ConcatenatedString):
        return True
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in node.parts)
    return isinstance(node, cst.SimpleString) and " " in node.value


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
