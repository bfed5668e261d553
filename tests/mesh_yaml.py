"""Short ways to write Istio documents in tests."""

from __future__ import annotations

import json
from typing import Any

from harness.mesh import Source, Translation, load, translate

HOST = "kato.default.svc.cluster.local"
CLUSTER = f"outbound|19500||{HOST}"
THREE = ({"version": "v3.0.0"}, {"version": "v3.0.0"}, {"version": "v3.0.0", "tier": "premium"})

Json = dict[str, Any]


def virtual_service(*http: Json, **spec: Any) -> Json:
    """A VirtualService for kato."""
    return _document("VirtualService", {"hosts": ["kato"], "http": list(http), **spec})


def destination_rule(**spec: Any) -> Json:
    """A DestinationRule for kato."""
    return _document("DestinationRule", {"host": "kato", **spec})


def route(**more: Any) -> Json:
    """An HTTP route to kato."""
    return {"route": [{"destination": {"host": "kato"}}], **more}


def translated(*documents: Json, source: Source | None = None) -> Translation:
    """The translation of documents, with three endpoints."""
    nodes = [node for document in documents for node in load(json.dumps(document), "test.yaml")]
    return translate(nodes, THREE, source=source)


def _document(kind: str, spec: Json) -> Json:
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": "kato"}, "spec": spec}
