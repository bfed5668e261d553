"""Where a client's files look for KATO's address: variables of the environment and constants."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from harness.adapt.modules import Module
from harness.adapt.values import words_of

URL_WORDS = frozenset({"url", "uri", "endpoint", "base", "server", "address", "origin", "host", "hostname"})
ADDRESS = "urlsplit(base_url)"
"""The address in parts, in the adapter's words."""


def is_url(name: str) -> bool:
    """Whether a name says that it holds an address."""
    return bool(URL_WORDS & set(words_of(name)))


def environment_of(module: Module) -> Iterator[tuple[str, str]]:
    """Variables that the client's files read for an address, KATO's where some name it."""
    names = [name for reached in module.reached() for name in _variables(reached.tree)]
    named = [name for name in dict.fromkeys(names) if is_url(name) or words_of(name)[-1:] == ["port"]]
    katos = [name for name in named if "kato" in words_of(name)] or (named if len(named) == 1 else [])
    ported = any(words_of(name)[-1:] == ["port"] for name in katos)
    for name in katos:
        last = words_of(name)[-1]
        if last == "port":
            yield name, f"str({ADDRESS}.port)"
        elif last in ("host", "hostname") and ported:
            yield name, f"{ADDRESS}.hostname"
        else:
            yield name, "base_url"


def _variables(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        text = ast.unparse(node) if isinstance(node, ast.Call | ast.Subscript) else ""
        found = re.match(r"(?:os\.)?(?:environ(?:\.get\(|\.setdefault\(|\[)|getenv\()'(\w+)'", text)
        if found:
            yield found[1]
        if isinstance(node, ast.ClassDef) and any(ast.unparse(b).split(".")[-1] == "BaseSettings" for b in node.bases):
            prefix = re.search(r"env_prefix['\"]?\s*[=:]\s*'(\w*)'", ast.unparse(node))
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    yield f"{prefix[1] if prefix else ''}{item.target.id}".upper()


def constants_of(module: Module) -> Iterator[str]:
    """Names at the top of the client's file, and of its classes, that are set to an address."""
    for owner, body in (("", module.tree.body), *((f"{n}.", c.body) for n, c in module.classes.items())):
        for item in body:
            if isinstance(item, ast.Assign) and re.match(r"'https?://", ast.unparse(item.value)):
                yield from (f"{owner}{target.id}" for target in item.targets if isinstance(target, ast.Name))
