"""The plane of TCP faults: our own proxies on a Toxiproxy, several faults on them at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from harness.errors import HarnessError, PartMissing
from harness.faults import KINDS, Toxic
from harness.faults.timeout import swallows_ends
from harness.inject.lease import Leases
from harness.inject.toxiproxy import CALM, POLL_S, Api, ToxiproxyError, ToxiproxyGone, delete_until_clean
from harness.model import Fault

LISTEN_WITHIN_S = 2.0
KATO = "kato"
"""The part of the stack that faults hit unless they say another."""


@dataclass(slots=True)
class Slot:
    """One toxic of a listener; `fault` is None while it is calm and waits for a repetition of its fault."""

    name: str
    toxic: Toxic
    fault: Fault | None


@dataclass(slots=True)
class Listener:
    """A proxy of ours: its name on the server, where it listens and dials (host:port), its lease and its toxics.

    It stands before instance `instance` of KATO, or before another `part` (see `hits`).
    """

    name: str
    listen: str
    upstream: str
    lease: int
    part: str
    instance: int
    slots: list[Slot] = field(default_factory=list)
    toxics_made: int = 0


@dataclass(slots=True)
class ToxiproxyPlane:
    """Carries TCP faults: each acts on every listener that it hits, on open and on new connections.

    Toxics hit all connections (toxicity 1): Toxiproxy draws lots a connection and direction, so shares of *requests*
    are the witness's. `prefix` makes our proxies' names unique on a server that others use too. `restart` starts a
    server of our own anew when it is stuck (`restarts` counts that); None for somebody else's, an error then.
    `keep_idle` tells the witness behind it whether idle connections must stay.
    """

    api: Api
    leases: Leases
    prefix: str
    restart: Callable[[], None] | None = None
    keep_idle: Callable[[bool], None] = lambda flag: None
    where: str = "toxiproxy"
    listeners: list[Listener] = field(default_factory=list)
    active: list[Fault] = field(default_factory=list)
    restarts: int = 0

    def listen(self, name: str, listen: str, upstream: str, part: str = KATO, instance: int = 0) -> None:
        """Open a listener at `listen` (host:port, outside the ephemeral range: stack.ports) before `upstream`."""
        full = f"{self.prefix}-{name}"
        lease = self.leases.take({"undo": "proxy", "url": self.api.url, "proxy": full})
        self.listeners.append(Listener(full, listen, upstream, lease, part, instance))
        self.api.create(full, listen, upstream)

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        self.active.append(fault)
        if swallows_ends(fault):
            self.keep_idle(True)
        self._on_each(fault, lambda listener: self._put(listener, fault))

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        self.active.remove(fault)
        self._on_each(fault, lambda listener: self._lift(listener, fault))
        if swallows_ends(fault) and not any(map(swallows_ends, self.active)):
            self.keep_idle(False)

    def close(self) -> tuple[str, ...]:
        """Delete our proxies; the names of those that would not go."""
        left = tuple(listener.name for listener in self.listeners if not self._retire(listener))
        self.listeners.clear()
        self.active.clear()
        self.api.close()
        return left

    def _on_each(self, fault: Fault, change: Callable[[Listener], None]) -> None:
        """Change the listeners that a fault hits; where our server is stuck, set all up on a new one instead."""
        try:
            for listener in self.listeners:
                if hits(fault, listener):
                    change(listener)
        except PartMissing:
            if self.restart is None:
                raise
            self.restart()
            self.restarts += 1
            for listener in self.listeners:
                self._set_up(listener)

    def _retire(self, listener: Listener) -> bool:
        """True when the proxy is gone; its lease stays otherwise, and the watchdog tries again."""
        try:
            clean = delete_until_clean(self.api, listener.name)
        except ToxiproxyGone:
            clean = True
        except HarnessError:
            clean = False
        if clean:
            self.leases.release(listener.lease)
        return clean

    def _put(self, listener: Listener, fault: Fault) -> None:
        toxics = toxics_of(fault)
        if not toxics:
            self.api.enable(listener.name, False)
        for toxic in toxics:
            self._put_toxic(listener, fault, toxic)

    def _put_toxic(self, listener: Listener, fault: Fault, toxic: Toxic) -> None:
        """Wake a calm toxic that was like this one, else add one."""
        for slot in listener.slots:
            if slot.fault is None and slot.toxic == toxic:
                slot.fault = fault
                return self.api.update(listener.name, slot.name, toxic)
        listener.toxics_made += 1
        slot = Slot(f"{toxic.type}-{toxic.stream}-{listener.toxics_made}", toxic, fault)
        listener.slots.append(slot)
        return self.api.add(listener.name, slot.name, toxic)

    def _lift(self, listener: Listener, fault: Fault) -> None:
        toxics = toxics_of(fault)
        if not toxics and all(toxics_of(other) for other in self.active if hits(other, listener)):
            self._reopen(listener)
        if any(toxic.type == "reset_peer" and toxic.attributes["timeout"] for toxic in toxics):
            self._renew(listener)
        for slot in [slot for slot in listener.slots if slot.fault is fault]:
            self._lift_toxic(listener, slot)

    def _lift_toxic(self, listener: Listener, slot: Slot) -> None:
        calm = CALM.get(slot.toxic.type)
        if calm is None:
            self.api.remove(listener.name, slot.name)
            listener.slots.remove(slot)
        else:
            attributes = {**slot.toxic.attributes, **calm}
            self.api.update(listener.name, slot.name, replace(slot.toxic, attributes=attributes))
            slot.fault = None

    def _renew(self, listener: Listener) -> None:
        """Replace the proxy: the only way past a sleeping `reset_peer`."""
        self.api.delete(listener.name)
        self._set_up(listener)

    def _set_up(self, listener: Listener) -> None:
        """Create the proxy with the faults that are active."""
        listener.slots.clear()
        self.api.create(listener.name, listener.listen, listener.upstream)
        for fault in self.active:
            if hits(fault, listener):
                self._put(listener, fault)

    def _reopen(self, listener: Listener) -> None:
        """Listen again, with a few tries in case somebody holds the port for a moment."""
        deadline = time.monotonic() + LISTEN_WITHIN_S
        while True:
            try:
                return self.api.enable(listener.name, True)
            except ToxiproxyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)


def hits(fault: Fault, listener: Listener) -> bool:
    """Does a fault act on a listener? `only` names the part (kato, unless it says registry) and maybe an instance."""
    chosen = fault.only.get("instance")
    return fault.only.get("part", KATO) == listener.part and chosen in (None, listener.instance)


def toxics_of(fault: Fault) -> tuple[Toxic, ...]:
    """The toxics that carry a fault; none at all where it is carried by a disabled proxy."""
    kind = KINDS[fault.kind]
    toxics = kind.toxics(kind.complete(fault.params))
    if toxics is None:
        raise ToxiproxyError(f"fault kind {fault.kind} is not carried by Toxiproxy")
    return toxics
