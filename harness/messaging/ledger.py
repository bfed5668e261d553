"""What one consumer's connection does with its deliveries, from the frames of both directions (no I/O)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pamqp import commands

from harness.messaging.frames import FrameReader, Seen
from harness.messaging.hands import Hands
from harness.messaging.identity import carried, identity

Basic = commands.Basic


class Events(Protocol):
    """Where events go: `MessageLog.event`."""

    def __call__(
        self, event: str, message: str = "", queue: str = "", connection: int = 0, tag: int = 0, flag: bool = False,
        count: int = 0,
    ) -> None: ...  # fmt: skip


class Ledger:
    """The unsettled deliveries and unconfirmed publishes of a connection, by channel and number."""

    def __init__(self, connection: int, event: Events, hands: Hands) -> None:
        self._connection = connection
        self._event = event
        self._hands = hands
        self._from_client, self._from_broker = FrameReader(), FrameReader()
        self._published: dict[int, dict[int, tuple[str, str, str]]] = {}
        self._numbers: dict[int, int] = {}
        self._automatic: set[tuple[int, str]] = set()
        self._asking: dict[int, list[bool]] = {}
        self._getting: dict[int, bool] = {}
        self._transactions: dict[int, list[Callable[[], None]]] = {}

    def read_client(self, data: bytes) -> list[Seen]:
        """What bytes on their way to the broker mean; nothing is noted until `client_said` is told."""
        return list(self._from_client.feed(data))

    def client_said(self, said: list[Seen]) -> None:
        """It passes on to the broker."""
        for seen in said:
            self._of_client(seen)

    def broker_said(self, data: bytes) -> None:
        """Bytes on their way to the consumer."""
        for seen in self._from_broker.feed(data):
            self._of_broker(seen)

    def closed(self, by_broker: bool) -> None:
        """The connection is gone, with its unsettled deliveries."""
        unsettled = self._hands.gone(self._connection)
        self._event("closed", connection=self._connection, flag=by_broker, count=unsettled)

    def _of_client(self, seen: Seen) -> None:
        method, channel = seen.method, seen.channel
        if seen.beat:
            self._event("beat", connection=self._connection)
        elif isinstance(method, commands.Connection.TuneOk):
            self._event("connected", connection=self._connection, count=int(method.heartbeat or 0))
        elif isinstance(method, commands.Confirm.Select):
            self._numbers[channel] = 0
        elif isinstance(method, (commands.Tx.Select, commands.Tx.Rollback)):
            self._transactions[channel] = []
        elif isinstance(method, commands.Queue.Declare):
            self._hands.queues.add(str(method.queue))
        elif isinstance(method, Basic.Get):
            self._getting[channel] = bool(method.no_ack)
            self._hands.polled.add(str(method.queue))
        elif isinstance(method, Basic.Consume):
            self._asked(channel, method)
        elif isinstance(method, Basic.Publish):
            self._publish(channel, method, seen)
        elif isinstance(method, (Basic.Ack, Basic.Nack, Basic.Reject)):
            self._effective(channel, lambda: self._settle(channel, method))

    def _asked(self, channel: int, method: Any) -> None:
        """To consume, with or without acks: a tag that the broker chooses is told in its answer."""
        if method.no_ack and method.consumer_tag:
            self._automatic.add((channel, str(method.consumer_tag)))
        elif not method.consumer_tag:
            self._asking.setdefault(channel, []).append(bool(method.no_ack))

    def _of_broker(self, seen: Seen) -> None:
        method, channel = seen.method, seen.channel
        if isinstance(method, Basic.ConsumeOk):
            if (asked := self._asking.get(channel)) and asked.pop(0):
                self._automatic.add((channel, str(method.consumer_tag)))
        elif isinstance(method, Basic.Deliver):
            self._deliver(seen, (channel, str(method.consumer_tag)) in self._automatic)
        elif isinstance(method, Basic.GetOk):
            self._deliver(seen, self._getting.get(channel, False))
        elif isinstance(method, commands.Tx.CommitOk):
            for act in self._transactions.get(channel, ()):
                act()
            self._transactions[channel] = []
        elif isinstance(method, (Basic.Ack, Basic.Nack)):
            word = "confirmed" if isinstance(method, Basic.Ack) else "refused"
            waiting = self._published.get(channel, {})
            for tag in _upto(waiting, int(method.delivery_tag or 0), bool(method.multiple)):
                self._certain(word, channel, tag)

    def _deliver(self, seen: Seen, automatic: bool) -> None:
        method, hands = seen.method, self._hands
        message, tag = identity(seen.properties, seen.body), int(method.delivery_tag or 0)
        earlier = (getattr(seen.properties, "headers", None) or {}).get("x-delivery-count", 0)
        count = earlier if isinstance(earlier, int) else 0
        if message:
            hands.given.add(message)
        self._event(
            "delivered", message, str(method.routing_key), self._connection, tag, bool(method.redelivered), count
        )
        if automatic:  # the broker has forgotten it with this delivery
            self._event("acked", message, "", self._connection, tag, True)
        else:
            hands.of(self._connection, seen.channel)[tag] = message

    def _settle(self, channel: int, method: Any) -> None:
        event = "acked" if isinstance(method, Basic.Ack) else "requeued" if method.requeue else "dropped"
        mine = self._hands.of(self._connection, channel)
        many = not isinstance(method, Basic.Reject) and bool(method.multiple)
        for tag in _upto(mine, int(method.delivery_tag or 0), many):
            self._event(event, mine.pop(tag), "", self._connection, tag)

    def _publish(self, channel: int, method: Any, seen: Seen) -> None:
        """A publish by the consumer: a copy of a message that it was given, or its outputs."""
        own = carried(seen.body)
        kind = "copy" if own in self._hands.given else "output"
        message = own if kind == "copy" else self._hands.cause(seen.properties, self._connection)
        queue, tag = str(method.routing_key), 0
        if sure := channel in self._numbers or channel in self._transactions:
            tag = self._numbers[channel] = self._numbers.get(channel, 0) + 1
            self._published.setdefault(channel, {})[tag] = (kind, message, queue)
        persistent = int(getattr(seen.properties, "delivery_mode", None) or 1) == 2
        self._event(kind, message, queue, self._connection, tag, sure, int(persistent))
        if channel in self._transactions:
            self._transactions[channel].append(lambda: self._certain("confirmed", channel, tag))

    def _effective(self, channel: int, act: Callable[[], None]) -> None:
        """Now, or with the transaction that the channel is in."""
        if channel in self._transactions:
            self._transactions[channel].append(act)
        else:
            act()

    def _certain(self, word: str, channel: int, tag: int) -> None:
        kind, message, queue = self._published[channel].pop(tag)
        self._event(f"{kind}_{word}", message, queue, self._connection, tag)


def _upto(numbers: dict[int, Any], tag: int, multiple: bool) -> list[int]:
    """The numbers that an acknowledgement covers: itself, or all up to it (0: all there are)."""
    if not multiple:
        return [tag] if tag in numbers else []
    return sorted(number for number in numbers if number <= tag or tag == 0)
