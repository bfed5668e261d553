"""A meshed run as its laws look at it: what the sidecar logged, joined, beside what its policy says (fact `mesh`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.ids import rows_of
from harness.evidence.table import Mask, Table
from harness.laws.case import EPSILON_NS, Case, Ints, once, order_of
from harness.laws.registry import inapplicable

CUT = "cut"
"""An attempt that the route's time-out or the caller ended."""

TRIES = 1 << 12
"""More than a client makes of one call."""

_FLAGS = (
    ("UO", "overflow"), ("UH", "no_host"), ("NC", "no_host"), ("UT", "silent"), ("UF", "refused"),
    ("UC", "reset"), ("UR", "reset"), ("UPE", "reset"), ("LR", "reset"),
)  # fmt: skip
"""Envoy's response flags (access log documentation) as the failures of a prediction."""


@dataclass(frozen=True, slots=True)
class MeshView:
    """`facts`: the fact `mesh`. `requests` and `attempts`: the hops of each kind in order of time. For each attempt
    `request` is the row of its request (−1: unknown) and `failure` what it met, '' for an answer under 400."""

    facts: Mapping[str, Any]
    requests: Table
    attempts: Table
    request: Ints
    failure: tuple[str, ...]

    @property
    def routes(self) -> list[Mapping[str, Any]]:
        """The routes in Envoy's order."""
        return list(self.facts["routes"])

    @property
    def clusters(self) -> Mapping[str, Mapping[str, Any]]:
        """The clusters by name."""
        clusters: Mapping[str, Mapping[str, Any]] = self.facts["clusters"]
        return clusters

    def used_routes(self) -> list[tuple[int, str]]:
        """The routes that some user's operation takes, with those operations in words."""
        takers: dict[int, dict[str, None]] = {}
        for kind in self.facts["users"]:
            for op, route in kind["routes"].items():
                if route is not None:
                    takers.setdefault(route, {})[op] = None
        return [(route, ", ".join(ops)) for route, ops in sorted(takers.items())]

    def name(self, route: int) -> str:
        """A route for people."""
        return f"`{self.facts['routes'][route]['name']}`"


NO_MESH = inapplicable("no mesh stands before this client")


@once
def mesh_of(case: Case) -> MeshView | None:
    """The view; None for a run without a mesh."""
    facts = case.facts.get("mesh")
    if not facts:
        return None
    hops = case.history.hops
    requests, attempts = hops.where(hops["kind"].among("request")), hops.where(hops["kind"].among("attempt"))
    keys = _keys(requests)
    order = order_of(keys)
    request = rows_of(_keys(attempts), order, keys[order])
    failure = tuple(
        _failure(status, flags)
        for status, flags in zip(attempts["status"].tolist(), attempts["flags"].tolist(), strict=True)
    )
    return MeshView(facts, requests, attempts, request, failure)


def _keys(table: Table) -> Ints:
    """Call and attempt of the client in one number; 0 where the call is not known."""
    return np.where(table["call"] > 0, table["call"] * TRIES + np.minimum(table["attempt"], TRIES - 1), 0)


def _failure(status: int, flags: str) -> str:
    if status:
        return str(status) if status >= 400 else ""
    said = flags.split(",")
    return next((word for flag, word in _FLAGS if flag in said), CUT)


def flagged(table: Table, *flags: str) -> Mask:
    """The rows whose flags have one of `flags`."""
    names = [name for name in table["flags"].names if set(name.split(",")) & set(flags)]
    found: Mask = table["flags"].among(*names)
    return found


def took_ns(table: Table) -> Ints:
    """How long each row lasted (Envoy logs whole milliseconds)."""
    took: Ints = table["end_ns"] - table["start_ns"]
    return took


def call_rows(case: Case, table: Table, rows: Any) -> Ints:
    """The calls (rows) that these hops worked for, each once."""
    found = case.rows_of(table["call"][rows])
    unique: Ints = np.unique(found[found >= 0])
    return unique


@dataclass(frozen=True, slots=True)
class Compared:
    """One request against its route's policy: what its first try met, how many tries it got, and what is wrong with
    that ('' for as predicted)."""

    row: int
    route: int
    failure: str
    tries: int
    wrong: str


def compared(view: MeshView) -> Iterator[Compared]:
    """Every logged request whose tries are all known, held against its route."""
    requests, routes = view.requests, view.routes
    order = np.lexsort((view.attempts["start_ns"], view.request))
    bounds = np.searchsorted(view.request[order], np.arange(len(requests) + 1))
    for row in range(len(requests)):
        route = int(requests["route"][row])
        tries = order[bounds[row] : bounds[row + 1]]
        if route < 0 or len(tries) != requests["tries"][row]:
            continue
        told = routes[route]
        if told["answered"] is not None:
            continue
        failures = [view.failure[int(at)] for at in tries]
        wrong = _wrong(view, row, tries, failures, told)
        yield Compared(row, route, failures[0], len(tries), wrong)


def _wrong(view: MeshView, row: int, tries: Ints, failures: list[str], told: Mapping[str, Any]) -> str:
    """What the policy doesn't say of these tries; '' where it says just that."""
    resends, most = set(told["resends"]), int(told["retries"]) + 1
    if len(tries) > most:
        return f"{len(tries)} tries, and the policy allows {most}"
    for at, failure in enumerate(failures[:-1]):
        if failure not in resends:
            return f"sent again after {failure or 'an answer'}, which the policy does not re-send"
        gap = int(view.attempts["start_ns"][tries[at + 1]] - view.attempts["end_ns"][tries[at]])
        if gap > told["backoffs_ns"][at] + EPSILON_NS:
            return f"waited {gap / 1e6:.0f} ms before try {at + 2}, and at most {told['backoffs_ns'][at] / 1e6:.0f} ms"
    if failures[-1] in resends and len(tries) < most and not _ended_early(view, row, told):
        return f"not sent again after {failures[-1]}, though the policy says so"
    return ""


def _ended_early(view: MeshView, row: int, told: Mapping[str, Any]) -> bool:
    """The route's time-out, the caller, or a full retry budget ended the request before its next try."""
    requests = view.requests
    cut = bool(flagged(requests.where(np.array([row])), "DC", "UT", "UO")[0])
    spent = int(took_ns(requests)[row]) + max(told["backoffs_ns"])
    return cut or bool(told["route_ns"] and spent >= told["route_ns"])
