"""Istio's YAML as what it does: Envoy's routes and clusters, an Envoy to run them, and the traffic to expect."""

from __future__ import annotations

from harness.mesh.attempts import FAILURES, Resending, Sent, resending, send
from harness.mesh.choose import route_for
from harness.mesh.ejection import Ceiling, Ejection, ceiling, ejection
from harness.mesh.envoy import Endpoint, envoy_config, members
from harness.mesh.facts import mesh_facts
from harness.mesh.inventory import Replica, Source
from harness.mesh.nodes import ManifestError, Node, load, load_file
from harness.mesh.predict import Expected, Injected, Prediction, RouteTraffic, expect, predict
from harness.mesh.replicas import replica_labels
from harness.mesh.scaling import scaled
from harness.mesh.translate import Translation, VirtualHost, documents_of, translate, translate_command

__all__ = [
    "FAILURES",
    "Ceiling",
    "Ejection",
    "Endpoint",
    "Expected",
    "Injected",
    "ManifestError",
    "Node",
    "Prediction",
    "Replica",
    "Resending",
    "RouteTraffic",
    "Sent",
    "Source",
    "Translation",
    "VirtualHost",
    "ceiling",
    "documents_of",
    "ejection",
    "envoy_config",
    "expect",
    "load",
    "load_file",
    "members",
    "mesh_facts",
    "predict",
    "replica_labels",
    "resending",
    "route_for",
    "scaled",
    "send",
    "translate",
    "translate_command",
]
