"""The canary: the harness's own small requests through a listener, which prove that a fault took effect.

One thread paces them and short-lived ones make them, each on a connection of its own: once a second, and quickly
while a fault waits for its proof. Each leaves one row in canary.jsonl: listener (`NAME`, or `NAME:FAULT` where one
fault's effect was asked for), start_ns, end_ns, outcome (`ok`, a word of model.ERRORS, or a status).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.clock import Clock
from harness.faults import KINDS, Ask, Probe
from harness.faults.external import parse_proof
from harness.inject.ask import Address, look
from harness.inject.external import command_look
from harness.model import Fault

FAST_S = 0.075
SLOW_S = 1.0
FAST_FOR_S = 3.0
"""An unproven subject is asked for quickly for this long, then once a second."""

MOST_IN_FLIGHT = 4
"""A subject's requests on their way at once; the next one waits until one of these has ended."""

PLAIN = "probe"
"""The canary header of a request that asks for no fault's effect."""


@dataclass(slots=True)
class Subject:
    """What is asked for again and again: the listener's health, or one fault's effect."""

    row_name: str
    look: Callable[[], Probe]
    proves: Callable[[Probe], bool]
    begun_ns: int
    due_ns: int = 0
    in_flight: int = 0
    proved_ns: int = 0

    def next_ns(self, now_ns: int) -> int:
        """When to ask again."""
        fast = not self.proved_ns and now_ns - self.begun_ns < FAST_FOR_S * 1e9
        return now_ns + round((FAST_S if fast else SLOW_S) * 1e9)


class Canary:
    """Probes listeners until closed; the timeline tells it which faults to prove."""

    def __init__(
        self,
        name: str,
        address: Address,
        rows: Path,
        clock: Clock,
        aim: Callable[[Fault], Address] | None = None,
        registry: Callable[[Ask], Probe] | None = None,
        stores: Callable[[Fault, Callable[[], int]], Probe] | None = None,
        other: Callable[[Fault], Callable[[], Probe] | None] = lambda fault: None,
    ) -> None:
        """`aim`: the listener through which a fault shows its effect; the one whose health is asked for by default.
        `registry` looks at what registry faults are about, `stores` at a store through the proxy before it, `other`
        gives the look at a fault that no HTTP request can show."""
        self._name = name
        self._address = address
        self._aim = aim or (lambda fault: address)
        self._registry = registry
        self._stores = stores
        self._other = other
        self._rows = rows
        self._clock = clock
        self._asked: dict[tuple[str, int], Subject] = {}
        self._settled: dict[tuple[str, int], Subject] = {}
        self._health = self._healthy()
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._pace, name=f"canary-{name}", daemon=True)

    def start(self) -> None:
        """Begin to ask for the listener's health."""
        self._thread.start()

    def watch(self, fault: Fault) -> None:
        """The fault has just been applied: prove it."""
        with self._changed:
            subject = self._asked[fault.name, fault.at_ns] = self._subject(fault)
            self._begin(subject, self._clock.now_ns())  # at once: a short fault may be over before the pace comes to it
            self._changed.notify()

    def settle(self, fault: Fault) -> None:
        """The fault has just been cleared: its proof is what is on its way; ask quickly for health again."""
        with self._changed:
            self._settled[fault.name, fault.at_ns] = self._asked.pop((fault.name, fault.at_ns))
            self._health = self._healthy()
            self._changed.notify()

    def effective_ns(self, fault: Fault) -> int:
        """The start (ns) of the first request that proved the fault, 0 while none has."""
        with self._changed:
            subject = {**self._settled, **self._asked}.get((fault.name, fault.at_ns))
            return subject.proved_ns if subject else 0

    def healthy_ns(self) -> int:
        """The start (ns) of the first healthy request since the last fault was cleared, 0 while there is none."""
        with self._changed:
            return self._health.proved_ns

    def close(self) -> None:
        """Stop asking; requests on their way end by themselves, unrecorded."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _healthy(self) -> Subject:
        def ask() -> Probe:
            return look(self._address, Ask(), PLAIN, self._clock.now_ns)

        return Subject(self._name, ask, _is_healthy, self._clock.now_ns())

    def _subject(self, fault: Fault) -> Subject:
        kind = KINDS[fault.kind]
        params = kind.complete(fault.params)
        row_name, now_ns = f"{self._name}:{fault.name}", self._clock.now_ns
        other = self._other(fault)
        if other is not None:
            return Subject(row_name, other, lambda probe: kind.effective(params, [probe]), now_ns())
        if kind.plane == "external" and parse_proof(params["proof"]) is None:
            return Subject(row_name, lambda: command_look(fault, now_ns), lambda probe: not probe.outcome, now_ns())
        if kind.plane == "registry" and self._registry is not None:
            look_up, asked = self._registry, kind.ask(params)
            return Subject(row_name, lambda: look_up(asked), lambda probe: kind.effective(params, [probe]), now_ns())
        if kind.plane == "store" and self._stores is not None:
            ping = self._stores
            return Subject(
                row_name, lambda: ping(fault, now_ns), lambda probe: kind.effective(params, [probe]), now_ns()
            )
        ask, rule = kind.ask(params), PLAIN if kind.plane in ("toxiproxy", "external") else fault.name
        address = self._aim(fault)
        return Subject(
            row_name,
            lambda: look(address, ask, rule, now_ns),
            lambda probe: kind.effective(params, [probe]),
            now_ns(),
        )

    def _pace(self) -> None:
        """Start what is due, sleep until the next is due or something changes."""
        with self._changed:
            while not self._ended:
                now_ns = self._clock.now_ns()
                subjects = [self._health, *self._asked.values()]
                for subject in subjects:
                    if subject.due_ns <= now_ns:
                        self._begin(subject, now_ns)
                self._changed.wait((min(subject.due_ns for subject in subjects) - now_ns) / 1e9)

    def _begin(self, subject: Subject, now_ns: int) -> None:
        subject.due_ns = subject.next_ns(now_ns)
        if subject.in_flight < MOST_IN_FLIGHT:
            subject.in_flight += 1
            threading.Thread(target=self._once, args=(subject,), daemon=True).start()

    def _once(self, subject: Subject) -> None:
        probe = subject.look()
        with self._changed:
            subject.in_flight -= 1
            if self._ended:
                return
            if subject.proves(probe):
                subject.proved_ns = min(probe.start_ns, subject.proved_ns or probe.start_ns)
            self._write(subject.row_name, probe)

    def _write(self, listener: str, probe: Probe) -> None:
        outcome = probe.outcome or ("ok" if probe.status < 400 else str(probe.status))
        row = {"listener": listener, "start_ns": probe.start_ns, "end_ns": probe.end_ns, "outcome": outcome}
        with self._rows.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _is_healthy(probe: Probe) -> bool:
    return not probe.outcome and 200 <= probe.status < 400
