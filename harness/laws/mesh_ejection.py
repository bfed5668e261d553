"""When an endpoint should have been taken out, and what it got all the same: the arithmetic of law I4.

As in Envoy's outlier detection: failures in a row are counted for each endpoint, and reaching the threshold ejects it
for at least the base ejection time. What was on its way by then doesn't count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.laws.case import Ints, rows_from
from harness.laws.mesh_view import CUT, MeshView

REACTS_NS = 100_000_000
"""Requests that start this soon after the last failure may be on their way to an endpoint already."""

MERGES = 2
"""An ejection within so many merge windows of another change waits for the window's end, which that change moves."""

GATEWAY = frozenset({"502", "503", "504"})


@dataclass(frozen=True, slots=True)
class Spell:
    """An endpoint that reached `threshold` failures in a row, `times` in all: `rows` of attempts are what it got while
    it should have got nothing, `share` its part of the cluster's first tries after the first time."""

    cluster: str
    instance: int
    threshold: int
    times: int
    rows: Ints
    share: float


@dataclass(slots=True)
class _Endpoint:
    in_row: dict[str, int] = field(default_factory=dict)
    threshold: int = 0
    times: int = 0
    first_ns: int = 0
    out_from_ns: int = 0
    out_until_ns: int = 0
    noticed_ns: int = 0
    back_ns: int = 0
    kept: list[int] = field(default_factory=list)


def spells(view: MeshView, cluster: str, told: Mapping[str, Any]) -> list[Spell]:
    """The spells of a cluster's endpoints. One that fails while others are out, so that the policy leaves no room to
    eject it too, is none."""
    attempts = view.attempts
    ends = {instance: _Endpoint() for instance in told["instances"]}
    rows = np.flatnonzero(attempts["cluster"].among(cluster) & np.isin(attempts["instance"], told["instances"]))
    for row in rows[np.argsort(attempts["end_ns"][rows], kind="stable")].tolist():
        endpoint = ends[int(attempts["instance"][row])]
        start_ns, end_ns = int(attempts["start_ns"][row]), int(attempts["end_ns"][row])
        if start_ns < endpoint.out_until_ns:
            if start_ns > endpoint.noticed_ns:
                endpoint.kept.append(row)
            continue
        endpoint.back_ns = endpoint.back_ns or (start_ns if endpoint.times else 0)
        endpoint.in_row = {bound: endpoint.in_row.get(bound, 0) + 1 for bound in _bounds(view.failure[row], told)}
        reached = [told[bound] for bound, count in endpoint.in_row.items() if count >= told[bound]]
        if not reached:
            continue
        endpoint.in_row, endpoint.threshold = {}, min(reached)
        out = sum(other.out_until_ns > end_ns for other in ends.values())
        if not told["ejectable"] or out < told["ejectable"]:
            endpoint.times += 1
            endpoint.first_ns = endpoint.first_ns or end_ns
            recent_ns = max(max(other.out_from_ns, other.back_ns) for other in ends.values())
            merging = recent_ns and end_ns - recent_ns < MERGES * told["merge_ns"]
            endpoint.noticed_ns = end_ns + (MERGES * told["merge_ns"] if merging else 0) + REACTS_NS
            endpoint.out_from_ns, endpoint.out_until_ns = end_ns, end_ns + told["base_ns"]
            endpoint.back_ns = 0
    return [
        Spell(cluster, number, end.threshold, end.times, rows_from(end.kept), _share(view, cluster, number, end))
        for number, end in ends.items()
        if end.times
    ]


def _bounds(failure: str, told: Mapping[str, Any]) -> tuple[str, ...]:
    """The bounds of the policy whose rows this failure adds to, and by that ends all others. What the caller cut says
    nothing; a failure of the sidecar's own making counts like a 503, unless the policy never ejects for one."""
    if not failure or failure == CUT:
        return ()
    if failure.isdecimal():
        kinds = {"on_5xx": failure >= "500", "on_gateway": failure in GATEWAY}
    else:
        kinds = dict.fromkeys(("on_5xx", "on_gateway", "on_local"), told["on_local"] is not None)
    return tuple(bound for bound, counts in kinds.items() if counts and told[bound] is not None)


def _share(view: MeshView, cluster: str, instance: int, endpoint: _Endpoint) -> float:
    """The endpoint's part of the cluster's first tries since it should have been out for the first time."""
    attempts = view.attempts
    later = attempts["start_ns"] > endpoint.first_ns
    firsts = attempts["cluster"].among(cluster) & (attempts["try"] == 1) & later
    total = int(firsts.sum())
    return int((firsts & (attempts["instance"] == instance)).sum()) / total if total else 0.0
