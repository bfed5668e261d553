"""HCL (Consul's configuration language) as the same tree that YAML becomes: blocks are lists of mappings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from harness.errors import Problem
from harness.mesh.nodes import ManifestError, Node

if TYPE_CHECKING:
    from lark import Tree

_QUOTED_KEY = re.compile(r'(^[ \t]*|\{[ \t]*)"([A-Za-z_][\w-]*)"(?=(?:[ \t]*"[^"\n]*")*[ \t]*[={])', re.MULTILINE)
"""A key or a block's kind in quotes: Consul reads HCL 1, where any may be; the parser reads HCL 2, where none may."""


def load_hcl(text: str, file: str) -> Node:
    """The document. Raises ManifestError, also when python-hcl2 is not installed."""
    try:
        import hcl2
        from lark.exceptions import LarkError
    except ImportError as error:
        what = "Consul files need the package python-hcl2"
        raise ManifestError([Problem(file, 1, 1, what, "pip install 'kato-harness[mesh]'")]) from error
    try:
        bare = _QUOTED_KEY.sub(r"\1 \2 ", text)
        tree = hcl2.parses_to_tree(bare if bare.endswith("\n") else bare + "\n")
    except LarkError as error:
        line, column = getattr(error, "line", 1), getattr(error, "column", 1)
        what = f"not valid HCL: {str(error).splitlines()[0]}"
        raise ManifestError([Problem(file, max(line, 1), max(column, 1), what, "mend it where it breaks")]) from error
    return Node(_Reader(file).body(_trees(tree)[0]), file, 1, 1)


class _Reader:
    """Walks the parse tree; what only Consul could evaluate (references, calls) stays None."""

    def __init__(self, file: str) -> None:
        self.file = file

    def body(self, tree: Tree[Any]) -> dict[str, Node]:
        out: dict[str, Node] = {}
        for child in _trees(tree):
            if child.data == "attribute":
                key, value = _trees(child)
                out[_name(key)] = self._node(value, key)
            elif child.data == "block":
                self._block(child, out)
        return out

    def _block(self, tree: Tree[Any], out: dict[str, Node]) -> None:
        kind, *_labels, body = _trees(tree)
        entry = Node(self.body(body), self.file, *_place(kind))
        known = out.get(_name(kind))
        entries = (*known.value, entry) if known is not None and isinstance(known.value, tuple) else (entry,)
        out[_name(kind)] = Node(entries, self.file, *_place(kind))

    def _node(self, tree: Tree[Any], at: Tree[Any]) -> Node:
        return Node(self._value(tree), self.file, *_place(at))

    def _value(self, tree: Tree[Any]) -> Any:
        if tree.data == "expr_term":
            return self._value(_trees(tree)[0]) if len(_trees(tree)) == 1 else None
        if tree.data == "tuple":
            return tuple(self._node(item, item) for item in _trees(tree))
        if tree.data == "object":
            pairs = [_trees(element) for element in _trees(tree)]
            return {_name(key): self._node(value, key) for key, value in pairs}
        text = "".join(str(token) for token in tree.scan_values(lambda token: True))
        if tree.data == "int_lit":
            return int(text)
        if tree.data == "float_lit":
            return float(text)
        if tree.data == "string":
            return text[1:-1]
        return {"true": True, "false": False}.get(text) if tree.data == "literal_value" else None


def _trees(tree: Tree[Any]) -> list[Tree[Any]]:
    return [child for child in tree.children if hasattr(child, "data") and child.data != "new_line_or_comment"]


def _name(tree: Tree[Any]) -> str:
    return "".join(str(token) for token in tree.scan_values(lambda token: True)).strip().strip('"')


def _place(tree: Tree[Any]) -> tuple[int, int]:
    token = next(iter(tree.scan_values(lambda token: True)))
    return int(token.line), int(token.column)
