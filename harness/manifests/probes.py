"""Probes: paths that exist on KATO, liveness that a store can't take down, readiness that knows of the stores."""

from __future__ import annotations

from collections.abc import Iterator

from harness.manifests.kato import GET_PATHS
from harness.manifests.rules import Remark, Rule, remark, whole
from harness.manifests.unit import Container, Unit
from harness.mesh.nodes import Node

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
OUTAGE_S = 120
"""A store's outage that liveness has to survive (law H2)."""


def _probes(unit: Unit, *names: str) -> Iterator[tuple[Container, str, Node]]:
    for container in unit.kato():
        for name in names:
            probe = container.node[name]
            if probe is not None:
                yield container, name, probe


def _missing_path(unit: Unit) -> Iterator[Remark]:
    for _, name, probe in _probes(unit, *PROBES):
        path = probe.at("httpGet", "path")
        if path is not None and str(path.value).partition("?")[0] not in GET_PATHS:
            effect = "the pod is never Ready" if name == "readinessProbe" else "the pod is restarted for ever"
            yield remark(path, f"{name} asks for `{path.value}`, which KATO answers 404: {effect}", "probe `/health`")


def _missing_probe(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        for name in ("livenessProbe", "readinessProbe"):
            if container.node[name] is None:
                effect = "a frozen worker stays" if name == "livenessProbe" else "requests reach it while it starts"
                yield remark(container.node, f"container `{container.name}` has no {name}: {effect}", f"add a {name}")


def _liveness_follows_stores(unit: Unit) -> Iterator[Remark]:
    for _, name, probe in _probes(unit, "livenessProbe"):
        patience = whole(probe, "periodSeconds", 10) * whole(probe, "failureThreshold", 3)
        if probe["httpGet"] is not None and patience < OUTAGE_S:
            reason = (
                f"{name} over HTTP: KATO doesn't answer at all while Redis or ClickHouse hangs, so after {patience} s"
                " of a store's outage every pod is restarted"
            )
            yield remark(probe, reason, f"use `tcpSocket`, or periodSeconds x failureThreshold of at least {OUTAGE_S}")


def _blind_readiness(unit: Unit) -> Iterator[Remark]:
    for _, name, probe in _probes(unit, "readinessProbe"):
        path = probe.at("httpGet", "path")
        if path is not None and path.value in ("/health", "/status"):
            reason = (
                f"{name} on `{path.value}`: it answers 200 with Redis, ClickHouse and Qdrant down, so it proves nothing"
            )
            yield remark(path, reason, "use an `exec` probe that also reaches the stores")


def _impatient(unit: Unit) -> Iterator[Remark]:
    for _, name, probe in _probes(unit, "livenessProbe", "readinessProbe"):
        if probe["httpGet"] is not None and whole(probe, "timeoutSeconds", 1) < 2:
            reason = (
                f"{name} waits 1 s: a KATO worker serves one request at a time, so a probe queues behind the load"
                " (100 waiting observes take about 1.8 s)"
            )
            yield remark(probe, reason, "set timeoutSeconds to at least 2")


def _wrong_port(unit: Unit) -> Iterator[Remark]:
    for container, name, probe in _probes(unit, *PROBES):
        ports = list(container.node.each("ports"))
        known = {port.get("containerPort") for port in ports} | {port.get("name") for port in ports}
        for handler in ("httpGet", "tcpSocket"):
            port = probe.at(handler, "port")
            if port is not None and ports and port.value not in known:
                yield remark(
                    port, f"{name} asks port `{port.value}`, which the container doesn't open", "probe an open port"
                )


RULES = (
    Rule("H1/probe-path-missing", "a probe's path doesn't exist on KATO", "gate", _missing_path),
    Rule("H1/probe-missing", "a KATO container without liveness or readiness probe", "warn", _missing_probe),
    Rule("H1/probe-port-unknown", "a probe's port isn't open", "gate", _wrong_port),
    Rule("H1/probe-impatient", "a probe that gives up within a second", "warn", _impatient),
    Rule("H2/liveness-follows-stores", "liveness depends on the stores", "gate", _liveness_follows_stores),
    Rule("H3/readiness-blind", "readiness that proves nothing", "warn", _blind_readiness),
)
