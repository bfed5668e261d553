"""Workers on other machines: Locust's master before them, and a part for each, as for a generator of our own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.channel import pair
from harness.errors import PartMissing, UsageError
from harness.run.parts import READY_WITHIN_S, Part
from harness.stack import process

JOIN_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Bind:
    """Where Locust's master listens: an address of this machine that the workers reach, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AwayPart(Part):
    """A worker on another machine; `child` is the master, `where` it listens."""

    where: str

    def expect(self, *events: str, within_s: float = READY_WITHIN_S) -> dict[str, Any]:
        """As a Part does; whoever is to sit there has to come first."""
        try:
            Part.expect(self, "joined", within_s=JOIN_WITHIN_S)
        except PartMissing as error:
            if not self.child.alive:
                raise
            what = f"too few workers joined at {self.where} within {JOIN_WITHIN_S:g} s"
            raise PartMissing(what, f"start `kato-harness worker --master {self.where}` on the others") from error
        return Part.expect(self, *events, within_s=within_s)


def bind_of(text: str) -> Bind:
    """HOST:PORT as an address to bind and to be told; raises UsageError for what is none, or no one address."""
    host, _, port = text.rpartition(":")
    cure = "name an address of this machine that the workers reach, and a port: 10.0.0.5:5557"
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(f"{text!r} is not HOST:PORT", cure)
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise UsageError(f"{host} has no address ({error.strerror})", cure) from None
    if address == "0.0.0.0":  # the workers must be told where KATO's proxy is
        raise UsageError(f"{text} names no address", cure)
    return Bind(address, int(port))


def invite(bind: Bind, orders: Sequence[Mapping[str, Any]], logs: Path, undo: ExitStack) -> list[Part]:
    """A seat for each of `orders` at a new master; nobody sits there yet."""
    pairs = [pair() for _ in orders]
    numbers = [theirs.fileno() for _, theirs in pairs]
    command = [sys.executable, "-m", "harness.load.locust", "master", bind.host, str(bind.port), *map(str, numbers)]
    child = process.start("Locust's master", command, logs / "master.log", pass_fds=numbers)
    undo.callback(process.stop, child)
    for _, theirs in pairs:
        theirs.close()
    return [AwayPart(child, channel, str(bind)) for channel, _ in pairs]
