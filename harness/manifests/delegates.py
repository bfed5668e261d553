"""Routes as they count: what a delegate doesn't say itself it has from the route that delegates to it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.manifests.istio import virtual_services
from harness.manifests.unit import Unit
from harness.mesh.inventory import namespace_of
from harness.mesh.nodes import Node

_INHERITED = ("timeout", "retries")


def sending_routes(unit: Unit) -> Iterator[Node]:
    """Every route that sends requests on; one of a delegate once for each route that delegates to it.

    A delegate whose root isn't among the files stands for itself.
    """
    for service in virtual_services(unit):
        roots = [] if any(service.each("spec", "hosts")) else list(_roots(unit, service))
        for route in service.each("spec", "http"):
            if any(route.each("route")):
                yield from (_joined(root, route) for root in roots) if roots else (route,)


def _roots(unit: Unit, delegate: Node) -> Iterator[Node]:
    """The routes that delegate to a VirtualService."""
    wanted = (namespace_of(delegate), delegate.get("metadata", "name"))
    for service in virtual_services(unit):
        for route in service.each("spec", "http"):
            to = route["delegate"]
            if to is not None and (to.get("namespace") or namespace_of(service), to.get("name")) == wanted:
                yield route


def _joined(root: Node, own: Node) -> Node:
    """A delegate's route at its own place, with what it inherits at the root's."""
    inherited = {name: node for name in _INHERITED if (node := root[name]) is not None}
    pairs = tuple(_over(outer, inner) for outer in root.each("match") for inner in own.each("match"))
    match = Node(pairs, own.file, own.line, own.column) if pairs else own["match"] or root["match"]
    return _over(Node(inherited, root.file, root.line, root.column), own, **({"match": match} if match else {}))


def _over(outer: Node, inner: Node, **more: Node) -> Node:
    return Node({**dict(outer.items()), **dict(inner.items()), **more}, inner.file, inner.line, inner.column)
