"""What passes between a consumer and a broker, read from bytes; what a consumer does with it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame, header
from pamqp.body import ContentBody

from harness.errors import PartMissing
from harness.evidence.finalise import from_spools
from harness.inject.broker import body_of
from harness.messaging.frames import FrameReader
from harness.messaging.hands import Hands
from harness.messaging.ledger import Ledger
from harness.messaging.log import MessageLog
from harness.services.consumers.journal import Journal
from harness.services.consumers.work import NotNow, Poison, Work, read
from harness.stack import rabbitmq
from harness.twin.exchange import named_in

Basic = commands.Basic


def content(method: Any, properties: Any, body: bytes) -> bytes:
    """A method with its message: method, header and body frames."""
    raw = frame.marshal(method, 1) + frame.marshal(header.ContentHeader(0, len(body), properties), 1)
    return raw + (frame.marshal(ContentBody(body), 1) if body else b"")


def deliver(tag: int, message: str, redelivered: bool = False, count: int = 0, body: bytes = b"{}",
            consumer: str = "consumer") -> bytes:  # fmt: skip
    """A delivery of that message, in three frames."""
    properties = commands.Basic.Properties(message_id=message, headers={"x-delivery-count": count} if count else None)
    return content(Basic.Deliver(consumer, tag, redelivered, "", "observations"), properties, body)


def publish(cause: str = "", mode: int | None = None, headers: Any = None, body: bytes = b"") -> bytes:
    """A publish of predictions."""
    properties = commands.Basic.Properties(correlation_id=cause or None, delivery_mode=mode, headers=headers)
    return content(Basic.Publish(0, "", "predictions"), properties, body)


class Seen:
    """Collects events as (event, message, number, flag, count)."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def __call__(
        self, event: str, message: str = "", queue: str = "", connection: int = 0, tag: int = 0, flag: bool = False,
        count: int = 0,
    ) -> None:  # fmt: skip
        self.rows.append((event, message, tag, flag, count))


def client(ledger: Ledger, *methods: Any) -> None:
    """The consumer says that."""
    for method in methods:
        raw = method if isinstance(method, bytes) else frame.marshal(method, 1)
        ledger.client_said(ledger.read_client(raw))


@given(cuts=st.lists(st.integers(1, 400), max_size=12))
def test_bytes_mean_the_same_however_they_are_cut(cuts: list[int]) -> None:
    """TCP keeps no frames."""
    whole = deliver(1, "7") + deliver(2, "8", True, 3) + frame.marshal(Basic.Cancel("x"), 1) + deliver(3, "9")
    edges = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
    reader = FrameReader()
    found = [seen for a, b in pairwise(edges) for seen in reader.feed(whole[a:b])]
    assert [(seen.method.delivery_tag, seen.properties.message_id) for seen in found] == [(1, "7"), (2, "8"), (3, "9")]


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_passing(junk: bytes) -> None:
    """What is no AMQP is not looked at."""
    reader = FrameReader()
    try:
        found = list(reader.feed(b"\x09" + junk))
    except Exception as error:  # noqa: BLE001 - any error here would cut a connection
        pytest.fail(f"{error!r}")
    assert found == []


def test_deliveries_are_settled_by_number_also_many_at_once() -> None:
    """Ack, ack of all up to one, requeue, reject."""
    seen = Seen()
    ledger = Ledger(1, seen, Hands())
    for tag in range(1, 6):
        ledger.broker_said(deliver(tag, str(tag * 10), tag == 2, 4 if tag == 2 else 0))
    client(ledger, Basic.Ack(3, True), Basic.Nack(4, False, True), Basic.Reject(5, False), Basic.Ack(5, False))
    assert [row for row in seen.rows if row[0] == "delivered"][1] == ("delivered", "20", 2, True, 4)
    assert [row[:3] for row in seen.rows if row[0] != "delivered"] == [
        ("acked", "10", 1), ("acked", "20", 2), ("acked", "30", 3), ("requeued", "40", 4), ("dropped", "50", 5),
    ]  # fmt: skip


def test_an_output_belongs_to_the_one_message_in_hand_or_to_the_one_it_names() -> None:
    """With two in hand and no name it belongs to nobody."""
    seen = Seen()
    ledger = Ledger(1, seen, Hands())
    ledger.broker_said(deliver(1, "10"))
    client(ledger, publish())
    ledger.broker_said(deliver(2, "20"))
    client(ledger, publish(), publish("20", 2))
    assert [row for row in seen.rows if row[0] == "output"] == [
        ("output", "10", 0, False, 0), ("output", "", 0, False, 0), ("output", "20", 0, False, 1),
    ]  # fmt: skip


