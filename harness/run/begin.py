"""Begins the children of a run that take longest to import, before this process imports what the rest needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.run.away import Bind, bind_of, invite
from harness.run.parts import Part, start_generator, start_part
from harness.run.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Begun:
    """Children that import what they need: the generators, each beside its order, which it hasn't got yet, and the
    witness. The last of the generators are seats for workers on other machines, which find a master at `bind`."""

    orders: tuple[Mapping[str, Any], ...]
    generators: tuple[Part, ...]
    witness: Part
    bind: Bind | None


def begin(prepared: Prepared, folder: Path, target: str, undo: ExitStack) -> Begun:
    """Begin them; `undo` takes them down in reverse. `target` is the URL of a real KATO; empty: the embedded one.

    Raises UsageError where nobody could find the master.
    """
    logs, away = folder / "logs", prepared.options.expect_workers
    orders = prepared.orders(folder)
    bind = bind_of(prepared.options.master_bind) if away else None
    # importing Locust takes longest of all, so it begins first
    generators = [_generator(order, logs, undo) for order in orders[: len(orders) - away]]
    generators += invite(bind, orders[len(orders) - away :], logs, undo) if bind else []
    spool, seed = folder / "spool" / "witness.raw", prepared.scenario.seed
    arguments = ["--spool", str(spool), "--profile", prepared.profile(folder), "--seed", str(seed)]
    arguments += prepared.forwarding(target) or ["--replicas", str(prepared.layout.replicas)]
    witness = start_part("the witness", "harness.twin", arguments, logs / "witness.log", flag="--control-fd")
    undo.callback(witness.stop)
    return Begun(tuple(orders), tuple(generators), witness, bind)


def _generator(order: Mapping[str, Any], logs: Path, undo: ExitStack) -> Part:
    name = str(order["process"])
    part = start_generator(f"the generator {name}", order, logs / f"{name}.log")
    undo.callback(part.stop)
    return part
