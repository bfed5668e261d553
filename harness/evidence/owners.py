"""Whose requests a service makes that carries no header of ours: told by the node of their session.

A service names its users' nodes as it likes. A node is the user's whose calls were under way whenever something was
asked for it.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evidence.replays import SLACK_NS, own_sessions
from harness.evidence.table import Table, Words

LOOKS = 60
"""So many requests of a node are looked at."""

COVERED = 0.9
"""A user owns a node when of its requests so many came during calls of his: a caller who goes away leaves some over."""

CLEAR = 2.0
"""And when that says so much more for him than for anybody else."""


def with_owners(arrivals: Table, calls: Table) -> Table:
    """The arrivals with the user's id as `node_id` where it can be told whose node that is, else as they are."""
    if (arrivals["call"] > 0).any():
        return arrivals
    users = set(calls["user"][own_sessions(calls)].tolist())
    nodes = arrivals["node_id"]
    strange = np.array([bool(name) and name not in users for name in nodes.names], np.bool_)[nodes.codes]
    if not users or not strange.any():
        return arrivals
    owner = _owners(arrivals, np.flatnonzero(strange), calls)
    return arrivals.having(node_id=Words.of([owner.get(node, node) for node in nodes.tolist()]))


def _owners(arrivals: Table, rows: NDArray[np.intp], calls: Table) -> dict[str, str]:
    """For each node of these arrivals its user, where one can be told."""
    looks = _looks(arrivals, rows)
    owner_of, evidence = calls["user"].tolist(), defaultdict[str, dict[int, float]](dict)
    asked = defaultdict[str, list[set[str]]](list)
    for node, busy in _under_way(looks, calls):
        asked[node].append({owner_of[row] for row in busy})
        for row in busy:
            evidence[node][row] = max(evidence[node].get(row, 0.0), 1.0 / len(asked[node][-1]))
    return {node: user for node in asked if (user := _owner(asked[node], evidence[node], owner_of))}


def _owner(asked: Sequence[set[str]], evidence: dict[int, float], owner_of: Sequence[str]) -> str:
    """The user for whom these requests were, ''; `evidence` of each call is what it says for its user."""
    sums = defaultdict[str, float](float)
    for row, weight in evidence.items():
        sums[owner_of[row]] += weight
    first, second, *_ = [*sorted(sums.items(), key=lambda item: -item[1]), ("", 0.0), ("", 0.0)]
    covered = sum(first[0] in users for users in asked) / len(asked)
    return first[0] if covered >= COVERED and first[1] >= CLEAR * second[1] else ""


def _looks(arrivals: Table, rows: NDArray[np.intp]) -> list[tuple[int, str]]:
    """(time, node) of the first requests of each node, in order of time."""
    seen, looks = defaultdict[str, int](int), []
    for time_ns, node in zip(arrivals["arrive_ns"][rows].tolist(), arrivals["node_id"][rows].tolist(), strict=True):
        seen[node] += 1
        if seen[node] <= LOOKS:
            looks.append((time_ns, node))
    return sorted(looks)


def _under_way(looks: Sequence[tuple[int, str]], calls: Table) -> Iterator[tuple[str, list[int]]]:
    """Each node that was asked for with the rows of the calls that were under way then."""
    order = np.flatnonzero(own_sessions(calls))
    order = order[np.argsort(calls["start_ns"][order], kind="stable")]
    begin = zip(calls["start_ns"][order].tolist(), calls["end_ns"][order].tolist(), order.tolist(), strict=True)
    waiting, busy = next(begin, None), list[tuple[int, int]]()
    for time_ns, node in looks:
        while waiting is not None and waiting[0] <= time_ns:
            heapq.heappush(busy, (waiting[1] + SLACK_NS, waiting[2]))
            waiting = next(begin, None)
        while busy and busy[0][0] < time_ns:
            heapq.heappop(busy)
        yield node, [row for _, row in busy]
