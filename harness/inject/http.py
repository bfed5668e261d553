"""The plane of HTTP, process and store faults: control of a witness over its channel."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.channel import Channel
from harness.errors import HarnessError, PartMissing
from harness.faults import KINDS
from harness.model import Fault

REPLY_WITHIN_S = 5.0


class WitnessControl:
    """The parent's end of a witness's control channel: commands and their replies, one at a time.

    `warnings` are the witness's, told between replies.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._turn = threading.Lock()
        self._last = 0
        self.warnings: list[str] = []

    def do(self, what: str, **more: Any) -> dict[str, Any]:
        """Carry out one command; its reply.

        Raises PartMissing when the witness is gone or silent, HarnessError when it refuses or failed itself.
        """
        with self._turn:
            self._last += 1
            try:
                self._channel.send({"id": self._last, "do": what, **more})
            except OSError as error:
                raise _gone(f"do {what}") from error
            reply = self._receive(REPLY_WITHIN_S, f"the reply to {what}")
            while reply.get("id") != self._last:
                reply = self._receive(REPLY_WITHIN_S, f"the reply to {what}")
        if not reply["ok"]:
            raise HarnessError(f"the witness refused {what} {more}: {reply['error']}")
        return reply

    def _receive(self, within_s: float, what: str) -> dict[str, Any]:
        try:
            message = self._channel.receive(within_s)
        except TimeoutError as error:
            raise PartMissing(f"the witness was silent for {within_s:g} s instead of {what}", "see its log") from error
        if message is None:
            raise _gone(what)
        if message.get("event") == "error":
            raise HarnessError(f"the witness failed: {message['what']}", "see its log in the run folder")
        if message.get("event") == "warning":
            self.warnings.append(message["what"])
        return message


def _gone(what: str) -> PartMissing:
    return PartMissing(f"the witness ended before {what}", "see its log in the run folder")


@dataclass(slots=True)
class WitnessPlane:
    """Carries faults of the planes witness (rules by request), process (pause, kill, restart) and store.

    Rules of several faults are active at once; the twin is resumed or restarted when the last such fault ends.
    """

    control: WitnessControl
    seed: int
    where: str = "witness"
    active: list[Fault] = field(default_factory=list)

    def keep_idle(self, flag: bool) -> None:
        """Whether idle connections stay, whatever the server would do."""
        self.control.do("keep_idle", on=flag)

    def apply(self, fault: Fault) -> None:
        """Make the fault act; it does when this returns."""
        self.active.append(fault)
        params = KINDS[fault.kind].complete(fault.params)
        if fault.kind == "restart":
            self.control.do("drain", within=params["drain"], **_instance(fault))
        elif fault.kind in ("pause", "kill"):
            self.control.do(fault.kind, **_instance(fault))
        elif fault.kind == "store":
            self.control.do("store", **params)
        else:
            rule = {"name": fault.name, "kind": fault.kind, "params": params, "only": dict(fault.only)}
            self.control.do("add_rule", rule={**rule, "seed": self.seed})

    def clear(self, fault: Fault) -> None:
        """Undo one fault; others go on."""
        self.active.remove(fault)
        if fault.kind not in UNDO:
            self.control.do("remove_rule", name=fault.name)
        elif not any(_same_part(fault, other) for other in self.active):
            self.control.do(UNDO[fault.kind], **_store_up(fault), **_instance(fault))

    def connections(self, fault: Fault) -> int:
        """How many connections are open to the instances that a fault is about."""
        return int(self.control.do("connections", **_instance(fault))["open"])


UNDO: Mapping[str, str] = {"pause": "resume", "kill": "restart", "restart": "restart", "store": "store"}


def _instance(fault: Fault) -> dict[str, int]:
    return {"instance": fault.only["instance"]} if "instance" in fault.only else {}


def _same_part(fault: Fault, other: Fault) -> bool:
    """Would undoing `fault` undo `other` too?"""
    instances = {fault.only.get("instance"), other.only.get("instance")}
    same_store = fault.params.get("store") == other.params.get("store")
    return UNDO[fault.kind] == UNDO.get(other.kind) and same_store and (None in instances or len(instances) == 1)


def _store_up(fault: Fault) -> dict[str, str]:
    return {"store": fault.params["store"], "mode": "up"} if fault.kind == "store" else {}
