"""The corrected consumer on aio-pika: the event loop serves the connection, the work runs in a thread."""

from __future__ import annotations

import asyncio
import os
import sys

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from harness.services.consumers.queues import BOUNDED, DEAD, OBSERVATIONS, PREDICTIONS, QUORUM
from harness.services.consumers.work import NotNow, Poison, Work, journal_in

AGAIN_S = 0.5
CONFIRM_WITHIN_S = 10.0


async def consume(url: str, work: Work) -> None:
    """Consume until the connection is lost."""
    async with await aio_pika.connect(url, timeout=CONFIRM_WITHIN_S) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        gone = asyncio.Event()
        for closing in (connection.close_callbacks, channel.close_callbacks):
            closing.add(lambda *_: gone.set())
        await channel.set_qos(prefetch_count=1)
        await channel.declare_queue(DEAD, durable=True, arguments=QUORUM)
        queue = await channel.declare_queue(OBSERVATIONS, durable=True, arguments=BOUNDED)
        await channel.declare_queue(PREDICTIONS, durable=True, arguments=QUORUM)

        async def received(message: AbstractIncomingMessage) -> None:
            try:
                await settle(channel, message, work)
            except (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError) as error:
                sys.stderr.write(f"not settled {message.message_id}: {error!r}\n")
                gone.set()  # the message comes again on a new connection

        await queue.consume(received)
        await gone.wait()


async def settle(channel: AbstractChannel, message: AbstractIncomingMessage, work: Work) -> None:
    """Process, publish and wait for the confirm, then ack; or give it back, or to the dead letters."""
    try:
        answer = await asyncio.to_thread(work.process, message.body, message.message_id)
    except Poison as error:
        sys.stderr.write(f"dead letter {message.message_id}: {error}\n")
        await message.reject(requeue=False)
        return
    except NotNow as error:
        sys.stderr.write(f"given back {message.message_id}: {error}\n")
        await message.reject(requeue=True)
        return
    cause = message.message_id
    told = aio_pika.Message(
        answer, delivery_mode=2, correlation_id=cause, message_id=f"answer-{cause}" if cause else None
    )
    async with asyncio.timeout(CONFIRM_WITHIN_S):
        await channel.default_exchange.publish(told, routing_key=PREDICTIONS, mandatory=True)
    await message.ack()


async def main() -> None:
    """Consume for ever, through every loss of the broker."""
    work = Work(os.environ["KATO_URL"], journal_in(os.environ["DATA_FOLDER"]))
    while True:
        try:
            await consume(os.environ["AMQP_URL"], work)
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError, TimeoutError) as error:
            sys.stderr.write(f"the broker is lost: {error!r}\n")
        await asyncio.sleep(AGAIN_S)


if __name__ == "__main__":
    asyncio.run(main())
