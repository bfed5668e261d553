"""The part of a simulated run that is the same on either loop: make the client, say ready, run what is ordered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.channel import Channel
from harness.errors import HarnessError
from harness.load.session import Session
from harness.model import Fault
from harness.simulate import time_patch
from harness.simulate.world import WITNESS, World
from harness.spool import SpoolWriter
from harness.twin.exchange import Arrivals
from harness.twin.profiles import load_profile
from harness.twin.steps import Timers

LEAD_NS = 100_000_000
FLUSH_NS = 10_000_000_000


class Flushed(Protocol):
    """What is written now and then."""

    def flush(self) -> None: ...


def make_world(order: Mapping[str, Any], timers: Timers) -> tuple[World, SpoolWriter]:
    """The world behind the client, and its spool, which lies beside the generator's."""
    spool = SpoolWriter(Path(order["spool"]).with_name("witness.raw"), WITNESS)

    def wall_s() -> float:
        return time_patch.WALL_START_S + timers.now_ns() / 1e9

    profile, seed = load_profile(str(order["profile"])), int(order["context"]["seed"])
    return World(timers, Arrivals(spool), profile, seed, wall_s), spool


def play(
    channel: Channel,
    order: Mapping[str, Any],
    world: World,
    spool: SpoolWriter,
    port: int,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """prepare → ready → start → done over the channel; the exit code. An async client needs a `loop_factory`."""
    try:
        session = Session({**order, "base_url": f"http://127.0.0.1:{port}"}, _unheard, loop_factory)
        time_patch.refuse_foreign_clocks()
    except HarnessError as error:
        channel.send({"event": "failed", "what": error.what, "cure": error.cure, "exit_code": error.exit_code})
        return error.exit_code
    if session.asynchronous and loop_factory is None:
        channel.send({"event": "asynchronous"})
        return 0
    channel.send(session.ready())
    start = channel.receive()
    if start is None:
        return 0
    start_ns = world.timers.now_ns() + LEAD_NS
    world.schedule([Fault(**fault) for fault in start["faults"]], start_ns)
    _flush_now_and_then(world.timers, session.recorder, spool)
    session.drive({**start, "start_ns": start_ns})
    world.end_all()
    spool.close()
    rows = "".join(json.dumps(row.plain()) + "\n" for row in world.rows)
    Path(order["spool"]).with_name("faults.jsonl").write_text(rows)
    channel.send({**session.report(), "start_ns": start_ns, "end_ns": world.timers.now_ns()})
    return 0


def _unheard(message: Mapping[str, Any]) -> None:
    """Nobody watches a simulation's progress."""


def _flush_now_and_then(timers: Timers, *spools: Flushed) -> None:
    """Keep memory flat over a long run."""
    for spool in spools:
        spool.flush()
    timers.call_at(timers.now_ns() + FLUSH_NS, lambda: _flush_now_and_then(timers, *spools))
