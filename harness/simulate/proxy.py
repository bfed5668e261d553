"""The plane of TCP faults in a simulation: a modelled Toxiproxy with one listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.faults import KINDS, Toxic
from harness.faults.timeout import swallows_ends
from harness.model import Fault
from harness.simulate.link import Dead, Link
from harness.simulate.toxics import STUBS
from harness.twin.steps import Timers, Wire
from harness.twin.witness import Witness

DIAL_NS = 100_000
"""What a refused dial takes; by then the client's first bytes are read, so that it sees FIN and not RST."""


@dataclass(slots=True)
class Slot:
    """One toxic of the proxy; `fault` is None while it is calm and waits for a repetition of its fault."""

    name: str
    toxic: Toxic
    fault: Fault | None

    @property
    def attributes(self) -> Mapping[str, int]:
        """The toxic's, or the calm ones."""
        return self.toxic.attributes if self.fault is not None else _calm(self.toxic)


class ModelledProxy:
    """Carries TCP faults as `inject` does on a real Toxiproxy, toxics calmed or taken off in the same cases.

    `listening(flag)` opens and closes the driver's listener.
    """

    where = "modelled Toxiproxy (stand-in)"

    def __init__(self, witness: Witness, timers: Timers, draw: Callable[[], float]) -> None:
        self.witness = witness
        self.timers = timers
        self.draw = draw
        self.links: dict[Link, None] = {}
        self.listening: Callable[[bool], None]
        self.upstream_alive = True
        self._slots: list[Slot] = []
        self._refusing: list[Fault] = []
        self._made = 0
        self._holes = 0

    def connect(self, wire: Wire) -> Link | Dead:
        """The driver accepted a connection; Toxiproxy accepts before it dials, so a dead KATO is accept and close."""
        if not self.upstream_alive:
            self.timers.call_at(self.timers.now_ns() + DIAL_NS, wire.close)
            return Dead()
        resets = any(slot.toxic.type == "reset_peer" for slot in self._slots)
        link = Link(self, wire, resets)
        self.links[link] = None
        for slot in self._slots:
            link.put(slot.name, slot.toxic, slot.attributes)
        return link

    def apply(self, fault: Fault) -> None:
        """Make the fault act on all links, open and new ones."""
        toxics = toxics_of(fault)
        if swallows_ends(fault):
            self._holes += 1
            self.witness.keeps_idle = True
        if not toxics:
            self._refusing.append(fault)
            self.listening(False)
            self._cut()
        for toxic in toxics:
            self._put(fault, toxic)

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        toxics = toxics_of(fault)
        if swallows_ends(fault):
            self._holes -= 1
            self.witness.keeps_idle = self._holes > 0
        if not toxics:
            self._refusing.remove(fault)
            if not self._refusing:
                self.listening(True)
        if any(toxic.type == "reset_peer" and toxic.attributes["timeout"] for toxic in toxics):
            self._renew(fault)
        for slot in [slot for slot in self._slots if slot.fault is fault]:
            self._lift(slot)

    def _put(self, fault: Fault, toxic: Toxic) -> None:
        calm = next((slot for slot in self._slots if slot.fault is None and slot.toxic == toxic), None)
        if calm is not None:
            calm.fault = fault
            self._update(calm)
            return
        self._made += 1
        slot = Slot(f"{toxic.type}-{toxic.stream}-{self._made}", toxic, fault)
        self._slots.append(slot)
        for link in tuple(self.links):
            link.put(slot.name, toxic, toxic.attributes)

    def _lift(self, slot: Slot) -> None:
        if STUBS[slot.toxic.type].calm is not None:
            slot.fault = None
            self._update(slot)
            return
        self._slots.remove(slot)
        for link in tuple(self.links):
            link.pipe(slot.toxic).remove(slot.name)

    def _update(self, slot: Slot) -> None:
        for link in tuple(self.links):
            link.pipe(slot.toxic).update(slot.name, slot.attributes)

    def _renew(self, cleared: Fault) -> None:
        """A sleeping reset_peer is got rid of with its proxy: all connections are cut, and only live toxics stay."""
        self._slots = [slot for slot in self._slots if slot.fault is not None and slot.fault is not cleared]
        self._cut()

    def _cut(self) -> None:
        for link in tuple(self.links):
            link.cut()


def toxics_of(fault: Fault) -> tuple[Toxic, ...]:
    """The toxics that carry a fault; none where its carrier is a disabled proxy."""
    kind = KINDS[fault.kind]
    return kind.toxics(kind.complete(fault.params)) or ()


def _calm(toxic: Toxic) -> Mapping[str, int]:
    return {**toxic.attributes, **(STUBS[toxic.type].calm or {})}
