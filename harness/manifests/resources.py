"""Requests and limits against what KATO was measured to need."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.manifests.kato import MIB_PER_WORKER
from harness.manifests.rules import Remark, Rule, remark
from harness.manifests.unit import Container, Unit

HEADROOM = 1.5
"""Memory over what idle workers take: each caches up to 100 processors and the session's events."""
_UNITS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
}


def quantity(text: object) -> float | None:
    """A Kubernetes quantity (`512Mi`, `100m`, 2) as a number; None when it isn't one."""
    found = re.fullmatch(r"(\d+\.?\d*(?:[eE][+-]?\d+)?)([a-zA-Z]*)", str(text))
    return float(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


def _missing(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        for part in ("requests", "limits"):
            for what in ("cpu", "memory"):
                if container.node.get("resources", part, what) is None and (part, what) != ("limits", "cpu"):
                    place = container.node["resources"] or container.node
                    effect = "one pod can starve its node" if part == "limits" else "pods are packed without measure"
                    reason = f"container `{container.name}` has no resources.{part}.{what}: {effect}"
                    yield remark(place, reason, f"give resources.{part}.{what}")


def _need_mib(container: Container) -> int:
    return container.workers * MIB_PER_WORKER


def _memory_limit(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        node = container.node.at("resources", "limits", "memory")
        limit = quantity(node.value) if node is not None else None
        need = _need_mib(container)
        if container.knows_workers and node is not None and limit is not None and limit < need * HEADROOM * 2**20:
            reason = (
                f"memory limit {node.value} for {container.workers} workers: they take about {need} MiB before any"
                " work, so the first load ends in an OOM kill"
            )
            cure = f"give at least {need * HEADROOM:.0f}Mi, or fewer workers (KATO_WORKERS)"
            yield remark(node, reason, cure)


def _memory_request(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        node = container.node.at("resources", "requests", "memory")
        request = quantity(node.value) if node is not None else None
        need = _need_mib(container)
        if container.knows_workers and node is not None and request is not None and request < need * 2**20:
            reason = f"memory request {node.value} for {container.workers} workers that take about {need} MiB when idle"
            yield remark(node, reason, f"request at least {need}Mi, so that the node really has it")


def _throttled(unit: Unit) -> Iterator[Remark]:
    for container in unit.kato():
        node = container.node.at("resources", "limits", "cpu")
        limit = quantity(node.value) if node is not None else None
        if node is not None and limit is not None and limit < 1:
            reason = (
                f"CPU limit {node.value} for {container.workers} workers: each is a serial server, so throttling of the"
                " one that works delays every request behind it"
            )
            yield remark(node, reason, "limit CPU to at least 1, or leave the limit out")


RULES = (
    Rule("K8S/resources-missing", "requests or limits missing", "warn", _missing),
    Rule("K8S/memory-limit-below-workers", "memory limit below what the workers take", "gate", _memory_limit),
    Rule("K8S/memory-request-below-workers", "memory request below what the workers take", "warn", _memory_request),
    Rule("K8S/cpu-throttled", "CPU limit that throttles a serial server", "warn", _throttled),
)
