"""What a run left in the queues: read when the consumer has ended, each message a row."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pika
import pika.exceptions

from harness.errors import HarnessError, InvalidRun, PartMissing
from harness.messaging.identity import identity
from harness.messaging.log import MessageLog

MOST = 200_000
SETTLE_S = 1.0
"""A broker gives back what a dead consumer held within this time."""
WITHIN_S = 20.0
IDLE_S = 1.5
NOT_FOUND = 404


def connected(url: str, within_s: float = WITHIN_S) -> pika.BlockingConnection:
    """A connection; raises PartMissing when the broker doesn't take one within `within_s` s."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return pika.BlockingConnection(pika.URLParameters(url))
        except pika.exceptions.AMQPError as error:
            if time.monotonic() > deadline:
                raise PartMissing(f"the broker takes no connection: {error!r}", "see its log") from error
            time.sleep(0.1)


def count_left(url: str, queues: Iterable[tuple[str, str]], spool: Path) -> dict[str, int]:
    """Take what is left in each of `queues` (event, queue) and write a row for each message; how many by queue."""
    time.sleep(SETTLE_S)
    log = MessageLog(spool, "leftovers")
    found: dict[str, int] = {}
    connection = connected(url)
    try:
        for event, queue in queues:
            found[queue] = _take(connection, event, queue, log)
    finally:
        connection.close()
        log.close()
    return found


def _take(connection: pika.BlockingConnection, event: str, queue: str, log: MessageLog) -> int:
    """Take a queue empty by consuming: a queue with a single active consumer refuses basic.get."""
    channel = connection.channel()
    try:
        waiting = int(channel.queue_declare(queue, passive=True).method.message_count)
        taken = 0
        for method, properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=IDLE_S):
            if method is None or taken >= MOST:
                break
            taken += 1
            _note(log, event, queue, method, properties, body)
        channel.cancel()
    except pika.exceptions.ChannelClosedByBroker as error:
        if error.reply_code == NOT_FOUND:
            return 0
        raise HarnessError(f"the queue {queue} can't be read at the end: {error.reply_text}", "see its log") from error
    if taken < waiting:
        raise InvalidRun(f"{queue} held {waiting} messages at the end and gave {taken}", "read the broker's log")
    return taken


def _note(log: MessageLog, event: str, queue: str, method: Any, properties: Any, body: bytes) -> None:
    headers = getattr(properties, "headers", None) or {}
    message = getattr(properties, "correlation_id", None) if event == "collected" else identity(properties, body)
    earlier = headers.get("x-delivery-count", 0)
    log.event(event, str(message or ""), queue, flag=bool(method.redelivered), count=int(earlier))


def consumers_of(url: str, queue: str) -> int:
    """How many consume a queue now; 0 where there is no such queue or no broker."""
    try:
        connection = pika.BlockingConnection(pika.URLParameters(url))
    except (pika.exceptions.AMQPError, OSError):
        return 0
    try:
        # a queue that doesn't exist closes the channel; consumers of a classic queue are counted by this answer
        return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)
    except pika.exceptions.AMQPError:
        return 0
    finally:
        if connection.is_open:
            connection.close()


def publish(url: str, queue: str, messages: Iterable[tuple[str, bytes]]) -> None:
    """Publish (id, body) pairs as persistent messages with confirms; raises PartMissing when one is not taken."""
    connection = connected(url)
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        for message, body in messages:
            properties = pika.BasicProperties(message_id=message, delivery_mode=2)
            channel.basic_publish("", queue, body, properties, mandatory=True)
    except (pika.exceptions.AMQPError, OSError) as error:
        raise PartMissing(f"a message for {queue} was not taken: {error!r}", "see the broker's log") from error
    finally:
        if connection.is_open:
            connection.close()
