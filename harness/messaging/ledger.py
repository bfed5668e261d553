"""What one consumer's connection does with its deliveries, from the frames of both directions (no I/O)."""

from __future__ import annotations

from typing import Any, Protocol

from pamqp import commands

from harness.messaging.frames import FrameReader, Seen

Basic = commands.Basic


class Events(Protocol):
    """Where events go: `MessageLog.event`."""

    def __call__(
        self, event: str, message: str = "", queue: str = "", connection: int = 0, tag: int = 0, flag: bool = False,
        count: int = 0,
    ) -> None: ...  # fmt: skip


class Ledger:
    """The unsettled deliveries and unconfirmed outputs of a connection, by channel and number."""

    def __init__(self, connection: int, event: Events) -> None:
        self._connection = connection
        self._event = event
        self._from_client, self._from_broker = FrameReader(), FrameReader()
        self._open: dict[tuple[int, int], str] = {}
        self._outputs: dict[tuple[int, int], tuple[str, str]] = {}
        self._published: dict[int, int] = {}
        self._confirming: set[int] = set()

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
        self._event("closed", connection=self._connection, flag=by_broker, count=len(self._open))

    def _of_client(self, seen: Seen) -> None:
        method = seen.method
        if seen.beat:
            self._event("beat", connection=self._connection)
        elif isinstance(method, commands.Connection.TuneOk):
            self._event("connected", connection=self._connection, count=int(method.heartbeat or 0))
        elif isinstance(method, commands.Confirm.Select):
            self._confirming.add(seen.channel)
            self._published[seen.channel] = 0
        elif isinstance(method, Basic.Ack):
            self._settle("acked", seen.channel, method.delivery_tag, method.multiple)
        elif isinstance(method, Basic.Nack):
            self._settle(
                "requeued" if method.requeue else "dropped", seen.channel, method.delivery_tag, method.multiple
            )
        elif isinstance(method, Basic.Reject):
            self._settle("requeued" if method.requeue else "dropped", seen.channel, method.delivery_tag, False)
        elif isinstance(method, Basic.Publish):
            self._output(seen.channel, method, seen.properties)

    def _of_broker(self, seen: Seen) -> None:
        method = seen.method
        if isinstance(method, (Basic.Deliver, Basic.GetOk)):
            message, headers = identity(seen.properties), getattr(seen.properties, "headers", None) or {}
            tag = int(method.delivery_tag or 0)
            self._open[seen.channel, tag] = message
            earlier = headers.get("x-delivery-count", 0)
            count = earlier if isinstance(earlier, int) else 0
            queue = str(method.routing_key)
            self._event("delivered", message, queue, self._connection, tag, bool(method.redelivered), count)
        elif isinstance(method, (Basic.Ack, Basic.Nack)) and seen.channel in self._confirming:
            event = "output_confirmed" if isinstance(method, Basic.Ack) else "output_refused"
            for tag in _upto(self._outputs, seen.channel, int(method.delivery_tag or 0), bool(method.multiple)):
                message, queue = self._outputs.pop((seen.channel, tag))
                self._event(event, message, queue, self._connection, tag)

    def _settle(self, event: str, channel: int, tag: int | None, multiple: bool | None) -> None:
        for each in _upto(self._open, channel, int(tag or 0), bool(multiple)):
            self._event(event, self._open.pop((channel, each)), "", self._connection, each)

    def _output(self, channel: int, method: Any, properties: Any) -> None:
        """A publish by the consumer: it names its cause, or exactly one delivery is in its hands."""
        open_ones = list(self._open.values())
        named = str(getattr(properties, "correlation_id", None) or "")
        message = named or (open_ones[0] if len(open_ones) == 1 else "")
        queue = str(method.routing_key)
        confirming = channel in self._confirming
        tag = 0
        if confirming:
            tag = self._published[channel] = self._published[channel] + 1
            self._outputs[channel, tag] = (message, queue)
        persistent = int(getattr(properties, "delivery_mode", None) or 1) == 2
        self._event("output", message, queue, self._connection, tag, confirming, int(persistent))


def identity(properties: Any) -> str:
    """The id of a message, '' for none."""
    return str(getattr(properties, "message_id", None) or "")


def _upto(entries: dict[tuple[int, int], Any], channel: int, tag: int, multiple: bool) -> list[int]:
    """The numbers that an acknowledgement covers: itself, or all up to it (0: all there are)."""
    if not multiple:
        return [tag] if (channel, tag) in entries else []
    return sorted(number for where, number in entries if where == channel and (number <= tag or tag == 0))
