"""What is known of a run before its load: its instances and what leads to them, and the mesh's numbers and findings."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.policy import Policy
from harness.run.front import endpoints_of
from harness.run.prepare import Prepared
from harness.run.stage import Stage


def known_facts(prepared: Prepared, stage: Stage, policy: Policy) -> dict[str, Any]:
    """Facts for the manifest; nothing for a plain run."""
    layout = prepared.layout
    if layout.plain:
        return {}
    facts = {"replicas": layout.replicas, **stage.front.facts}
    if layout.translation is not None:
        facts["mesh"] = _mesh(prepared, stage, policy)
    return facts


def _mesh(prepared: Prepared, stage: Stage, policy: Policy) -> dict[str, Any]:
    from harness.manifests import audit
    from harness.mesh import mesh_facts

    layout = prepared.layout
    assert layout.translation is not None
    users = [{"share": user.share, "headers": dict(user.headers)} for user in prepared.scenario.load.users_are]
    endpoints = endpoints_of(layout, stage.listeners)
    return {
        "files": list(layout.files),
        "labels_from": layout.labels_from,
        "findings": [asdict(finding) for finding in audit(layout.files)],
        **mesh_facts(layout.translation, endpoints, users, policy, prepared.scale),
    }
