"""What is known of a run before its load: its instances and what leads to them, and the mesh's numbers and findings."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.model import Load
from harness.plan import Plan
from harness.policy import Policy
from harness.run.lead import endpoints_of
from harness.run.prepare import Prepared
from harness.run.stage import Stage
from harness.twin.profiles import load_profile

KATO_KEEP_ALIVE_S = 5.0
"""How long a real KATO keeps an idle connection (contract, section 5)."""


def known_facts(prepared: Prepared, stage: Stage, policy: Policy, load: Load, folder: Path) -> dict[str, Any]:
    """Facts for the manifest."""
    layout = prepared.layout
    facts: dict[str, Any] = {"keep_alive_s": KATO_KEEP_ALIVE_S}
    if not prepared.target:
        facts["keep_alive_s"] = load_profile(prepared.profile(folder)).keep_alive_s
    if not layout.plain:
        facts |= {"replicas": layout.replicas, **stage.front.facts}
    if stage.service is not None:
        facts |= stage.service.facts()
    if stage.messaging is not None:
        facts["messaging"] = stage.messaging.facts()
    facts |= tracing_facts(prepared)
    told = prepared.scenario.topology.probes
    if told.readiness or told.liveness:
        of = "the service" if stage.service_url else "KATO"
        facts["probes"] = asdict(told) | {"period_s": told.period, "of": of}
    if layout.translation is not None:
        facts["mesh"] = _mesh(prepared, stage, policy, load)
    return facts


def tracing_facts(prepared: Prepared, virtual: bool = False) -> dict[str, Any]:
    """The fact `tracing` where the client is to trace; in virtual time no collector takes its spans."""
    told = prepared.layout.collector
    return {} if told == "none" else {"tracing": {"collector": "" if virtual else told}}


def _mesh(prepared: Prepared, stage: Stage, policy: Policy, load: Load) -> dict[str, Any]:
    from harness.manifests import audit
    from harness.mesh import mesh_facts

    layout = prepared.layout
    assert layout.translation is not None
    plan = Plan.of(load, prepared.scenario.seed)
    endpoints = endpoints_of(layout, stage.listeners)
    return {
        "files": list(layout.files),
        "labels_from": layout.labels_from,
        "findings": [asdict(finding) for finding in audit(layout.files)],
        "kinds": {plan.user(slot): plan.kind(slot) for slot in range(load.sessions) if load.users_are},
        **mesh_facts(layout.translation, endpoints, load.users_are, policy, prepared.scale),
    }