def test_an_output_on_a_connection_of_its_own_names_its_cause_in_whatever_field() -> None:
    """Publishing connections consume nothing; a correlation id that is no message's names nobody."""
    seen, hands = Seen(), Hands()
    consuming, publishing = Ledger(1, seen, hands), Ledger(2, seen, hands)
    consuming.broker_said(deliver(1, "10") + deliver(2, "20"))
    client(publishing, publish(headers={"in-reply-to": "20"}), publish("a-trace"), publish())
    client(consuming, Basic.Ack(2))
    client(publishing, publish("a-trace"))
    assert [row[1] for row in seen.rows if row[0] == "output"] == ["20", "", "", "10"]


def test_a_message_that_is_published_again_is_a_copy_whatever_became_of_its_id() -> None:
    """Its body tells: the call's number, or a poison's name, even in a text within JSON."""
    seen, hands = Seen(), Hands()
    ledger = Ledger(1, seen, hands)
    body = b'{"observation": {"x-kato-attempt": "17.1"}}'
    for tag, (message, what) in enumerate((("17", body), ("poison-a-1", body_of("bad_json", "poison-a-1"))), 1):
        ledger.broker_said(deliver(tag, message, body=what))
        client(ledger, commands.Confirm.Select(), publish(body=what), publish(body=json.dumps(what.decode()).encode()))
        ledger.broker_said(frame.marshal(Basic.Ack(2, True), 1))
    found = [row[:2] for row in seen.rows if row[0].startswith("copy")]
    assert found == [
        (event, name) for name in ("17", "poison-a-1") for event in ("copy", "copy", "copy_confirmed", "copy_confirmed")
    ]


@pytest.mark.parametrize("tag", ["mine", ""])
def test_without_acks_the_broker_forgets_a_message_as_it_delivers_it(tag: str) -> None:
    """Whoever chose the consumer's name, and for basic.get too."""
    seen = Seen()
    ledger = Ledger(1, seen, Hands())
    client(ledger, Basic.Consume(0, "observations", tag, False, True))
    ledger.broker_said(frame.marshal(Basic.ConsumeOk("consumer"), 1))
    ledger.broker_said(deliver(1, "10", consumer=tag or "consumer") + deliver(2, "20", consumer="another"))
    client(ledger, Basic.Get(0, "others", True))
    assert ledger._hands.polled == {"others"}
    assert [row for row in seen.rows if row[0] == "acked"] == [("acked", "10", 1, True, 0)]


def test_in_a_transaction_nothing_is_done_before_its_commit() -> None:
    """Outputs are confirmed and messages acked together; a rollback forgets both."""
    seen = Seen()
    ledger = Ledger(1, seen, Hands())
    ledger.broker_said(deliver(1, "10"))
    client(ledger, commands.Tx.Select(), publish("10", 2), Basic.Ack(1), commands.Tx.Rollback())
    ledger.broker_said(frame.marshal(commands.Tx.CommitOk(), 1))
    assert [row[0] for row in seen.rows] == ["delivered", "output"]
    client(ledger, publish("10", 2), Basic.Ack(1))
    ledger.broker_said(frame.marshal(commands.Tx.CommitOk(), 1))
    assert [row[0] for row in seen.rows][2:] == ["output", "output_confirmed", "acked"]


def test_confirms_name_what_they_confirm() -> None:
    """By number since confirm.select, one or many at once."""
    seen = Seen()
    ledger = Ledger(1, seen, Hands())
    for tag in (1, 2, 3):
        ledger.broker_said(deliver(tag, str(tag * 10)))
    client(ledger, commands.Confirm.Select(), publish("10", 2), publish("20", 2), publish("30", 2))
    ledger.broker_said(frame.marshal(Basic.Ack(2, True), 1) + frame.marshal(Basic.Nack(3, False, False), 1))
    assert [row[:3] for row in seen.rows if row[0].startswith("output_")] == [
        ("output_confirmed", "10", 1), ("output_confirmed", "20", 2), ("output_refused", "30", 3),
    ]  # fmt: skip


