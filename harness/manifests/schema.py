"""Kubernetes' own schemas (package kubernetes-validate, offline), each read once: 200 files must take seconds."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Unit
from harness.mesh.inventory import kind_of
from harness.mesh.nodes import Node

if TYPE_CHECKING:
    from jsonschema.protocols import Validator  # type: ignore[import-untyped]

_GROUPS = re.compile(r"^([^./]*)(?:\.[^/]*)?/")


def available() -> bool:
    """True when the schemas are installed (extra `mesh`)."""
    return importlib.util.find_spec("kubernetes_validate") is not None


def _schema_errors(unit: Unit) -> Iterator[Remark]:
    for document in unit.documents:
        version, kind = document.get("apiVersion"), document.get("kind")
        if not _is_manifest(document):
            continue
        if not isinstance(version, str) or not isinstance(kind, str):
            yield remark(document, "no Kubernetes document: `apiVersion` and `kind` are needed", "give both")
            continue
        validator = _validator(kind, version) if available() and _ours(document) else None
        told = document.plain() if validator is not None else {}
        # SOPS writes its own block beside what it encrypted, and takes it away again before the file is applied.
        told.pop("sops", None)
        for error in validator.iter_errors(told) if validator is not None else ():
            yield _remark(document, error)


def _is_manifest(document: Node) -> bool:
    """Does anything speak of Kubernetes? Values of charts and the like lie beside manifests."""
    return any(document[name] is not None for name in ("apiVersion", "kind", "metadata", "spec"))


def _not_judged(unit: Unit) -> Iterator[Remark]:
    for document in unit.documents:
        if not _is_manifest(document):
            reason = "no Kubernetes document (`apiVersion` and `kind` are missing): it is not judged"
            yield remark(document, reason, "give manifests as they are applied, like the output of `helm template`")


def _not_checked(unit: Unit) -> Iterator[Remark]:
    if unit.documents and not available():
        yield remark(
            unit.documents[0],
            "schemas were not checked: kubernetes-validate is missing",
            "pip install 'kato-harness[mesh]'",
        )


def _ours(document: Node) -> bool:
    group = kind_of(document)[0]
    return "." not in group or (group.endswith(".k8s.io") and not group.startswith("gateway."))


def _remark(document: Node, error: Any) -> Remark:
    path = list(error.absolute_path)
    place = document.nearest(path)
    extra = re.search(r"\('([^']+)' (?:was|were) unexpected\)", error.message)
    if extra is not None:
        child = place[extra[1]]
        return remark(child or place, f"unknown field `{extra[1]}`", "see `kubectl explain` for what is known here")
    where = ".".join(map(str, path)) or "the document"
    return remark(place, f"{where}: {_short(error.message)}", "give what the Kubernetes schema asks for")


def _short(message: str) -> str:
    return message if len(message) <= 160 else f"{message[:80]} … {message[-60:]}"


@functools.cache
def _validator(kind: str, version: str) -> Validator | None:
    """The validator of a kind in the newest schemas; None where they don't know it."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
    from referencing import Registry, Resource

    bare = _GROUPS.sub(r"\1-", version)
    path = _folder() / f"{kind.lower()}-{bare}.json"
    if not path.is_file():
        return None
    schema = json.loads(path.read_text(encoding="utf-8"))
    registry: Registry[Any] = _definitions() @ (Resource.from_contents(schema) @ Registry())
    return Draft202012Validator(schema, registry=registry)


@functools.cache
def _definitions() -> Any:
    from referencing import Resource

    return Resource.from_contents(json.loads((_folder() / "_definitions.json").read_text(encoding="utf-8")))


@functools.cache
def _folder() -> Path:
    import kubernetes_validate  # type: ignore[import-untyped]

    root = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    return root / f"v{kubernetes_validate.latest_version()}-local-strict"


RULES = (
    Rule("K8S/schema", "not what Kubernetes' schema allows", "gate", _schema_errors),
    Rule("K8S/not-judged", "no Kubernetes document", "info", _not_judged),
    Rule("K8S/schema-not-checked", "schemas are not installed", "info", _not_checked),
)
