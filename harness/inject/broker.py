"""The planes of messaging faults: the broker dies, messages are poison, the consumer is killed; and their proofs."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from harness.faults import KINDS, Ask, Probe
from harness.faults.broker import DONE, POISON_ID
from harness.inject.ask import Address
from harness.model import ATTEMPT_HEADER, Fault

HELLO = b"AMQP\x00\x00\x09\x01"
BODIES = {
    "bad_json": '{"observation": %s, "session_id": "',
    "missing_key": '{"observation": %s}',
    "unknown_session": '{"session_id": "session-of-nobody", "observation": %s}',
}
HELD_WITHIN_S = 3.0


def body_of(form: str, name: str) -> bytes:
    """A poison of that form; its name is in it too, for it may be published again without its id."""
    observation = {"strings": ["poison"], "vectors": [], "emotives": {}, ATTEMPT_HEADER: name}
    return (BODIES[form] % json.dumps(observation)).encode()


class Restartable(Protocol):
    """A broker of ours."""

    def kill(self) -> None: ...

    def restart(self) -> None: ...


class Killable(Protocol):
    """A service of ours."""

    def kill(self) -> None: ...

    def start_again(self) -> None: ...


Publish = Callable[[Sequence[tuple[str, bytes]]], None]
"""Publish (id, body) pairs with confirms; raises when the broker doesn't take them."""


@dataclass(slots=True)
class BrokerPlane:
    """Kills and restarts the broker, publishes poison. `done` are the faults whose effect is sure."""

    broker: Restartable
    publish: Publish
    where: str = "broker"
    done: set[str] = field(default_factory=set)

    def apply(self, fault: Fault) -> None:
        """Make the fault act."""
        if fault.kind == "broker_down":
            self.broker.kill()
            return
        params = KINDS[fault.kind].complete(fault.params)
        ids = [f"{POISON_ID}-{fault.name}-{number + 1}" for number in range(params["count"])]
        self.publish([(each, body_of(params["form"], each)) for each in ids])
        self.done.add(fault.name)

    def clear(self, fault: Fault) -> None:
        """Start the broker again and wait until it answers; poison stays where it is."""
        if fault.kind == "broker_down":
            self.broker.restart()


@dataclass(slots=True)
class SubjectPlane:
    """Kills and restarts the service under test. `hold` makes the witness of the queue keep the next ack back and
    returns when it has one; `release` ends that."""

    service: Killable
    hold: Callable[[float], None]
    release: Callable[[], None]
    where: str = "subject"
    done: set[str] = field(default_factory=set)

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        before_ack = KINDS[fault.kind].complete(fault.params)["when"] == "before_ack"
        if before_ack:
            self.hold(HELD_WITHIN_S)
        self.service.kill()
        if before_ack:
            self.release()
        self.done.add(fault.name)

    def clear(self, fault: Fault) -> None:
        """Start it anew."""
        self.service.start_again()


def amqp_look(address: Address, ask: Ask, now_ns: Callable[[], int]) -> Probe:
    """Greet the broker as a new client does; 200 when it begins a connection."""
    start_ns = now_ns()
    connected_ns = 0
    outcome = ""
    try:
        with socket.create_connection(address, timeout=ask.wait_s) as sock:
            connected_ns = now_ns()
            sock.sendall(HELLO)
            data = sock.recv(64)
            if not data:
                outcome = "protocol_error"
    except TimeoutError:
        outcome = "read_timeout" if connected_ns else "connect_timeout"
    except OSError:
        outcome = "reset" if connected_ns else "connect_error"
    end_ns = now_ns()
    greeted_ns = 0 if outcome else end_ns
    return Probe(start_ns, end_ns, outcome, connected_ns, headers_ns=greeted_ns, status=0 if outcome else 200)


def done_look(done: set[str], fault: Fault, now_ns: Callable[[], int]) -> Probe:
    """Tells whether the plane knows that its fault acted."""
    return Probe(now_ns(), now_ns(), status=200, headers={DONE: "1"} if fault.name in done else {})
