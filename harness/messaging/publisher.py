"""The load of a queue: an integration whose `observe` publishes a message and waits for the broker's confirm.

A call is ok when the broker confirmed the message as persistent and routed; what is not confirmed is unknown. The same
process collects what comes out: predictions and dead letters, each a row of the table `messages`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import aio_pika
import httpx
import msgspec
from aio_pika.abc import AbstractChannel, AbstractConnection
from pamqp.commands import Basic

from harness.load.frame import CURRENT
from harness.messaging.identity import identity
from harness.messaging.log import MessageLog
from harness.model import ATTEMPT_HEADER

_encode = msgspec.json.Encoder().encode
Properties = Basic.Properties
"""Both as they are: aio-pika's message checks each field of each message, and takes a third of its time for that."""

CONFIRM_WITHIN_S = 10.0
AGAIN_S = 0.3
FLUSH_S = 0.25
QUIET_S = 1.5
DRAIN_WITHIN_S = 12.0
"""At the end of load the consumer may take so long to empty the queue; less than the run waits for its generators."""


class Publisher:
    """Publishes to `amqp["queue"]` at `amqp["url"]`, and collects from its `outputs` and `dead` queues."""

    policy: Mapping[str, Any] = {"timeout": {"total": CONFIRM_WITHIN_S}, "sessions": "one_per_user"}

    def __init__(self, base_url: str, amqp: Mapping[str, Any]) -> None:
        self._base_url = base_url
        self._amqp = amqp
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._connecting = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._log: MessageLog | None = None
        self._collected = 0
        self._ended = asyncio.Event()

    async def open_session(self, node_id: str) -> str:
        """A session of KATO for messages to name."""
        async with httpx.AsyncClient(base_url=self._base_url, trust_env=False, timeout=CONFIRM_WITHIN_S) as client:
            reply = await client.post("/sessions", json={"node_id": node_id})
            reply.raise_for_status()
            return str(reply.json()["session_id"])

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        """Publish one message; returns when the broker has confirmed it."""
        frame = CURRENT.get()
        call = frame.call if frame is not None else 0
        # KATO ignores unknown fields of an observation, so this one tells whose commit it is
        body = _encode({"session_id": session_id, "observation": {**observation, ATTEMPT_HEADER: f"{call}.1"}})
        properties = Properties(message_id=str(call), content_type="application/json", delivery_mode=2)
        async with asyncio.timeout(CONFIRM_WITHIN_S):
            channel: Any = await (await self._open_channel()).get_underlay_channel()
            # not waiting until each is written before the next may be: the confirm says that it was
            await channel.basic_publish(
                body, routing_key=self._amqp["queue"], properties=properties, mandatory=True, wait=False
            )
        if frame is not None:
            frame.served = 1
        return {"confirmed": True}

    async def predict(self, session_id: str) -> Any:
        """Predictions are what comes out, nobody asks for them."""
        raise NotImplementedError("a publisher asks for no predictions: give load.mix only observe")

    async def close(self) -> None:
        """Wait for the consumer to come to an end of the queue, at most DRAIN_WITHIN_S; then stop collecting."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_WITHIN_S):
                await self._drained()
        self._ended.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close()
        if self._log is not None:
            self._log.close()

    async def _open_channel(self) -> AbstractChannel:
        """The channel, opened anew after the broker was gone."""
        if self._channel is not None and not self._channel.is_closed:
            return self._channel
        async with self._connecting:
            if self._channel is None or self._channel.is_closed:
                self._begin_collecting()
                self._connection = await aio_pika.connect(self._amqp["url"], timeout=CONFIRM_WITHIN_S)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        return self._channel

    def _begin_collecting(self) -> None:
        if self._log is None:
            self._log = MessageLog(Path(self._amqp["spool"]), "collector")
            queues = (("collected", self._amqp["outputs"]), ("dead", self._amqp["dead"]))
            self._tasks = [asyncio.create_task(self._collect(event, queue)) for event, queue in queues]
            self._tasks.append(asyncio.create_task(self._flush()))

    async def _collect(self, event: str, queue: str) -> None:
        """Take all that arrives in a queue, whenever there is one, through restarts of the broker."""
        assert self._log is not None
        note = self._log.event

        async def taken(message: Any) -> None:
            properties = message.header.properties
            cause = properties.correlation_id if event == "collected" else identity(properties, message.body)
            note(event, str(cause or ""), queue, flag=bool(message.delivery.redelivered))
            self._collected += 1

        while True:
            with contextlib.suppress(Exception):
                await self._consume(queue, taken)
            await asyncio.sleep(AGAIN_S)

    async def _consume(self, queue: str, taken: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
        """Consume until connection or channel are gone."""
        async with await aio_pika.connect(self._amqp["url"], timeout=CONFIRM_WITHIN_S) as connection:
            channel = await connection.channel()
            gone = asyncio.Event()
            for closing in (connection.close_callbacks, channel.close_callbacks):
                closing.add(lambda *_: gone.set())
            await (await channel.get_underlay_channel()).basic_consume(queue, taken, no_ack=True)
            await gone.wait()

    async def _flush(self) -> None:
        assert self._log is not None
        while True:
            await asyncio.sleep(FLUSH_S)
            self._log.flush()

    async def _drained(self) -> None:
        """Return when nothing is ready in the queue and nothing has come out for QUIET_S."""
        quiet_s, before = 0.0, -1
        while quiet_s < QUIET_S:
            await asyncio.sleep(AGAIN_S)
            quiet = self._collected == before and await self._ready() == 0
            before = self._collected
            quiet_s = quiet_s + AGAIN_S if quiet else 0.0

    async def _ready(self) -> int:
        """Messages that wait in the queue; −1 while nobody can say."""
        try:
            channel = await self._open_channel()
            found = await channel.declare_queue(self._amqp["queue"], passive=True)
        except (aio_pika.exceptions.AMQPError, OSError, RuntimeError):
            return -1
        return int(found.declaration_result.message_count or 0)
