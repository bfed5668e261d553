"""The planes of messaging faults, and the witness of a queue between real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pamqp import commands, frame

from harness.clock import MonotonicClock
from harness.faults import KINDS, Ask, Probe
from harness.faults.broker import FORMS
from harness.inject.broker import BrokerPlane, SubjectPlane, amqp_look, done_look
from harness.inject.canary import Canary
from harness.messaging.log import MessageLog
from harness.messaging.tap import Tap
from harness.model import Fault
from harness.services.consumers.work import Poison, read


@dataclass
class Spy:
    """Writes down what it is told."""

    did: list[str] = field(default_factory=list)

    def kill(self) -> None:
        self.did.append("kill")

    def restart(self) -> None:
        self.did.append("restart")

    def start_again(self) -> None:
        self.did.append("start")


def test_a_dead_broker_is_started_again_at_the_end() -> None:
    """Killed, and restarted on its data."""
    spy = Spy()
    plane = BrokerPlane(spy, lambda messages: None)
    fault = Fault("power", "broker_down", 0, 1)
    plane.apply(fault)
    plane.clear(fault)
    assert spy.did == ["kill", "restart"]


@pytest.mark.parametrize("form", FORMS)
def test_poison_is_published_under_ids_that_tell_it(form: str) -> None:
    """As many as were asked for; proved by the confirm, not by the wish."""
    sent: list[tuple[str, bytes]] = []

    def publish(messages: Sequence[tuple[str, bytes]]) -> None:
        sent.extend(messages)

    plane = BrokerPlane(Spy(), publish)
    fault = Fault("bad", "poison", 0, 1, {"form": form, "count": 2})
    kind = KINDS["poison"]
    assert not kind.effective(fault.params, [done_look(plane.done, fault, lambda: 1)])
    plane.apply(fault)
    assert [name for name, _ in sent] == ["poison-bad-1", "poison-bad-2"]
    assert kind.effective(fault.params, [done_look(plane.done, fault, lambda: 1)])
    if form != "unknown_session":
        with pytest.raises(Poison):
            read(sent[0][1], "poison-bad-1")


@pytest.mark.parametrize(("when", "did"), [("now", ["kill"]), ("before_ack", ["hold", "kill", "release"])])
def test_a_consumer_is_killed_while_its_ack_is_held(when: str, did: list[str]) -> None:
    """What was held is dropped only when it is dead."""
    spy = Spy()
    plane = SubjectPlane(spy, lambda within_s: spy.did.append("hold"), lambda: spy.did.append("release"))
    fault = Fault("crash", "kill_subject", 0, 1, {"when": when})
    plane.apply(fault)
    plane.clear(fault)
    assert spy.did == [*did, "start"]


def test_a_look_at_a_broker_tells_greeting_silence_end_and_refusal() -> None:
    """As a new client would see it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ("127.0.0.1", server.getsockname()[1])

        def answer(how: bytes | None) -> threading.Thread:
            def serve() -> None:
                peer, _ = server.accept()
                with peer:
                    peer.recv(8)
                    if how is not None:
                        peer.sendall(how)
                    else:
                        peer.recv(1)

            thread = threading.Thread(target=serve)
            thread.start()
            return thread

        for how, outcome in ((b"\x01", ""), (b"", "protocol_error"), (None, "read_timeout")):
            thread = answer(how)
            probe = amqp_look(address, Ask(wait_s=0.2 if how is None else 10.0), lambda: 1)
            thread.join()
            assert (probe.outcome, probe.status) == (outcome, 0 if outcome else 200)
    assert amqp_look(address, Ask(), lambda: 1).outcome == "connect_error"


def test_the_witness_passes_everything_on_and_can_hold_an_ack_back(tmp_path: Path) -> None:
    """Until then both ways; what was held never comes, its connection ends."""
    asyncio.run(_through_the_tap(tmp_path))


async def _through_the_tap(folder: Path) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"greeting")
        while data := await reader.read(1 << 16):
            heard.put_nowait(data)
        heard.put_nowait(b"end")
        writer.close()

    upstream = await asyncio.start_server(broker, "127.0.0.1", 0)
    tap = Tap(upstream.sockets[0].getsockname()[1], log := MessageLog(folder / "tap.raw", "tap"))
    server = await asyncio.start_server(tap.serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    async with asyncio.timeout(30):
        assert await reader.readexactly(8) == b"greeting"
        ack = frame.marshal(commands.Basic.Ack(1, False), 1)
        writer.write(ack)
        assert await heard.get() == ack
        tap.hold()
        writer.write(ack)
        await tap.held.wait()
        assert heard.empty()
        tap.release()
        assert await heard.get() == b"end"
    writer.close()
    server.close()
    upstream.close()
    log.close()


def test_a_fault_that_is_over_at_once_is_looked_at_all_the_same(tmp_path: Path) -> None:
    """Poison that took longer to publish than its window lasts."""
    looked = threading.Event()
    fault = Fault("bad", "poison", 0, 1, {"form": "bad_json"})

    def look() -> Probe:
        looked.set()
        return done_look({"bad"}, fault, MonotonicClock().now_ns)

    canary = Canary("kato", ("127.0.0.1", 9), tmp_path / "canary.jsonl", MonotonicClock(), other=lambda fault: look)
    canary.watch(fault)
    canary.settle(fault)
    assert looked.wait(30)
    deadline_ns = time.monotonic_ns() + 30_000_000_000
    while not canary.effective_ns(fault) and time.monotonic_ns() < deadline_ns:
        time.sleep(0.01)
    assert canary.effective_ns(fault)
