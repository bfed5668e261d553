"""Kustomize: what a kustomization generates stands beside the manifests; what only patches others is no manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.mesh.inventory import kind_of
from harness.mesh.nodes import Node, Scalar

_GENERATORS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}


def kustomized(documents: Sequence[Node]) -> list[Node]:
    """The documents without kustomizations and patch files, with the ConfigMaps and Secrets that are generated."""
    kustomizations = [document for document in documents if _is_kustomization(document)]
    patches = {path for document in kustomizations for path in _patches(document)}
    kept = [each for each in documents if each not in kustomizations and Path(each.file) not in patches]
    return [*kept, *(made for document in kustomizations for made in _generated(document))]


def _is_kustomization(document: Node) -> bool:
    named = Path(document.file).stem == "kustomization" and not document.get("kind")
    return named or kind_of(document) == ("kustomize.config.k8s.io", "Kustomization")


def _patches(document: Node) -> Iterator[Path]:
    folder = Path(document.file).parent
    named = [node.get("path") for node in document.each("patches")]
    named += [node.value for node in document.each("patchesStrategicMerge")]
    named += [node.get("path") for node in document.each("patchesJson6902")]
    yield from (folder / name for name in named if isinstance(name, str) and "\n" not in name)


def _generated(document: Node) -> Iterator[Node]:
    for generator, kind in _GENERATORS.items():
        for told in document.each(generator):
            pairs = [(node, str(node.value).partition("=")) for node in told.each("literals")]
            data = {key: _at(node, value) for node, (key, _, value) in pairs}
            # What comes from files isn't known here, so nothing may be said of keys that seem to be absent.
            partial = any(told[name] is not None for name in ("envs", "env", "files"))
            made = {
                "apiVersion": _at(told, "v1"),
                "kind": _at(told, f"Partial{kind}" if partial else kind),
                "metadata": _at(told, {"name": _at(told, told.get("name"))}),
                "data" if kind == "ConfigMap" else "stringData": _at(told, data),
            }
            yield _at(told, made)


def _at(node: Node, value: Scalar | Mapping[str, Node]) -> Node:
    return Node(value, node.file, node.line, node.column)
