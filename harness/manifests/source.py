"""A client's source as rules see it: names resolved to what they were imported as, objects to what made them.

Nothing is imported or run: `ast` alone (standard library).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.errors import Problem
from harness.mesh.nodes import ManifestError
from harness.syntax import parse

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Made:
    """A call of something imported: its full name (`requests.Session`), the call, and the function around it."""

    name: str
    call: ast.Call
    inside: FunctionNode | None

    def argument(self, name: str) -> ast.expr | None:
        """A keyword argument's expression."""
        return next((word.value for word in self.call.keywords if word.arg == name), None)

    @property
    def spread(self) -> bool:
        """Whether arguments come from a mapping, so that nobody knows their names here."""
        return any(word.arg is None for word in self.call.keywords)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One Python file. `imports`: local name to full name; `objects`: `client`, `self.http` … to what made them."""

    file: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    made: tuple[Made, ...] = ()

    def where(self, node: ast.AST) -> str:
        """`file:line:column`."""
        return f"{self.file}:{getattr(node, 'lineno', 1)}:{getattr(node, 'col_offset', 0) + 1}"

    def name_of(self, node: ast.AST) -> str:
        """The full name of what an expression means: `httpx.Client`, `requests.Session().post`; "" for others."""
        return _name_of(node, self.imports, self.objects)

    def functions(self) -> Iterator[FunctionNode]:
        """All functions and methods."""
        return (node for node in ast.walk(self.tree) if isinstance(node, FunctionNode))

    def of_name(self, *names: str) -> Iterator[Made]:
        """The calls of these."""
        return (made for made in self.made if made.name in names)


def read_source(text: str, file: str) -> Source:
    """The source of one file; raises ManifestError where it is no Python."""
    try:
        tree = parse(text, file)
    except (SyntaxError, ValueError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        problem = Problem(file, line, max(column, 1), f"is no Python: {error.args[0]}", "give a Python source file")
        raise ManifestError([problem]) from error
    imports = _imports(tree)
    objects = _objects(tree, imports)
    return Source(file, tree, imports, objects, tuple(_made(tree, imports, objects)))


def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _name_of(node: ast.AST, imports: dict[str, str], objects: dict[str, str]) -> str:
    if isinstance(node, ast.Call):
        made = _name_of(node.func, imports, objects)
        return f"{made}()" if made else ""
    text = plain(node)
    if text in objects:
        return f"{objects[text]}()"
    if isinstance(node, ast.Name):
        return imports.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _name_of(node.value, imports, objects)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def plain(node: ast.AST) -> str:
    """`name` or `self.name` as text; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return ""


def _objects(tree: ast.Module, imports: dict[str, str]) -> dict[str, str]:
    """What names are given by calling something imported; `with … as name` too."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        pairs: list[tuple[ast.AST, ast.AST]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = [(node.optional_vars, node.context_expr)]
        for target, value in (each for pair in pairs for each in _unpacked(*pair)):
            name = plain(target)
            made = _name_of(value.func, imports, {}) if isinstance(value, ast.Call) else ""
            if name and made:
                found[name] = made
    return found


def _unpacked(target: ast.AST, value: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """`self.url, self.http = url, requests.Session()` as two assignments."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _made(tree: ast.Module, imports: dict[str, str], objects: dict[str, str]) -> Iterator[Made]:
    todo: list[tuple[ast.AST, FunctionNode | None]] = [(tree, None)]
    while todo:
        node, inside = todo.pop()
        if isinstance(node, ast.Call) and (name := _name_of(node.func, imports, objects)):
            yield Made(name, node, inside)
        within = node if isinstance(node, FunctionNode) else inside
        todo += [(child, within) for child in ast.iter_child_nodes(node)]
