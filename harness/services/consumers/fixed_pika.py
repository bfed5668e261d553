"""The RabbitMQ consumer corrected: work beside the connection, ack after effect and confirm, bounded deliveries."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pika
import pika.exceptions

from harness.services.consumers.queues import BOUNDED, DEAD, OBSERVATIONS, PREDICTIONS, QUORUM
from harness.services.consumers.work import NotNow, Poison, Work, journal_in

PREFETCH = 10
"""While predictions wait for their confirm the next messages are worked on, one after another, in order."""
IDLE_S = 1.0
AGAIN_S = 0.5
BLOCKED_S = 10.0


class Consumer:
    """One connection's worth of consuming; the caller makes a new one when it is lost."""

    def __init__(self, url: str, work: Work, pool: ThreadPoolExecutor) -> None:
        parameters = pika.URLParameters(url)
        parameters.blocked_connection_timeout = BLOCKED_S
        parameters.socket_timeout = BLOCKED_S
        self._work = work
        self._pool = pool
        self._running: deque[tuple[Future[bytes], Any, Any]] = deque()
        self._connection = pika.BlockingConnection(parameters)
        self._channel = self._connection.channel()
        self._channel.queue_declare(DEAD, durable=True, arguments=QUORUM)
        self._channel.queue_declare(OBSERVATIONS, durable=True, arguments=BOUNDED)
        self._channel.queue_declare(PREDICTIONS, durable=True, arguments=QUORUM)
        self._channel.confirm_delivery()
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._channel.basic_consume(OBSERVATIONS, self._received)

    def run(self) -> None:
        """Consume until the connection is lost, which raises; heartbeats are served while work goes on."""
        while True:
            self._connection.process_data_events(time_limit=IDLE_S)
            while self._running and self._running[0][0].done():
                self._settle(*self._running.popleft())

    def _received(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        future = self._pool.submit(self._work.process, body, properties.message_id)
        self._running.append((future, method, properties))
        future.add_done_callback(lambda _: self._wake())

    def _wake(self) -> None:
        try:
            self._connection.add_callback_threadsafe(lambda: None)
        except pika.exceptions.ConnectionWrongStateError:
            return  # lost meanwhile: the message comes again

    def _settle(self, future: Future[bytes], method: Any, properties: Any) -> None:
        """Publish and wait for the confirm, then ack; or give the message back, or to the dead letters."""
        try:
            answer = future.result()
        except Poison as error:
            sys.stderr.write(f"dead letter {properties.message_id}: {error}\n")
            self._channel.basic_nack(method.delivery_tag, requeue=False)
            return
        except NotNow as error:
            sys.stderr.write(f"given back {properties.message_id}: {error}\n")
            self._channel.basic_nack(method.delivery_tag, requeue=True)
            return
        cause = properties.message_id
        told = pika.BasicProperties(delivery_mode=2, correlation_id=cause, message_id=cause and f"answer-{cause}")
        self._channel.basic_publish("", PREDICTIONS, answer, told, mandatory=True)
        self._channel.basic_ack(method.delivery_tag)


def main() -> None:
    """Consume for ever, through every loss of the broker."""
    work = Work(os.environ["KATO_URL"], journal_in(os.environ["DATA_FOLDER"]))
    with ThreadPoolExecutor(1) as pool:
        while True:
            try:
                Consumer(os.environ["AMQP_URL"], work, pool).run()
            except (pika.exceptions.AMQPError, OSError) as error:
                sys.stderr.write(f"the broker is lost, again in {AGAIN_S} s: {error!r}\n")
                time.sleep(AGAIN_S)


if __name__ == "__main__":
    main()
