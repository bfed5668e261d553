"""What publisher and collector of a queue carry on one core: `python bench/messages.py [--rate 2000] [--seconds 5]`.

The harness's own arrival clock publishes with confirms at a fixed rate to a real RabbitMQ, and the collector takes
every message out again, both in this one process. Told are the messages a second, what the process used of a core, and
how many a core would carry (messages by second of its processor time, so that a busy machine doesn't matter much).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pika
from machine import described

from harness.evidence.finalise import from_spools
from harness.load.session import Session
from harness.messaging.publisher import Publisher
from harness.model import Load, Stage
from harness.stack import process, rabbitmq

START_IN_NS = 500_000_000
INSIDE = "--inside"


class Bare:
    """The publisher without sessions of KATO: nobody observes here."""

    policy: Mapping[str, Any] = Publisher.policy

    def __init__(self, base_url: str, amqp: Mapping[str, Any]) -> None:
        self._publisher = Publisher(base_url, amqp)

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self._publisher.observe(session_id, observation)

    async def close(self) -> None:
        await self._publisher.close()


def carry(url: str, rate: float, seconds: float, folder: Path) -> dict[str, Any]:
    """One run at that rate."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.channel().queue_declare("bench", durable=True)
    names = {"queue": "bench", "outputs": "bench", "dead": "bench.dead"}
    amqp = {"url": url, "spool": str(folder / "collector.raw"), **names}
    order = {
        "use": f"{Path(__file__).resolve()}:Bare", "base_url": "http://127.0.0.1:9", "runtime": "asyncio",
        "inspect": [],
        "context": {"headers": {}, "policy": None, "scale": 1.0, "seed": 1}, "process": "bench", "worker": 0,
        "spool": str(folder / "bench.raw"), "amqp": amqp,
    }  # fmt: skip
    session = Session(order, lambda message: None)
    load = Load((Stage(rate, rate, round(seconds * 1e9)),), mix={"observe": 1.0}, sessions=10_000)
    started_s = time.process_time()
    done = session.run(
        {"load": asdict(load), "seed": 1, "start_ns": time.monotonic_ns() + START_IN_NS,
         "drain_for_ns": 20_000_000_000, "workers": 1}
    )  # fmt: skip
    used_s = time.process_time() - started_s
    history = from_spools(folder, {})
    calls = history.calls.where(history.calls["outcome"].among("ok"))
    collected = int(history.messages["event"].among("collected").sum())
    span_s = float(calls["end_ns"].max() - calls["start_ns"].min()) / 1e9 if len(calls) else 0.0
    late_ms = sorted(((calls["start_ns"] - calls["ready_ns"]) / 1e6).tolist())
    return {
        "asked_per_s": rate,
        "outcomes": done["outcomes"],
        "confirmed": len(calls),
        "collected": collected,
        "confirmed_per_s": round(len(calls) / span_s, 1) if span_s else 0.0,
        "dispatch_delay_p99_ms": round(late_ms[int(0.99 * (len(late_ms) - 1))], 2) if late_ms else None,
        "cpu_s": round(used_s, 2),
        "per_core_s": round(len(calls) / used_s, 0),
    }


def main() -> int:
    """Start a broker, carry, tell; 0 when a core carries what was asked and all came out again."""
    if INSIDE not in sys.argv:
        return _with_priority()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kato-harness-") as folder:
        broker = rabbitmq.start(Path(folder) / "rabbitmq")
        try:
            spools = Path(folder) / "spool"
            spools.mkdir()
            found = carry(broker.url, asked.rate, asked.seconds, spools)
        finally:
            broker.stop()
    sys.stdout.write(json.dumps(found | {"machine": described()}, indent=1) + "\n")
    return 0 if found["per_core_s"] >= asked.rate and found["collected"] >= found["confirmed"] > 0 else 1


def _with_priority() -> int:
    """In a process that measures, like the generators of a run."""
    with tempfile.TemporaryDirectory(prefix="kato-harness-") as folder:
        log = Path(folder) / "log"
        child = process.start("the bench", [sys.executable, *sys.argv, INSIDE], log)
        process.prefer(child)
        code = child.process.wait()
        sys.stdout.write(log.read_text())
    return code


if __name__ == "__main__":
    sys.exit(main())
