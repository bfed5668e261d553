"""The part of a simulated run that is the same on either loop: make the client, say ready, run what is ordered."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.channel import Channel
from harness.errors import HarnessError
from harness.load.recorder import Recorder
from harness.load.session import Session
from harness.model import Fault
from harness.simulate import chance, clocks, ending
from harness.simulate.world import WITNESS, World
from harness.spool import SpoolWriter
from harness.twin.exchange import Arrivals
from harness.twin.profiles import load_profile
from harness.twin.steps import Timers

LEAD_NS = 100_000_000
FLUSH_NS = 10_000_000_000

LoopFactory = Callable[[], asyncio.AbstractEventLoop]
Watch = Callable[[Recorder], None]


class Play:
    """One run: `world` stands when it is made, the client when it is `run`."""

    def __init__(self, channel: Channel, order: Mapping[str, Any], timers: Timers) -> None:
        """`order` is a generator's `prepare` with the KATO's `profile`."""
        ending.speak_through(channel)
        self._seed = int(order["context"]["seed"])
        chance.begin(self._seed)
        self._channel = channel
        self._order = order
        self._spool = SpoolWriter(Path(order["spool"]).with_name("witness.raw"), WITNESS)
        profile = load_profile(str(order["profile"]))
        self.world = World(timers, Arrivals(self._spool), profile, self._seed, clocks.wall)

    def run(self, port: int, watch: Watch, loop_factory: LoopFactory | None = None) -> int:
        """prepare → ready → start → done over the channel; the exit code.

        `watch` begins to look for a standstill, told who counts the client's attempts. An async client needs a
        `loop_factory`.
        """
        try:
            session = Session({**self._order, "base_url": f"http://127.0.0.1:{port}"}, _unheard, loop_factory)
            clocks.refuse_foreign()
            if session.asynchronous and loop_factory is None:
                self._channel.send({"event": "asynchronous"})
                return 0
            self._channel.send(session.ready())
            start = self._channel.receive()
            if start is None:
                return 0
            watch(session.recorder)
            self._channel.send(self._drive(session, start))
        except HarnessError as error:
            words = {"what": error.what, "cure": error.cure, "exit_code": error.exit_code}
            self._channel.send({"event": "failed", **words})
            return error.exit_code
        return 0

    def _drive(self, session: Session, start: Mapping[str, Any]) -> dict[str, Any]:
        """The run itself; the message `done`."""
        faults = [Fault(**fault) for fault in start["faults"]]
        start_ns = self.world.timers.now_ns() + LEAD_NS
        self.world.schedule(faults, start_ns)
        chance.begin(self._seed)
        self._flush_now_and_then(session)
        session.drive({**start, "start_ns": start_ns})
        clocks.refuse_foreign()
        self.world.end_all()
        self._spool.close()
        rows = "".join(json.dumps(row.plain()) + "\n" for row in self.world.rows)
        Path(self._order["spool"]).with_name("faults.jsonl").write_text(rows)
        used = resource.getrusage(resource.RUSAGE_SELF)
        cost = {"cpu_s": round(used.ru_utime + used.ru_stime, 3), "peak_rss": used.ru_maxrss * 1024}
        memories = self.world.handler.stm_lengths()
        times = {"start_ns": start_ns, "end_ns": self.world.timers.now_ns()}
        return {**session.report(), **times, "cost": cost, "stm": memories}

    def _flush_now_and_then(self, session: Session) -> None:
        """Keep memory flat over a long run."""
        session.recorder.flush()
        self._spool.flush()
        timers = self.world.timers
        timers.call_at(timers.now_ns() + FLUSH_NS, lambda: self._flush_now_and_then(session))


def _unheard(message: Mapping[str, Any]) -> None:
    """Nobody watches a simulation's progress."""
