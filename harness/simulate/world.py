"""Everything behind the client in a simulation: modelled proxy, witness, embedded KATO, and the faults' timeline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.faults import KINDS
from harness.model import Fault
from harness.rng import Stream
from harness.simulate.link import ModelledProxy
from harness.spool import SpoolWriter
from harness.twin.embedded import Embedded
from harness.twin.exchange import Arrivals
from harness.twin.kato import Kato
from harness.twin.profiles import Profile
from harness.twin.steps import Timers
from harness.twin.witness import Witness


class World:
    """One simulated KATO with its proxy. `listening` of the proxy is set by whoever owns the listener."""

    def __init__(self, timers: Timers, spool: Path, profile: Profile, seed: int, now_s: Any) -> None:
        self.timers = timers
        self.spool = SpoolWriter(spool, "witness")
        identifiers = Stream(seed, "identifiers")
        draws = Stream(seed, "toxics")
        self._identifier = self._drawn = 0
        kato = Kato(now=now_s, identifiers=lambda: self._hex(identifiers))
        self.witness = Witness(timers, Arrivals(self.spool))
        self.witness.backend = Embedded(self.witness, kato, profile)
        self.proxy = ModelledProxy(self.witness, timers, lambda: self._draw(draws))
        self._seed = seed
        self.rows: list[FaultRow] = []

    def schedule(self, faults: Sequence[Fault], start_ns: int) -> None:
        """Carry out `faults` at their offsets from `start_ns`; ends come before beginnings of the same instant."""
        steps = [(start_ns + f.at_ns, 1, f) for f in faults] + [(start_ns + f.until_ns, 0, f) for f in faults]
        for due_ns, begins, fault in sorted(steps, key=lambda step: step[:2]):
            self.timers.call_at(due_ns, partial(self._begin if begins else self._end, fault, due_ns))

    def write_rows(self, path: Path) -> None:
        """The table `faults` as JSON lines."""
        path.write_text("".join(json.dumps(row.plain()) + "\n" for row in self.rows))

    def _begin(self, fault: Fault, due_ns: int) -> None:
        kind = KINDS[fault.kind]
        params = kind.complete(fault.params)
        where = self.proxy.where if kind.plane == "toxiproxy" else "witness"
        self.rows.append(FaultRow(fault, where, params, due_ns, self.timers.now_ns()))
        if kind.plane == "toxiproxy":
            self.proxy.apply(fault)
        elif fault.kind == "pause":
            self.witness.pause()
        elif fault.kind == "kill":
            self.proxy.upstream_alive = False
            self.witness.kill()
        else:
            self.witness.rules.add(fault.name, fault.kind, params, dict(fault.only), self._seed)

    def _end(self, fault: Fault, due_ns: int) -> None:
        kind = KINDS[fault.kind]
        row = next(row for row in self.rows if row.fault is fault)
        if kind.plane == "toxiproxy":
            self.proxy.clear(fault)
        elif fault.kind == "pause":
            self.witness.resume()
        elif fault.kind == "kill":
            self.proxy.upstream_alive = True
        else:
            self.witness.rules.remove(fault.name)
        row.cleared_ns = self.timers.now_ns()

    def _hex(self, stream: Stream) -> str:
        self._identifier += 2
        return f"{stream.word(self._identifier - 2):016x}{stream.word(self._identifier - 1):016x}"

    def _draw(self, stream: Stream) -> float:
        self._drawn += 1
        return stream.unit(self._drawn - 1)


@dataclass(slots=True)
class FaultRow:
    """One fault carried out; a modelled fault is effective at once."""

    fault: Fault
    where: str
    params: Mapping[str, Any]
    planned_ns: int
    applied_ns: int
    cleared_ns: int = field(default=0)

    def plain(self) -> dict[str, Any]:
        """A line of faults.jsonl."""
        return {
            "name": self.fault.name,
            "kind": self.fault.kind,
            "where": self.where,
            "params": dict(self.params),
            "planned_ns": self.planned_ns,
            "requested_ns": self.applied_ns,
            "applied_ns": self.applied_ns,
            "effective_ns": self.applied_ns,
            "cleared_ns": self.cleared_ns,
        }
