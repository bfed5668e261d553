"""The processes of a run that we start ourselves: the witness and the generator, each with its control channel."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.channel import Channel, pair
from harness.errors import HarnessError, PartMissing
from harness.integrations.registry import REGISTRY
from harness.stack import process

READY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Part:
    """A running part: its process and our end of its control channel."""

    child: process.Child
    channel: Channel

    def expect(self, *events: str, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """Its next message, one of `events`; raises what it says when it failed instead, PartMissing else."""
        try:
            message = self.channel.receive(within_s)
        except TimeoutError:
            raise PartMissing(f"{self.child.name} said nothing for {within_s:g} s", f"read {self.child.log}") from None
        if message is None:
            self.child.process.wait(5)
            words = self.child.last_words()
            raise PartMissing(
                f"{self.child.name} ended before it was ready; its last words:\n{words}", f"read {self.child.log}"
            )
        if message["event"] == "failed":
            raise failure(message)
        if message["event"] not in events:
            what = f"{self.child.name} said {message['event']}, not {' or '.join(events)}"
            raise HarnessError(what, f"read {self.child.log}")
        if message["event"] == "ready":
            # the witness not before: while it imports, this process has as much to do before load can start
            process.prefer(self.child)
        return message

    def stop(self) -> None:
        """End it: its channel first, so that it can end by itself, then its process."""
        self.channel.close()
        process.stop(self.child)


def failure(message: Mapping[str, Any]) -> HarnessError:
    """The error that a child tells, as if it had been raised here."""
    error = HarnessError(message["what"], message["cure"])
    error.exit_code = message["exit_code"]
    return error


def start_part(name: str, module: str, arguments: list[str], log: Path, *, flag: str | None = None) -> Part:
    """Start `python -m module …` with its control channel's descriptor last (after `flag` where it wants one)."""
    channel, theirs = pair()
    with theirs:
        tail = [flag, str(theirs.fileno())] if flag else [str(theirs.fileno())]
        command = [sys.executable, "-m", module, *arguments, *tail]
        child = process.start(name, command, log, pass_fds=[theirs.fileno()])
    return Part(child, channel)


def start_generator(name: str, order: Mapping[str, Any], log: Path) -> Part:
    """Start the generator that `order` will be sent to, with a host process beside it where the client needs one."""
    use = str(order["use"])
    module = REGISTRY[use].module if use in REGISTRY else ""
    python = "" if order["runtime"] == "gevent" else order["python"] or sys.executable
    part = start_part(name, "harness.load.generator", [python, module], log)
    process.prefer(part.child)  # at once: nothing else takes as long to import
    return part
