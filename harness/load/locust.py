"""The generator: a Locust process whose one user runs the arrival clock. The only file that imports locust.

Built-in clients run here, on Locust's gevent; others run in a host process that this one starts, stops and shows.
Locust's own statistics are fed once a second from the recorder's counts, not call by call: they are for its user
interface, the evidence is the spool.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gevent
import locust
from locust.env import Environment

from harness.channel import Channel, inherited, pair
from harness.errors import HarnessError
from harness.load.session import Session

Message = Mapping[str, Any]


class HostProcess:
    """The part of a run that a host process plays, with the face of `Session`."""

    def __init__(self, order: Message, send: Callable[[Message], None]) -> None:
        self._send = send
        self._channel, theirs = pair()
        python = str(order.get("python") or sys.executable)
        script = str(Path(__file__).with_name("host.py"))
        self._process = subprocess.Popen([python, script, str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self._channel.send(order)
        self._ready = self._channel.receive() or self._died()

    def ready(self) -> Message:
        """The host's own word: ready or failed."""
        return self._ready

    def run(self, order: Message) -> Message:
        """Pass the order on and its progress back, until it is done."""
        self._channel.send(order)
        while (message := self._channel.receive()) is not None:
            if message["event"] != "progress":
                self._process.wait()
                return message
            self._send(message)
        return self._died()

    def stop(self) -> None:
        """Tell the host to offer no more load."""
        self._channel.send({"do": "stop"})

    def _died(self) -> dict[str, Any]:
        status = self._process.wait()
        return {
            "event": "failed",
            "what": f"the host process of the integration ended with status {status}",
            "cure": "its own words are above; run the client alone in the same interpreter",
            "exit_code": 1 if status < 0 else 3,
        }


class ArrivalClock(locust.User):
    """The one Locust user of a worker: it runs the arrival clock to the end of the plan."""

    part: Session | HostProcess
    order: Message
    report: Message | None = None

    @locust.task
    def drive(self) -> None:
        """Drive the whole plan; then the run is over."""
        type(self).report = self.part.run(self.order)
        runner = self.environment.runner
        assert runner is not None
        runner.quit()


def mirror(environment: Environment, tally: Iterable[tuple[str, str, int, int]]) -> None:
    """Add counted calls, rows of (operation, outcome, whole ms, calls), to Locust's statistics."""
    for op, outcome, response_ms, count in tally:
        failed = outcome not in ("ok", "degraded")
        for entry in (environment.stats.get(op, "KATO"), environment.stats.total):
            for _ in range(count):
                entry.log(response_ms, 0)
            if failed:
                entry.num_failures += count


def serve(channel: Channel) -> int:
    """Obey the control channel: prepare, start, stop; the exit code."""
    order = channel.receive()
    if order is None:
        return 0
    environment = Environment(user_classes=[ArrivalClock], events=locust.events)

    def send(message: Message) -> None:
        mirror(environment, message.get("tally", ()))
        channel.send({key: value for key, value in message.items() if key != "tally"})

    try:
        part: Session | HostProcess = Session(order, send) if order["runtime"] == "gevent" else HostProcess(order, send)
    except HarnessError as error:
        channel.send({"event": "failed", "what": error.what, "cure": error.cure, "exit_code": error.exit_code})
        return error.exit_code
    channel.send(part.ready())
    start = channel.receive()
    if start is None or start["do"] != "start":
        return 0
    ArrivalClock.part, ArrivalClock.order = part, start
    runner = environment.create_local_runner()
    environment.events.init.fire(environment=environment, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
    gevent.spawn(_listen, channel, part)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    if ArrivalClock.report is None:
        return 3
    send(ArrivalClock.report)
    return 0


def _listen(channel: Channel, part: Session | HostProcess) -> None:
    """Stop the load on the parent's word or when the parent is gone."""
    channel.receive()
    part.stop()


if __name__ == "__main__":
    assert socket.socket.__module__.startswith("gevent"), "locust must patch the standard library first"
    sys.exit(serve(inherited(int(sys.argv[1]))))
