"""Conducts one run: starts load and fault timeline together, watches both, and ends them in order."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.errors import EXIT_INVALID, HarnessError
from harness.model import Load
from harness.run.away import AwayPart
from harness.run.parts import Part, failure
from harness.run.stage import Stage

START_IN_NS = 100_000_000
"""From the word `start` to the first call: the children have read their orders by then, and settled before them."""
AWAY_START_IN_NS = 2_000_000_000
"""On other machines orders and Locust's own word to spawn take their time."""
MIN_DRAIN_NS = 5_000_000_000
GRACE_S = 20.0
POLL_S = 0.25

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class Conducted:
    """What the generators said: when load began and ended, how each issued call ended, and what one of them read of
    the client's policy when all was done (empty: none got so far)."""

    start_ns: int
    end_ns: int = 0
    issued: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    aborted: str = ""
    read: Mapping[str, Any] = field(default_factory=dict)


def start_load(stage: Stage, load: Load, seed: int, drain_for_ns: int) -> int:
    """Tell every generator to start at the same moment; that moment (ns)."""
    away = any(isinstance(part, AwayPart) for part in stage.generators)
    start_ns = time.monotonic_ns() + (AWAY_START_IN_NS if away else START_IN_NS)
    for part in stage.generators:
        part.channel.send(
            {
                "do": "start",
                "load": asdict(load),
                "seed": seed,
                "start_ns": start_ns,
                "drain_for_ns": drain_for_ns,
                "workers": len(stage.generators),
            }
        )
    return start_ns


def follow(
    stage: Stage,
    conducted: Conducted,
    load: Load,
    drain_for_ns: int,
    stop: threading.Event,
    progress: Progress,
    watch: Callable[[], str],
) -> None:
    """Follow the generators to their end and fill `conducted`. A set `stop`, or words from `watch`, end it early; so
    does a generator that is lost, whose error is raised when the others have handed in what they have."""
    deadline = time.monotonic() + (load.for_ns + drain_for_ns) / 1e9 + GRACE_S
    running = list(stage.generators)
    latest: dict[int, Mapping[str, Any]] = {}
    told = False
    lost: HarnessError | None = None
    while running:
        for part in _talking(running):
            message = part.channel.receive()
            if message is None or message["event"] == "failed":
                lost = lost or failure(message or _ended(part.child.name, part.child.last_words()))
                running.remove(part)
                continue
            latest[id(part)] = message
            if message["event"] == "done":
                running.remove(part)
                conducted.read = conducted.read or message.get("read", {})
        total = _sum(latest.values())
        conducted.issued, conducted.outcomes = total["issued"], total["outcomes"]
        progress(total)
        conducted.aborted = conducted.aborted or watch()
        if (stop.is_set() or conducted.aborted or lost) and not told:
            told = True
            _end_load(running)
        if time.monotonic() > deadline:
            raise lost or failure(_ended("the generator", "it did not end in time; it is wedged"))
    if lost:
        raise lost
    conducted.end_ns = time.monotonic_ns()


def _end_load(running: Sequence[Part]) -> None:
    for part in running:
        with suppress(OSError):  # one that is gone by now says so by the end of its channel
            part.channel.send({"do": "stop"})


def _talking(running: Sequence[Part]) -> list[Part]:
    """The parts that have something to say now or within POLL_S."""
    buffered = [part for part in running if part.channel.buffered]
    readable, _, _ = select.select([part.channel for part in running], [], [], 0 if buffered else POLL_S)
    return [part for part in running if part.channel.buffered or part.channel in readable]


def _sum(messages: Any) -> dict[str, Any]:
    outcomes: dict[str, int] = {}
    issued = in_flight = 0
    for message in messages:
        issued += message["issued"]
        in_flight += message["in_flight"]
        for outcome, count in message["outcomes"].items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    return {"issued": issued, "in_flight": in_flight, "outcomes": outcomes}


def _ended(name: str, words: str) -> dict[str, Any]:
    return {
        "what": f"{name} ended in the middle of the run, whose evidence is kept until then; its last words:\n{words}",
        "cure": "the run folder's logs have the rest; run again",
        "exit_code": EXIT_INVALID,
    }
