"""The generator: a Locust process whose one user runs the arrival clock. The only file that imports locust.

Three roles: a generator of the parent's own (started by generator.py), Locust's master for workers on other machines,
and such a worker.

Built-in clients run here, on Locust's gevent; others run in a host process that this one starts, stops and shows.
Locust's own statistics are fed once a second from the recorder's counts, not call by call: they are for its user
interface, the evidence is the spool.
"""

# ruff: noqa: E402 - Locust is imported below the stand-in for a part of it

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gevent

# half of Locust's import is its web interface (Flask, Jinja), which nobody opens here
sys.modules["locust.web"] = types.ModuleType("locust.web")
sys.modules["locust.web"].WebUI = object  # type: ignore[attr-defined]

import locust
from locust.env import Environment
from locust.exception import StopUser
from locust.stats import StatsEntry, bucket_response_time

from harness.channel import Channel, inherited
from harness.errors import EXIT_ENVIRONMENT, HarnessError
from harness.integrations.build import without_descriptors
from harness.load.away import Guest
from harness.load.gateway import Gateway
from harness.load.outside import Host, HostProcess
from harness.load.session import Session, settle

Message = Mapping[str, Any]

LINGER_S = 0.3
"""Until ZeroMQ has sent the last messages."""


class ArrivalClock(locust.User):
    """The one Locust user of a worker: it runs the arrival clock to the end of the plan and tells `over` its report."""

    part: Session | HostProcess
    order: Message
    over: Callable[[Message], None]

    @locust.task
    def drive(self) -> None:
        """Drive the whole plan; then the run is over."""
        type(self).over(self.part.run(self.order))
        raise StopUser


def mirror(environment: Environment, tally: Iterable[tuple[str, str, int, int]]) -> None:
    """Add counted calls, rows of (operation, outcome, whole ms, calls), to Locust's statistics.

    Merged by operation, as Locust's master merges its workers': 30,000 calls logged one by one were a stall of 50 ms.
    """
    second = int(time.time())
    merged: dict[str, StatsEntry] = {}
    for op, outcome, response_ms, count in tally:
        entry = merged.get(op) or merged.setdefault(op, StatsEntry(None, op, "KATO"))  # type: ignore[arg-type]
        entry.log(response_ms, 0)
        entry.num_requests += count - 1
        entry.num_reqs_per_sec[second] += count - 1
        entry.total_response_time += response_ms * (count - 1)
        entry.response_times[bucket_response_time(response_ms)] += count - 1
        if outcome not in ("ok", "degraded"):
            entry.num_failures += count
            entry.num_fail_per_sec[second] += count
    for op, entry in merged.items():
        environment.stats.get(op, "KATO").extend(entry)
        environment.stats.total.extend(entry)


def made(order: Message, send: Callable[[Message], None], host: Host | None = None) -> Session | HostProcess:
    """The part that an order asks for, in `host` where that was started; raises HarnessError when the client can't be
    made."""
    if order["runtime"] == "gevent":
        return Session(order, send)
    return HostProcess(host or Host(str(order.get("python") or sys.executable)), order, send)


def serve(channel: Channel, host: Host | None = None) -> int:
    """Obey the control channel: prepare, start, stop; the exit code. `host` was started for what is to be prepared."""
    order = channel.receive()
    if order is None:
        return 0
    environment = Environment(user_classes=[ArrivalClock], events=locust.events)

    def send(message: Message) -> None:
        mirror(environment, message.get("tally", ()))
        channel.send({key: value for key, value in message.items() if key != "tally"})

    try:
        runner = environment.create_local_runner()
        part = made(order, send, host)
    except (HarnessError, OSError) as error:
        told = error if isinstance(error, HarnessError) else without_descriptors(error, f"no Locust: {error}")
        if told is None:
            raise
        channel.send({"event": "failed", "what": told.what, "cure": told.cure, "exit_code": told.exit_code})
        return told.exit_code
    channel.send(part.ready())
    settle()
    start = channel.receive()
    if start is None or start["do"] != "start":
        return 0
    reports: list[Message] = []

    def over(report: Message) -> None:
        reports.append(report)
        runner.quit()

    ArrivalClock.part, ArrivalClock.order, ArrivalClock.over = part, start, over
    environment.events.init.fire(environment=environment, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
    gevent.spawn(_listen, channel, part)
    runner.start(1, spawn_rate=1)
    runner.greenlet.join()
    if not reports:
        return 3
    send(reports[0])
    return 0


def lead(host: str, port: int, descriptors: Iterable[int]) -> int:
    """Locust's master for workers on other machines, each with a control channel of its own; the exit code."""
    environment = Environment(user_classes=[ArrivalClock], events=locust.events)
    gateway = Gateway(environment.create_master_runner(host, port), [inherited(number) for number in descriptors])

    def ended(*_: object) -> None:
        gateway.end()
        gevent.sleep(LINGER_S)
        os._exit(0)

    signal.signal(signal.SIGTERM, lambda *_: gevent.spawn(ended))
    gateway.run()
    gevent.sleep(LINGER_S)
    return 0


def follow(host: str, port: int, folder: Path) -> int:
    """Locust's worker for a master on another machine, its spool in `folder`; the exit code."""
    environment = Environment(user_classes=[ArrivalClock], events=locust.events)
    try:
        runner = environment.create_worker_runner(host, port)
    except ConnectionError:
        sys.stderr.write(f"no master answers at {host}:{port}\n")
        return EXIT_ENVIRONMENT

    def send(message: Message) -> None:
        mirror(environment, message.get("tally", ()))
        guest.say({key: value for key, value in message.items() if key != "tally"})

    def begin(part: Session | HostProcess, order: Message) -> None:
        settle()
        ArrivalClock.part, ArrivalClock.order, ArrivalClock.over = part, order, guest.over

    guest = Guest(runner, folder, lambda order: made(order, send), begin)
    environment.events.heartbeat_received.add_listener(guest.heard)  # type: ignore[no-untyped-call]
    code, words = guest.serve()
    sys.stderr.write(f"{words}\n")
    gevent.sleep(LINGER_S)
    return code


def _listen(channel: Channel, part: Session | HostProcess) -> None:
    """Stop the load on the parent's word or when the parent is gone."""
    channel.receive()
    part.stop()


if __name__ == "__main__":
    assert socket.socket.__module__.startswith("gevent"), "locust must patch the standard library first"
    role, *given = sys.argv[1:]
    if role == "master":
        sys.exit(lead(given[0], int(given[1]), map(int, given[2:])))
    sys.exit(follow(given[0], int(given[1]), Path(given[2])))
