"""Istio's YAML as what it does: Envoy's routes and clusters, an Envoy to run them, and the traffic to expect."""

from __future__ import annotations

from harness.mesh.inventory import Replica, Source
from harness.mesh.nodes import ManifestError, Node, load, load_file
from harness.mesh.translate import Translation, VirtualHost, documents_of, translate, translate_command

__all__ = [
    "ManifestError",
    "Node",
    "Replica",
    "Source",
    "Translation",
    "VirtualHost",
    "documents_of",
    "load",
    "load_file",
    "translate",
    "translate_command",
]
