"""What a scenario's mesh implies before any traffic: `plan --mesh`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.model import OPERATIONS
from harness.policy import Policy
from harness.run.topology import Layout


def mesh_preview(layout: Layout, policy: Policy, operations: tuple[str, ...]) -> dict[str, Any]:
    """`labels` of the instances with `labels_from`, and under `predicted` the prediction in words for each of
    `operations` by a client with `policy`; operations that become the same traffic share their names.

    Raises UsageError for a layout without a mesh.
    """
    from harness.mesh import predict

    if layout.translation is None:
        raise UsageError("the scenario has no mesh", "add topology: {mesh: {istio: [virtual-service.yaml, …]}}")
    said: dict[tuple[str, ...], list[str]] = {}
    for op in (op for op in OPERATIONS if op in operations):
        said.setdefault(predict(layout.translation, policy, op).lines(), []).append(op)
    return {
        "files": list(layout.files),
        "labels": [dict(labels) for labels in layout.labels],
        "labels_from": layout.labels_from,
        "predicted": {", ".join(ops): list(lines) for lines, ops in said.items()},
    }


def mesh_lines(shown: Mapping[str, Any]) -> list[str]:
    """The same for people."""
    lines = ["mesh (durations as scaled)"]
    for number, labels in enumerate(shown["labels"]):
        words = " ".join(f"{key}={value}" for key, value in labels.items()) or "no labels"
        lines.append(f"  instance {number}: {words}")
    lines.append(f"  labels from: {LABELS_FROM[shown['labels_from']]}")
    for ops, said in shown["predicted"].items():
        lines += [f"  {ops}", *(f"    {line}" for line in said)]
    return lines


LABELS_FROM = {
    "given": "topology.replicas",
    "workloads": "the workloads in the files",
    "subsets": "the subsets, each taken to have pods, because the files hold no workload",
    "none": "nowhere: the files hold neither workloads nor subsets",
}
