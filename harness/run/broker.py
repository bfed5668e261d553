"""The broker of a run: a real RabbitMQ, its witness, and our proxy before both; the consumer's way to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.faults import KINDS, Probe
from harness.inject.broker import BrokerPlane, SubjectPlane, amqp_look, done_look
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.timeline import Plane
from harness.model import Fault
from harness.run.parts import Part, start_part
from harness.run.subject import Service
from harness.scenario.faultkeys import PARTS
from harness.scenario.topology import Broker as Spec
from harness.stack import rabbitmq
from harness.stack.ports import free_port

BROKER = PARTS[2]
Look = Callable[[], Probe]


@dataclass(frozen=True, slots=True)
class Messaging:
    """A broker that is up. The publisher goes to `broker.url`, the subject to `url`: proxy, witness, broker."""

    spec: Spec
    broker: rabbitmq.Broker
    tap: Part
    url: str
    address: tuple[str, int]
    folder: Path

    def order(self) -> dict[str, Any]:
        """What a publisher is told."""
        names = {"queue": self.spec.queue, "outputs": self.spec.outputs, "dead": self.spec.dead}
        return {"amqp": {"url": self.broker.url, "spool": str(self.folder / "spool" / "collector.raw"), **names}}

    def has_consumer(self, queue: str) -> bool:
        """Whether somebody consumes a queue, or asks for its messages one by one."""
        from harness.messaging.leftovers import consumers_of

        return consumers_of(self.broker.url, queue) > 0 or queue in self._queues()["polled"]

    def closing(self) -> dict[str, Any]:
        """What the queues still hold, now that the subject has ended; each message becomes a row."""
        from harness.messaging.leftovers import count_left

        own = {self.spec.queue: "left", self.spec.dead: "left_dead", self.spec.outputs: "collected"}
        # a consumer may have queues of its own, where messages wait for their next try
        others = set(self._queues()["names"]) - {""}
        queues = [*((event, queue) for queue, event in own.items()), *(("left", name) for name in others - own.keys())]
        left = count_left(self.broker.url, queues, self.folder / "spool" / "leftovers.raw")
        return {"messaging": self.facts() | {"left": left}}

    def _queues(self) -> dict[str, Any]:
        """The queues that the consumer named."""
        self.tap.channel.send({"do": "queues"})
        return self.tap.expect("queues", within_s=5.0)

    def facts(self) -> dict[str, Any]:
        """What laws and reports ask of it."""
        names = {"queue": self.spec.queue, "outputs": self.spec.outputs, "dead": self.spec.dead}
        return {"broker": self.spec.kind, "heartbeat_s": self.spec.heartbeat, **names}

    def hold(self, within_s: float) -> None:
        """Keep the consumer's next ack back; returns when one is held, or after `within_s` s."""
        self.tap.channel.send({"do": "hold", "within": within_s})
        self.tap.expect("held", within_s=within_s + 5.0)

    def release(self) -> None:
        """Drop what was held, with its connection."""
        self.tap.channel.send({"do": "release"})
        self.tap.expect("released", within_s=5.0)


def bring_up(spec: Spec, folder: Path, plane: ToxiproxyPlane, undo: ExitStack) -> Messaging | None:
    """The broker with what stands before it, or None where none is asked for; raises PartMissing."""
    if spec.kind == "none":
        return None
    broker = rabbitmq.start(folder / "rabbitmq", int(spec.heartbeat))
    undo.callback(broker.stop)
    arguments = [str(broker.port), str(folder / "spool" / "tap.raw")]
    tap = start_part("the queue's witness", "harness.messaging.tap", arguments, folder / "logs" / "tap.log")
    undo.callback(tap.stop)
    port = free_port()
    plane.listen(BROKER, f"127.0.0.1:{port}", f"127.0.0.1:{tap.expect('ready')['port']}", part=BROKER)
    return Messaging(spec, broker, tap, f"amqp://guest:guest@127.0.0.1:{port}/", ("127.0.0.1", port), folder)


def planes_of(messaging: Messaging | None, service: Service | None) -> dict[str, Plane]:
    """The planes of messaging faults, as far as there is something to break."""
    planes: dict[str, Plane] = {}
    if messaging is not None:
        planes["broker"] = BrokerPlane(messaging.broker, _publisher(messaging))
    if service is not None and service.child is not None:
        hold = messaging.hold if messaging else lambda within_s: None
        release = messaging.release if messaging else lambda: None
        planes["subject"] = SubjectPlane(service.child, hold, release)
    return planes


def _publisher(messaging: Messaging) -> Callable[[Any], None]:
    def publish(messages: Any) -> None:
        from harness.messaging.leftovers import publish as send

        send(messaging.broker.url, messaging.spec.queue, messages)

    return publish


def look_of(fault: Fault, messaging: Messaging | None, planes: dict[str, Plane]) -> Look | None:
    """How such a fault is proved; None for faults that an HTTP request shows."""
    kind = KINDS[fault.kind]
    if messaging is not None and (fault.only.get("part") == BROKER or fault.kind == "broker_down"):
        asked = kind.ask(kind.complete(fault.params))
        return lambda: amqp_look(messaging.address, asked, time.monotonic_ns)
    plane = planes.get(kind.plane)
    if isinstance(plane, (BrokerPlane, SubjectPlane)):
        done = plane.done
        return lambda: done_look(done, fault, time.monotonic_ns)
    return None
