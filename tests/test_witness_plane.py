"""HTTP, process and store faults are carried by a real witness, and its refusals and its end are told."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.channel import Channel, pair
from harness.errors import HarnessError, PartMissing
from harness.faults import KINDS, Ask, Probe
from harness.inject.ask import Address, look
from harness.inject.http import WitnessControl, WitnessPlane
from harness.model import Fault
from harness.stack import process

S = 1_000_000_000


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WitnessControl, Address]]:
    folder = tmp_path_factory.mktemp("witness")
    channel, theirs = pair()
    number = theirs.fileno()
    command = [sys.executable, "-m", "harness.twin", "--control-fd", str(number), "--profile", "instant"]
    command += ["--spool", str(folder / "witness.raw")]
    child = process.start("witness", command, folder / "log", pass_fds=[number])
    theirs.close()
    try:
        ready = channel.receive(10)
        assert ready is not None, child.last_words()
        yield WitnessControl(channel), ("127.0.0.1", ready["port"])
    finally:
        channel.close()
        process.stop(child)


def fault(kind: str, name: str = "f", **params: Any) -> Fault:
    return Fault(name, kind, 0, S, params)


def ask(address: Address) -> Probe:
    return look(address, Ask(), "probe", time.monotonic_ns)


CARRIED = [
    fault("status"),
    fault("status", status=429, retry_after=3, body="none"),
    fault("status", status=503, retry_after={"date": 30}, body="busy"),
    fault("delay", delay=0.05),
    fault("drip", every=0.02),
    fault("truncate"),
    fault("malformed"),
    fault("empty_body"),
    fault("wrong_content_type"),
    fault("huge_body", bytes=3_000_000),
    fault("commit_then_drop"),
    fault("commit_then_drop", how="reset"),
    fault("commit_then_status"),
    fault("drop_before_commit"),
    fault("drop_before_commit", how="reset"),
    fault("sequence", steps=["cut*4", "status:503"]),
    fault("sequence", steps=["ok*2", "drop"]),
    fault("quota", rate=5.0),
    fault("pause"),
    fault("kill"),
]


@pytest.mark.sockets
@pytest.mark.parametrize("planned", CARRIED, ids=lambda planned: f"{planned.kind}-{planned.params}")
def test_each_kind_is_proved_while_it_acts_and_gone_afterwards(
    witness: tuple[WitnessControl, Address], planned: Fault
) -> None:
    control, address = witness
    plane = WitnessPlane(control, seed=7)
    kind = KINDS[planned.kind]
    params = kind.complete(planned.params)

    def proved() -> bool:
        return kind.effective(params, [look(address, kind.ask(params), planned.name, time.monotonic_ns)])

    assert not proved()
    plane.apply(planned)
    assert proved()
    plane.clear(planned)
    assert not proved()
    assert ask(address).status == 200


@pytest.mark.sockets
def test_pauses_that_overlap_end_with_the_last_one(witness: tuple[WitnessControl, Address]) -> None:
    control, address = witness
    plane = WitnessPlane(control, seed=7)
    first, second = fault("pause", "first"), fault("pause", "second")
    plane.apply(first)
    plane.apply(second)
    plane.clear(first)
    assert look(address, Ask(wait_s=0.1), "probe", time.monotonic_ns).outcome == "read_timeout"
    plane.clear(second)
    assert ask(address).status == 200


@pytest.mark.sockets
def test_what_the_witness_refuses_is_told_in_its_words(witness: tuple[WitnessControl, Address]) -> None:
    with pytest.raises(HarnessError, match="no rule is named"):
        witness[0].do("remove_rule", name="absent")


def scripted(*replies: Callable[[Channel, dict[str, Any]], None]) -> tuple[WitnessControl, threading.Thread, Channel]:
    """A control whose other side answers each command as told and then hangs up."""
    ours, theirs = pair()
    other = Channel(theirs)

    def serve() -> None:
        for reply in replies:
            message = other.receive(5)
            assert message is not None
            reply(other, message)
        other.close()

    thread = threading.Thread(target=serve)
    thread.start()
    return WitnessControl(ours), thread, ours


def test_what_comes_before_the_reply_is_not_taken_for_it() -> None:
    def answer(other: Channel, message: dict[str, Any]) -> None:
        other.send({"id": message["id"] - 1, "ok": False, "error": "too late"})
        other.send({"event": "warning", "what": "two sessions share a node"})
        other.send({"id": message["id"], "ok": True, "what": message["do"]})

    control, thread, ours = scripted(answer)
    assert control.do("stats")["what"] == "stats"
    assert control.warnings == ["two sessions share a node"]
    thread.join()
    ours.close()


def test_an_error_that_the_witness_tells_in_between_is_told_on() -> None:
    control, thread, ours = scripted(lambda other, message: other.send({"event": "error", "what": "disk full"}))
    with pytest.raises(HarnessError, match="the witness failed: disk full"):
        control.do("stats")
    thread.join()
    ours.close()


def test_a_witness_that_is_gone_is_a_missing_part() -> None:
    control, thread, ours = scripted()
    thread.join()
    with pytest.raises(PartMissing, match="the witness ended before"):
        control.do("stats")
    ours.close()


def test_a_store_fault_names_its_store_and_comes_up_again() -> None:
    heard: list[dict[str, Any]] = []

    def answer(other: Channel, message: dict[str, Any]) -> None:
        heard.append(message)
        other.send({"id": message["id"], "ok": True})

    control, thread, ours = scripted(answer, answer)
    plane = WitnessPlane(control, seed=1)
    planned = fault("store", store="redis", mode="slow", slow=0.5)
    plane.apply(planned)
    plane.clear(planned)
    thread.join()
    ours.close()
    assert heard[0] == {"id": 1, "do": "store", "store": "redis", "mode": "slow", "slow": 0.5}
    assert heard[1] == {"id": 2, "do": "store", "store": "redis", "mode": "up"}
