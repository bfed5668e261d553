"""Sessions and stores: which variable selects a fallback, and where KATO looks for its stores."""

from __future__ import annotations

from collections.abc import Iterator

from harness.manifests.kato import CLICKHOUSE_HTTP
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Container, Unit, selects
from harness.mesh.inventory import labels_of
from harness.mesh.nodes import Node

DECLARED = "kato-harness/sessions"
"""Annotation of a workload: `serial` says that clients never overlap calls of one session, so locks don't matter."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def processes(container: Container) -> int:
    """KATO processes that serve one service."""
    return container.workers * container.most


def _sessions_in_memory(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        if "REDIS_URL" in container.variables or container.unknown:
            continue
        host = container.variables.get("REDIS_HOST")
        told = "only REDIS_HOST is set" if host else "REDIS_URL is not set"
        reason = (
            f"{told}, so each of the {processes(container)} worker processes keeps its own sessions in memory"
            " (measured with 4 workers: 156 of 200 reads of live sessions answered 404)"
        )
        cure = "set REDIS_URL (redis://host:6379/0); REDIS_HOST alone selects the fallback"
        yield remark(host.node if host else container.node, reason, cure)


def _store_at_default(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        for name in ("CLICKHOUSE_HOST", "QDRANT_HOST"):
            if name not in container.variables and not container.unknown:
                reason = f"{name} is not set, so KATO looks for the store on localhost, inside its own pod"
                yield remark(container.node, reason, f"set {name}")


def _native_port(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        port = container.variables.get("CLICKHOUSE_PORT")
        if port is not None and port.value == "9000":
            reason = "CLICKHOUSE_PORT 9000 is ClickHouse's native protocol; KATO speaks its HTTP interface"
            yield remark(port.node, reason, f"give the HTTP port ({CLICKHOUSE_HTTP})")


def _locks(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        if container.knows_workers and container.workers > 1 and not _serial(container):
            place = (
                container.variables["KATO_WORKERS"].node if "KATO_WORKERS" in container.variables else container.node
            )
            reason = (
                f"{container.workers} workers a pod: KATO locks a session in each worker for itself, so observes of one"
                " session at once overwrite each other (measured: 8 at once left 2 to 8, all answered 200)"
            )
            yield remark(place, reason, 'set KATO_WORKERS to "1" and add replicas with session affinity')


def _affinity(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        if container.most < 2 or _serial(container) or _sticky(unit, container):
            continue
        reason = (
            f"{container.most} replicas without session affinity: requests of one session reach different pods,"
            " whose locks don't know each other, and updates are lost"
        )
        cure = (
            "hash on the session (DestinationRule consistentHash), or `sessionAffinity: ClientIP` on the Service"
            f" (Linkerd ignores it); or declare `{DECLARED}: serial` where clients never overlap calls of one session"
        )
        yield remark(container.workload.at("spec", "replicas") or container.workload, reason, cure)


def _serial(container: Container) -> bool:
    return labels_of(container.workload, "metadata", "annotations").get(DECLARED) == "serial"


def _sticky(unit: Unit, container: Container) -> bool:
    for service in unit.of_kind("Service"):
        if selects(service, container) and service.get("spec", "sessionAffinity") == "ClientIP":
            return not _proxied(container)
    return any(_hashes(rule) for rule in unit.of_group("networking.istio.io", "DestinationRule"))


def _proxied(container: Container) -> bool:
    """Linkerd's proxy balances each request by itself, whatever the Service says."""
    told = labels_of(container.workload, "spec", "template", "metadata", "annotations")
    return told.get("linkerd.io/inject") == "enabled"


def _hashes(rule: Node) -> bool:
    return rule.at("spec", "trafficPolicy", "loadBalancer", "consistentHash") is not None


RULES = (
    Rule("KATO/sessions-in-memory", "no REDIS_URL: sessions live in one process", "gate", _sessions_in_memory),
    Rule("KATO/store-at-default", "a store is looked for on localhost", "warn", _store_at_default),
    Rule("KATO/clickhouse-native-port", "ClickHouse's native port instead of its HTTP port", "gate", _native_port),
    Rule("D5/lock-per-worker", "several workers share sessions without a common lock", "gate", _locks),
    Rule("D5/no-session-affinity", "several replicas share sessions without affinity", "gate", _affinity),
)
