"""Locust's master as the gateway to workers on other machines (standard library only).

Each worker sits before a control channel of the parent, which speaks to it as to a generator of its own. What the
parent need not know is done here: a worker's rows go into its spool, its clock is compared with ours, and one that
isn't heard of any more is named. The load itself begins by Locust's own spawn message, one user a worker.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from harness.channel import Channel
from harness.errors import EXIT_ENVIRONMENT, EXIT_INVALID
from harness.load.roundtrip import Reading, best, reading

JOINED, ORDER, SAID, ROWS, KEPT, TICK, TOCK = (
    f"kato.{word}" for word in ("joined", "order", "said", "rows", "kept", "tick", "tock")
)
"""The messages between Locust's master and its workers that are ours."""

TRIPS = 8
TRIP_WITHIN_S = 1.0
MEASURE_EVERY_S = 5.0
LOOK_EVERY_S = 0.5
MISSING = "missing"
"""Locust's word for a worker that sent no heartbeat for three seconds."""


class Runner(Protocol):
    """What of Locust's master runner is used here."""

    clients: Any

    def register_message(self, msg_type: str, listener: Callable[..., None], concurrent: bool = False) -> None: ...
    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None: ...
    def start(self, user_count: int, spawn_rate: float) -> None: ...


class Seat:
    """One expected worker: the parent's channel, and who sits there (`client` '': nobody yet)."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.client = self.host = self.process = ""
        self.spool = Path()
        self.orders: list[Mapping[str, Any]] = []
        self.started = self.ended = False
        self.measuring = threading.Lock()
        self.answered = threading.Event()
        self.readings: list[Reading] = []
        self.offset_ns = 0

    @property
    def playing(self) -> bool:
        """Whether somebody sits there and has not ended."""
        return bool(self.client) and not self.ended


class Gateway:
    """Carries messages between channels and workers until every channel is closed."""

    def __init__(self, runner: Runner, channels: Sequence[Channel]) -> None:
        self._runner = runner
        self._seats = [Seat(channel) for channel in channels]
        self._seating = threading.Lock()
        self._starting = 0
        for word, listener in ((JOINED, self._joined), (SAID, self._said), (ROWS, self._rows), (TOCK, self._tock)):
            runner.register_message(word, listener)

    def run(self) -> None:
        """Serve until the parent has closed every channel."""
        listening = [threading.Thread(target=self._listen, args=(seat,), daemon=True) for seat in self._seats]
        for thread in (*listening, threading.Thread(target=self._watch, daemon=True)):
            thread.start()
        for thread in listening:
            thread.join()

    def end(self) -> None:
        """Send everybody home."""
        for seat in self._seats:
            if seat.playing:
                self._leave(seat, "the run was ended")

    def _joined(self, msg: Any, **_: Any) -> None:
        with self._seating:
            seat = next((seat for seat in self._seats if not seat.client), None)
            if seat is None:
                full = {"do": "leave", "why": "the run has all the workers that it expects"}
                self._runner.send_message(ORDER, full, msg.node_id)
                return
            seat.client, seat.host = msg.node_id, msg.data["host"]
        seat.channel.send({"event": "joined", "host": seat.host})
        for order in seat.orders:
            self._runner.send_message(ORDER, dict(order), seat.client)

    def _listen(self, seat: Seat) -> None:
        """Carry the parent's orders to the worker, those of before it came when it comes."""
        while (order := seat.channel.receive()) is not None:
            if order["do"] == "prepare":
                seat.spool, seat.process = Path(order["spool"]), order["process"]
            if order["do"] == "start":
                self._measure(seat)
                order |= {"start_ns": order["start_ns"] + seat.offset_ns}
            if seat.client:
                self._runner.send_message(ORDER, order, seat.client)
            else:
                seat.orders.append(order)
            if order["do"] == "start":
                seat.started = True
                self._spawn()
        if seat.playing:
            self._leave(seat, "the run was ended")

    def _spawn(self) -> None:
        """When the last worker has its order, have Locust spawn a user on each."""
        self._starting += 1
        if self._starting == len(self._seats):
            threading.Thread(target=self._runner.start, args=(len(self._seats), len(self._seats)), daemon=True).start()

    def _said(self, msg: Any, **_: Any) -> None:
        seat, message = self._seat(msg.node_id), msg.data
        if seat is None or seat.ended:
            return
        if message["event"] == "progress":
            seat.channel.send(message)
        else:
            # its clock is compared first, and the answers to that come by the thread that is here now
            threading.Thread(target=self._pass_on, args=(seat, message), daemon=True).start()

    def _pass_on(self, seat: Seat, message: Mapping[str, Any]) -> None:
        self._measure(seat)
        if message["event"] != "ready":
            self._leave(seat, "")
        seat.channel.send(message)

    def _rows(self, msg: Any, **_: Any) -> None:
        seat = self._seat(msg.node_id)
        if seat is None:
            return
        with seat.spool.open("ab") as spool:
            spool.write(msg.data["rows"])
        self._runner.send_message(KEPT, {"upto": msg.data["upto"]}, seat.client)

    def _measure(self, seat: Seat) -> None:
        """Compare the clocks by some round trips, and write the best one down beside the spool."""
        with seat.measuring:
            seat.readings.clear()
            for _ in range(TRIPS):
                seat.answered.clear()
                self._runner.send_message(TICK, {"sent_ns": time.monotonic_ns()}, seat.client)
                if not seat.answered.wait(TRIP_WITHIN_S):
                    break
            if not seat.readings:
                return
            found = best(seat.readings)
            seat.offset_ns = found.offset_ns
            with seat.spool.with_suffix(".clock").open("a") as file:
                file.write(json.dumps({"host": seat.host, **found.row()}) + "\n")

    def _tock(self, msg: Any, **_: Any) -> None:
        now_ns = time.monotonic_ns()
        if seat := self._seat(msg.node_id):
            seat.readings.append(reading(msg.data["sent_ns"], msg.data["seen_ns"], now_ns))
            seat.answered.set()

    def _watch(self) -> None:
        """Look for lost workers, and compare clocks again and again."""
        due_s = time.monotonic() + MEASURE_EVERY_S
        while True:
            time.sleep(LOOK_EVERY_S)
            for seat in self._seats:
                node = self._runner.clients.get(seat.client)
                if seat.playing and (node is None or node.state == MISSING):
                    self._lost(seat)
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + MEASURE_EVERY_S
                for seat in self._seats:
                    if seat.playing and seat.started:
                        self._measure(seat)

    def _lost(self, seat: Seat) -> None:
        seat.ended = True
        when = "in the middle of the run; its rows until then are kept" if seat.started else "before the load began"
        seat.channel.send(
            {
                "event": "failed",
                "what": f"the worker {seat.process} on {seat.host} was lost {when}",
                "cure": "look there for why it ended or lost the network, and run again",
                "exit_code": EXIT_INVALID if seat.started else EXIT_ENVIRONMENT,
            }
        )

    def _leave(self, seat: Seat, why: str) -> None:
        seat.ended = True
        self._runner.send_message(ORDER, {"do": "leave", "why": why}, seat.client)

    def _seat(self, client: str) -> Seat | None:
        return next((seat for seat in self._seats if seat.client == client), None)
