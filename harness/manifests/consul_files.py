"""Consul's service definitions as one tree, whether HCL or JSON, blocks or objects, snake or camel case.

Consul takes all of these forms (its documentation, "Services configuration reference"; the HTTP API writes camel case).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.mesh.nodes import Node

BLOCKS = frozenset({"service", "services", "check", "checks", "connect", "sidecar_service", "proxy", "upstreams"})
"""What may stand once or several times; here always a list of mappings."""
_WORDS = ("deregister_critical_service_after", "destination_name", "local_bind_port", "local_bind_address", *BLOCKS)
_SNAKE = {word.replace("_", ""): word for word in _WORDS}


def consul_tree(document: Node) -> Node:
    """The definition with its names in snake case and its blocks as lists; a bare service becomes a `service`."""
    tree = _normal(document)
    services = {"service", "services"} & set(dict(tree.items()))
    if services or tree["name"] is None:
        return tree
    return Node({"service": Node((tree,), tree.file, tree.line, tree.column)}, tree.file, tree.line, tree.column)


def is_consul(document: Node) -> bool:
    """Is this JSON a service definition, or what registers one over HTTP? Compose files also have `services`."""
    if not document.file.endswith(".json") or document["apiVersion"] is not None:
        return False
    named = {_snake(name): node for name, node in document.items()}
    if any(isinstance(named[key].value, kind) for key, kind in _TOP.items() if key in named):
        return True
    return "name" in named and bool({"check", "checks"} & named.keys() or {"port", "address"} <= named.keys())


_TOP: Mapping[str, type] = {"service": Mapping, "services": tuple}


def _normal(node: Node) -> Node:
    if isinstance(node.value, tuple):
        return Node(tuple(map(_normal, node.value)), node.file, node.line, node.column)
    if not isinstance(node.value, Mapping):
        return node
    named = {_snake(name): _normal(child) for name, child in node.items()}
    value = {name: _listed(child) if name in BLOCKS else child for name, child in named.items()}
    return Node(value, node.file, node.line, node.column)


def _listed(node: Node) -> Node:
    return Node((node,), node.file, node.line, node.column) if isinstance(node.value, Mapping) else node


def _snake(name: str) -> str:
    bare = name.replace("_", "").lower()
    return _SNAKE.get(bare, name.lower())
