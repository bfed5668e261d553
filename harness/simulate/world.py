"""Everything behind the client in a simulation: modelled proxy, witness, embedded KATO, and the faults' timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from harness.faults import KINDS
from harness.model import Fault
from harness.rng import Stream
from harness.simulate.proxy import ModelledProxy
from harness.twin.embedded import Embedded, Handler, server_settings
from harness.twin.kato import Kato
from harness.twin.profiles import Profile
from harness.twin.steps import Timer, Timers
from harness.twin.witness import Recorder, Witness

WITNESS = "witness"
MODELLED = frozenset({"toxiproxy", "witness", "process", "store"})
"""The planes of faults that a simulation carries."""
DOWN = frozenset({"kill", "restart"})
"""The faults that end in a start of KATO."""


@dataclass(slots=True)
class FaultRow:
    """A row of faults.jsonl, times in ns: a modelled fault is effective at once, no canary asks."""

    name: str
    kind: str
    where: str
    params: Mapping[str, Any]
    planned_ns: int
    requested_ns: int
    applied_ns: int
    effective_ns: int
    cleared_ns: int = 0

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)


class World:
    """One simulated KATO with its proxy. `proxy.listening` is set by whoever owns the listener."""

    def __init__(
        self,
        timers: Timers,
        arrivals: Recorder,
        profile: Profile,
        seed: int,
        wall_s: Callable[[], float],
        kato: Handler | None = None,
    ) -> None:
        self.timers = timers
        self._seed = seed
        self._identifiers = Stream(seed, "identifiers")
        self._draws = Stream(seed, "toxics")
        self._identified = self._drawn = 0
        self.witness = Witness(timers, arrivals)
        settings = server_settings(profile)
        self.handler: Handler = kato or Kato(now=wall_s, identifiers=self._identifier, settings=settings)
        self.witness.backend = Embedded(self.witness, self.handler, profile, seed)
        self.proxy = ModelledProxy(self.witness, timers, self._draw)
        self._active: list[tuple[Fault, FaultRow]] = []
        self._deadline: Timer | None = None
        self.rows: list[FaultRow] = []

    def schedule(self, faults: Sequence[Fault], start_ns: int) -> None:
        """Carry out `faults` at their offsets from `start_ns`; ends come before beginnings of the same instant."""
        begins = [(start_ns + fault.at_ns, True, fault) for fault in faults]
        ends = [(start_ns + fault.until_ns, False, fault) for fault in faults]
        for due_ns, begin, fault in sorted(begins + ends, key=lambda step: step[:2]):
            self.timers.call_at(due_ns, partial(self.begin if begin else self.end, fault))

    def begin(self, fault: Fault) -> None:
        """Apply one fault; it acts when this returns."""
        kind = KINDS[fault.kind]
        params = kind.complete(fault.params)
        where = self.proxy.where if kind.plane == "toxiproxy" else WITNESS
        now_ns = self.timers.now_ns()
        row = FaultRow(fault.name, fault.kind, where, params, now_ns, now_ns, now_ns, now_ns)
        self._active.append((fault, row))
        self.rows.append(row)
        if kind.plane == "toxiproxy":
            self.proxy.apply(fault)
        elif fault.kind == "pause":
            self.witness.pause()
        elif fault.kind in DOWN:
            self.proxy.upstream_alive = False
            self._go_down(params.get("drain"))
        elif fault.kind == "store":
            self.witness.set_store(params["store"], params["mode"], float(params["slow"]))
        else:
            self.witness.rules.add(fault.name, fault.kind, params, dict(fault.only), self._seed)

    def end(self, fault: Fault) -> None:
        """Undo one fault; others go on, and KATO recovers when the last of a kind ends."""
        entry = next(entry for entry in self._active if entry[0] is fault)
        self._active.remove(entry)
        entry[1].cleared_ns = self.timers.now_ns()
        if KINDS[fault.kind].plane == "toxiproxy":
            self.proxy.clear(fault)
        elif fault.kind not in DOWN | {"pause", "store"}:
            self.witness.rules.remove(fault.name)
        elif any(_same_part(fault, other) for other, _ in self._active):
            return
        elif fault.kind == "pause":
            self.witness.resume()
        elif fault.kind == "store":
            self.witness.set_store(fault.params["store"], "up")
        else:
            self.proxy.upstream_alive = True
            if self._deadline is not None:
                self._deadline.cancel()

    def _go_down(self, drain_s: float | None) -> None:
        """Die at once, or when what is in progress is answered, but within `drain_s`."""
        if drain_s is None:
            self.witness.kill()
        else:
            self.witness.drain()
            due_ns = self.timers.now_ns() + round(drain_s * 1e9)
            self._deadline = self.timers.call_at(due_ns, self.witness.kill)

    def end_all(self) -> None:
        """The run is over: undo what is left."""
        for fault, _ in reversed(tuple(self._active)):
            self.end(fault)

    def _identifier(self) -> str:
        """32 hexadecimal digits, new at each call and the same for equal seeds."""
        self._identified += 2
        word = self._identifiers.word
        return f"{word(self._identified - 2):016x}{word(self._identified - 1):016x}"

    def _draw(self) -> float:
        self._drawn += 1
        return self._draws.unit(self._drawn - 1)


def _same_part(fault: Fault, other: Fault) -> bool:
    """Would undoing `fault` undo `other` too?"""
    kinds = {fault.kind, other.kind}
    return (len(kinds) == 1 or kinds <= DOWN) and fault.params.get("store") == other.params.get("store")
