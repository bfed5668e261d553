"""A worker on another machine: a generator whose control channel is Locust's own, and whose spool lies in its folder.

Rows follow the run at a bounded pace, so that a lost worker costs little and guards can look at a run while it goes on;
the rest of them comes at the end (standard library only).
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from harness.errors import EXIT_ENVIRONMENT, EXIT_OK, HarnessError
from harness.load.gateway import JOINED, KEPT, ORDER, ROWS, SAID, TICK, TOCK

SHIP_EVERY_S = 0.5
PIECE_BYTES = 1 << 19
"""So much of the spool goes at once: 14,000 calls or attempts a second while the load lasts."""
KEPT_WITHIN_S = 60.0
SILENT_S = 15.0
"""A master that isn't heard of for so long is gone, and nobody would undo its faults: the load ends."""

Message = Mapping[str, Any]


class Runner(Protocol):
    """What of Locust's worker runner is used here."""

    def register_message(self, msg_type: str, listener: Callable[..., None], concurrent: bool = False) -> None: ...
    def send_message(self, msg_type: str, data: Any = None, client_id: str | None = None) -> None: ...


class Part(Protocol):
    """A Session or a host process."""

    def ready(self) -> Message: ...
    def stop(self) -> None: ...


class Guest:
    """Plays one run's part: `serve`, while Locust's user drives the plan and says `over`."""

    def __init__(
        self, runner: Runner, folder: Path, make: Callable[[Message], Part], begin: Callable[[Any, Message], None]
    ) -> None:
        """`make(order)` prepares the part; `begin(part, order)` has it driven when Locust spawns its user."""
        self._runner = runner
        self._folder = folder
        self._make = make
        self._begin = begin
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._kept = threading.Event()
        self._shipped = 0
        self._heard_s = time.monotonic()
        self._report: Message | None = None
        self._over = threading.Event()
        runner.register_message(ORDER, lambda msg, **_: self._orders.put(msg.data))
        runner.register_message(KEPT, lambda **_: self._kept.set())
        runner.register_message(TICK, self._tick)

    def heard(self, **_: Any) -> None:
        """The master has answered a heartbeat."""
        self._heard_s = time.monotonic()

    def say(self, message: Message) -> None:
        """To the parent, by way of the master."""
        self._runner.send_message(SAID, dict(message))

    def over(self, report: Message) -> None:
        """The plan was driven to its end; `report` is the last message."""
        self._report = report
        self._over.set()

    def serve(self) -> tuple[int, str]:
        """Join, obey, ship the evidence; the exit code, and words for the terminal."""
        self._runner.send_message(JOINED, {"host": socket.gethostname()})
        order = self._next()
        if order["do"] == "leave":
            return EXIT_ENVIRONMENT, order["why"]
        spool = self._folder / Path(order["spool"]).name
        try:
            part = self._make({**order, "spool": str(spool)})
        except HarnessError as error:
            self.say({"event": "failed", "what": f"{error.what} (on {socket.gethostname()})", "cure": error.cure,
                      "exit_code": error.exit_code})  # fmt: skip
            self._next()
            return error.exit_code, str(error)
        ready = part.ready()
        self.say(ready)
        order = self._next()
        if ready["event"] == "failed" or order["do"] == "leave":
            return EXIT_ENVIRONMENT, str(ready.get("what") or order.get("why"))
        self._begin(part, order)
        threading.Thread(target=self._obey, args=(part,), daemon=True).start()
        while not self._over.wait(SHIP_EVERY_S):
            self._ship(spool)
        while self._ship(spool):
            pass
        assert self._report is not None
        self.say({key: value for key, value in self._report.items() if key != "tally"})
        return EXIT_OK, self._farewell()

    def _farewell(self) -> str:
        """Wait until the master has taken the last word."""
        while not self._done and not self._silent():
            time.sleep(0.05)
        return f"{self._shipped:,} bytes of evidence handed over"

    _done = False

    def _obey(self, part: Part) -> None:
        """Stop the load on the parent's word, or when nobody is there any more."""
        while not self._done:
            try:
                order = self._orders.get(timeout=1.0)
            except queue.Empty:
                if self._silent():
                    part.stop()
                continue
            self._done = order["do"] == "leave"
            if not self._over.is_set():
                part.stop()

    def _silent(self) -> bool:
        return time.monotonic() - self._heard_s > SILENT_S

    def _next(self) -> Message:
        """The next order; a leave when the master is silent."""
        while True:
            try:
                return self._orders.get(timeout=1.0)
            except queue.Empty:
                if self._silent():
                    return {"do": "leave", "why": f"the master was not heard of for {SILENT_S:g} s"}

    def _ship(self, spool: Path) -> bool:
        """Send the next piece of the spool and wait until it is kept; False when there was none."""
        if not spool.exists():
            return False
        with spool.open("rb") as file:
            file.seek(self._shipped)
            rows = file.read(PIECE_BYTES)
        if not rows:
            return False
        self._kept.clear()
        self._shipped += len(rows)
        self._runner.send_message(ROWS, {"rows": rows, "upto": self._shipped})
        return self._kept.wait(KEPT_WITHIN_S)

    def _tick(self, msg: Any, **_: Any) -> None:
        self._runner.send_message(TOCK, {"sent_ns": msg.data["sent_ns"], "seen_ns": time.monotonic_ns()})
