"""Which labels the replicas of a run carry, so that subsets choose among them as in the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, cycle, islice, zip_longest

from harness.mesh.translate import Translation

Labels = Mapping[str, str]


def replica_labels(translation: Translation, wanted: int | None = None) -> tuple[tuple[Labels, ...], str]:
    """The labels of `wanted` replicas (None: as many as the files say) and where they come from.

    `workloads`: the pods of the files' Deployments that the service selects, the workloads by turns. `subsets`:
    without any, each subset of a DestinationRule is taken to have pods, by turns. `none`: there are neither.
    """
    pods = _selected(translation)
    if pods:
        by_turns = _by_turns(pods)
        return tuple(islice(cycle(by_turns), wanted or len(by_turns))), "workloads"
    subsets = [labels for labels in translation.members.values() if labels]
    unique = [labels for at, labels in enumerate(subsets) if labels not in subsets[:at]]
    if unique:
        return tuple(islice(cycle(unique), wanted or len(unique))), "subsets"
    return ({},) * (wanted or 1), "none"


def _selected(translation: Translation) -> list[Labels]:
    selectors = [selector for selector in translation.selectors.values() if selector]
    return [
        replica.labels
        for replica in translation.replicas
        if not selectors or any(selector.items() <= replica.labels.items() for selector in selectors)
    ]


def _by_turns(pods: Sequence[Labels]) -> list[Labels]:
    """One of each workload, then the second of each, …"""
    groups: list[list[Labels]] = []
    for labels in pods:
        own = next((group for group in groups if group[0] == labels), None)
        if own is None:
            groups.append([labels])
        else:
            own.append(labels)
    return [labels for labels in chain.from_iterable(zip_longest(*groups)) if labels is not None]
