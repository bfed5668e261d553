"""A short run through a real RabbitMQ: the corrected consumer keeps every law of messages, and evidence says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PartMissing
from harness.evidence import read_run
from harness.laws.judge import judge_run
from harness.run.execute import execute
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario
from harness.stack import rabbitmq

SCENARIO = """
format: kato-harness/1
integration: harness.messaging.publisher:Publisher
subject: {command: "{python} -m harness.services.consumers.fixed_pika", ready: "queue:observations", within: 90s}
topology: {broker: {kind: rabbitmq, heartbeat: 10s}}
load: {rate: 10/s, mix: {observe: 1}, sessions: {concurrent: 5}}
phases: {warmup: 500ms, baseline: 500ms, recovery: 3s}
faults:
  - {name: crash, kind: kill_subject, when: before_ack, for: 300ms}
  - {name: no_key, kind: poison, form: missing_key, at: crash.end + 500ms, for: 300ms}
  - {name: failing, kind: status, status: 500, only: {op: observe, every: 2}, at: no_key.end, for: 700ms}
"""


@pytest.mark.sockets
def test_the_corrected_consumer_keeps_every_law_of_messages(tmp_path: Path) -> None:
    """Killed between observe and ack, fed poison, refused by KATO."""
    try:
        rabbitmq.find()
    except PartMissing as missing:
        pytest.skip(str(missing))
    file = tmp_path / "queue.yaml"
    file.write_text(SCENARIO)
    done = execute(prepare(load_scenario(file), Options(out=tmp_path / "run")), lambda _: None)
    assert done.error is None
    run = read_run(done.folder)
    verdicts = {verdict.law: verdict for verdict in judge_run(run).verdicts}
    assert {law: verdicts[law].status for law in ("Q1", "Q2", "Q4", "Q6")} == dict.fromkeys(
        ("Q1", "Q2", "Q4", "Q6"), "pass"
    ), {law: verdicts[law].reason for law in ("Q1", "Q2", "Q4", "Q6")}
    assert verdicts["Q3"].status == "pass"
    messages = run.history.messages
    assert messages.where(messages["event"].among("dead"))["message"].tolist() == ["poison-no_key-1"]
    assert messages.where(messages["event"].among("delivered"))["flag"].max() == 1
    assert run.manifest["facts"]["messaging"]["left"]["observations"] == 0
