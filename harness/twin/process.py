"""A witness with everything that makes it run: spool, backend, listener, and the ticks that flush and measure."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import contracts
from harness.errors import HarnessError, UsageError
from harness.spool import SAMPLES, SpoolWriter
from harness.twin.drivers import Listener, LoopTimers
from harness.twin.exchange import Arrivals
from harness.twin.profiles import INSTANT, Profile
from harness.twin.witness import Witness

if TYPE_CHECKING:
    from harness.twin.embedded import Handler

FLUSH_S = 0.25
SAMPLE_EVERY = 4
PROCESS = "witness"
_sample = SAMPLES.struct().pack
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files for an https target: certificates to trust, the client's own and its key; empty: the system's, none."""

    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line gives. Without `spool` nothing is recorded; `target` is a real KATO to forward to."""

    profile: Profile = INSTANT
    spool: Path | None = None
    target: str = ""
    tls: Tls = Tls()
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    replicas: int = 1
    """Instances of the embedded KATO, each with a listener of its own; `port` is the first one's."""
    release: str = contracts.LATEST
    """Whose contract the embedded KATO keeps."""
    kato: Handler | None = None
    """What answers instead of the embedded KATO."""


class Instance:
    """One instance of KATO: its witness and its listener. A shutdown in order ends what is left when it is `due`."""

    def __init__(self, witness: Witness, listener: Listener) -> None:
        self.witness = witness
        self.listener = listener
        self._due: asyncio.TimerHandle | None = None

    def kill(self) -> None:
        """Refuse and reset everything; what was committed lives on."""
        self.listener.close()
        self.witness.kill()

    def drain(self, within_s: float) -> None:
        """Accept no more, answer what is in progress, and be gone after `within_s` at the latest."""
        self.listener.close()
        self.witness.drain()
        self._due = asyncio.get_running_loop().call_later(within_s, self.witness.kill)

    async def restart(self) -> None:
        """Listen again."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        await self.listener.open()

    async def end(self) -> None:
        """End all connections and bring what is still open to an end."""
        self.listener.release()
        self.witness.kill()
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn
        await self.witness.backend.finish()


class Process:
    """Runs in one event loop, from `start` to the end of `until_stopped`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._spool = open_spool(options.spool) if options.spool else None
        self._write(sample=False)  # the file says whose it is from the first moment on
        self._stopped = asyncio.Event()
        self._meter = Meter()
        self.errors = 0
        self.on_error: Callable[[str], None] = lambda what: None
        """Told in words of every failure of our own code; the evidence is then not to be trusted."""
        self.on_warning: Callable[[str], None] = lambda what: None
        """Told in words what in the traffic would hurt a real KATO."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        witnesses = make_witnesses(options, LoopTimers(loop), self._spool, self._warned)
        ports = (options.port, *(0 for _ in witnesses[1:]))
        self.instances = tuple(
            Instance(witness, Listener(witness, options.host, port))
            for witness, port in zip(witnesses, ports, strict=True)
        )

    @property
    def witness(self) -> Witness:
        """The first instance's."""
        return self.instances[0].witness

    @property
    def listener(self) -> Listener:
        """The first instance's."""
        return self.instances[0].listener

    async def open(self) -> None:
        """Listen."""
        for instance in self.instances:
            await instance.listener.open()

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each instance listens."""
        host = f"[{self.listener.host}]" if ":" in self.listener.host else self.listener.host
        return tuple(f"http://{host}:{instance.listener.port}" for instance in self.instances)

    def stop(self) -> None:
        """Let `until_stopped` end."""
        self._stopped.set()

    async def until_stopped(self) -> None:
        """Flush and measure until `stop`; then end all connections, record what was in progress, and close."""
        loop = asyncio.get_running_loop()
        due, ticks = loop.time(), 0
        while not self._stopped.is_set():
            due += FLUSH_S
            ticks += 1
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stopped.wait()
            self._meter.late(loop.time() - due)
            self._write(sample=ticks % SAMPLE_EVERY == 0)
        for instance in self.instances:
            await instance.end()
        if self._spool is not None:
            self._spool.close()

    def stats(self) -> dict[str, Any]:
        """Counts since the start over all instances, for `stats` and for tests; the backend's are the first one's."""
        witnesses = [instance.witness for instance in self.instances]
        return {
            "arrived": sum(witness.arrived for witness in witnesses),
            "committed": self.witness.commits,
            "accepted": sum(witness.accepted for witness in witnesses),
            "connections": sum(len(witness.connections) for witness in witnesses),
            "gated": sum(witness.gated for witness in witnesses),
            "errors": self.errors,
            "rules": self.witness.rules.counters(),
            "rss": resident_bytes(),
            **self.witness.backend.stats(),
        }

    def _write(self, sample: bool) -> None:
        if self._spool is None:
            return
        if sample:
            self._spool.append(self._meter.row(self._spool.text(PROCESS)))
        try:
            self._spool.flush()
        except OSError as error:
            raise HarnessError(f"the spool can't be written: {error.strerror}", "make room on its disk") from error

    def _warned(self, what: str) -> None:
        sys.stderr.write(f"{what}\n")
        self.on_warning(what)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors += 1
        error = context.get("exception")
        if error is not None:
            traceback.print_exception(error, file=sys.stderr)
        self.on_error(f"{context['message']}: {error!r}")


def open_spool(path: Path) -> SpoolWriter:
    """A new spool file; raises UsageError where there can't be one."""
    try:
        return SpoolWriter(path, PROCESS)
    except OSError as error:
        raise UsageError(
            f"spool {path}: {error.strerror}", "name a file that doesn't exist in a folder that does"
        ) from None


class Meter:
    """CPU share, memory and worst loop lag of this process between two samples."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._at_ns = time.monotonic_ns()
        self._lag_s = 0.0

    def late(self, by_s: float) -> None:
        """A tick came `by_s` seconds after it was due."""
        self._lag_s = max(self._lag_s, by_s)

    def row(self, process: int) -> bytes:
        """One packed row of `samples` for the interned name `process`; starts the next span."""
        now_ns, cpu = time.monotonic_ns(), time.process_time()
        share = (cpu - self._cpu) / max((now_ns - self._at_ns) / 1e9, 1e-9)
        lag_ns = round(self._lag_s * 1e9)
        self._cpu, self._at_ns, self._lag_s = cpu, now_ns, 0.0
        descriptors = sum(1 for _ in Path("/proc/self/fd").iterdir())
        threads = threading.active_count()
        row = (process, descriptors, threads, now_ns, lag_ns, resident_bytes(), share, 0.0, 0.0, 0, 0)
        return _sample(SAMPLES.tag, *row)


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def make_witnesses(
    options: Options, timers: LoopTimers, spool: SpoolWriter | None, warn: Callable[[str], None]
) -> tuple[Witness, ...]:
    """The witnesses with their backend, of which only the one in use is imported."""
    arrivals = [Arrivals(spool, instance) for instance in range(options.replicas)]
    if options.target:
        from harness.twin.forward import forwarding_witness, parse_target

        if options.replicas > 1:
            raise UsageError("a KATO at a URL has no replicas of ours", "leave --replicas out, or the target")
        tls = options.tls
        return (forwarding_witness(timers, arrivals[0], parse_target(options.target, tls.ca, tls.cert, tls.key)),)
    from harness.twin.embedded import embedded_witnesses

    return embedded_witnesses(timers, arrivals, options.profile, options.seed, options.kato, warn, options.release)