def test_events_become_rows_of_messages(tmp_path: Path) -> None:
    """The call's number where the id is one, the id else."""
    log = MessageLog(tmp_path / "tap.raw", "tap")
    log.event("delivered", "12", "observations", connection=3, tag=4, flag=True, count=70_000)
    log.event("dead", "poison-a-1", "observations.dead")
    log.close()
    first, second = from_spools(tmp_path, {}).messages.rows()
    assert (first["event"], first["call"], first["number"], first["flag"], first["count"]) == (
        "delivered", 12, 4, 1, 65_535,
    )  # fmt: skip
    assert (second["event"], second["call"], second["message"]) == ("dead", 0, "poison-a-1")


def test_a_commit_is_known_by_a_field_that_kato_ignores() -> None:
    """Whatever the consumer does with spaces."""
    assert named_in(b'{"strings": ["a"], "x-kato-attempt": "17.1"}') == "17.1"
    assert named_in(b'{"strings":["a"],"x-kato-attempt":"17.1"}') == "17.1"
    assert named_in(b'{"strings": ["x-kato-attempt"]}') is None
    assert named_in(b"") is None


def test_a_missing_broker_is_said_with_its_cure() -> None:
    """In one message."""
    if Path(rabbitmq.DEBIAN).exists():
        assert rabbitmq.find() == Path(rabbitmq.DEBIAN)
    with pytest.raises(PartMissing, match="RabbitMQ is missing") as caught:
        rabbitmq.find({"PATH": "/nonexistent"})
    assert "make system" in caught.value.cure


class Kato:
    """A KATO of one session whose answers are chosen: `script` has a status for each observe, 0: lost after commit."""

    def __init__(self, *script: int) -> None:
        self.script = list(script)
        self.events = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path.endswith("/stm"):
            return httpx.Response(200, json={"length": self.events})
        if path.endswith("/predictions"):
            return httpx.Response(200, json={"predictions": []})
        status = self.script.pop(0) if self.script else 200
        if status in (0, 200):
            self.events += 1
        if status == 0:
            raise httpx.ReadTimeout("lost", request=request)
        return httpx.Response(status, json={"stm_length": self.events})


def work(kato: Kato, tmp_path: Path) -> Work:
    """A consumer's work on that KATO, without waiting."""
    made = Work("http://kato", Journal(tmp_path / "journal.jsonl"), sleep=lambda _: None)
    made._kato = httpx.Client(base_url="http://kato", transport=httpx.MockTransport(kato))
    return made


BODY = b'{"session_id": "s", "observation": {"strings": ["a"]}}'


@pytest.mark.parametrize("script", [(200,), (0,), (500, 200), (503, 0), (404, 200), (0, 0), (429, 500, 200)])
def test_a_message_is_observed_once_whatever_is_lost(script: tuple[int, ...], tmp_path: Path) -> None:
    """Also when it comes a second time."""
    kato = Kato(*script)
    consumer = work(kato, tmp_path)
    consumer.process(BODY, "1")
    consumer.process(BODY, "1")
    assert kato.events == 1


def test_a_crash_between_observe_and_ack_doubles_nothing(tmp_path: Path) -> None:
    """The next process reads the journal, and the session's length."""
    kato = Kato()
    before = work(kato, tmp_path)
    before.process(BODY, "1")
    journal = tmp_path / "journal.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + '\n{"m": "1')  # died before the outcome was written
    after = work(kato, tmp_path)
    after.process(BODY, "1")
    after.process(BODY, "2")
    assert kato.events == 2
    assert Journal(journal).done("1") and Journal(journal).done("2")


@pytest.mark.parametrize("body", [b"{", b"{}", b"[]", b'{"session_id": 1, "observation": {}}', b"\xff"])
def test_what_is_no_message_is_poison_at_once(body: bytes) -> None:
    """No try will do."""
    with pytest.raises(Poison):
        read(body, "1")


def test_a_session_of_nobody_is_poison_after_a_few_tries(tmp_path: Path) -> None:
    """One 404 may be KATO's own trouble."""
    kato = Kato(404, 404, 404, 404)
    with pytest.raises(Poison):
        work(kato, tmp_path).process(BODY, "1")
    assert len(kato.script) == 1


def test_trouble_without_end_gives_the_message_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no dead letter."""
    monkeypatch.setattr("harness.services.consumers.work.HOLD_S", 0.0)
    with pytest.raises(NotNow):
        work(Kato(500, 500, 500), tmp_path).process(BODY, "1")
