"""One process's part of a run: it makes the integration, says what it promises, drives the plan, reports progress.

Spoken over the control channel: prepare → ready (policy, methods, hooks) → start → progress … → done.
The same for the Locust process and for a host process outside it (standard library only).
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.clock import MonotonicClock
from harness.errors import UsageError
from harness.integrations import build, is_async, resolve
from harness.integrations.build import asks_for
from harness.integrations.entry import CALLED_WITH
from harness.load import hooks
from harness.load.book import Book
from harness.load.caller import Caller
from harness.load.direct import DirectCaller
from harness.load.driver import Driver
from harness.load.driver_async import AsyncDriver
from harness.load.exchange import Direct
from harness.load.hooks import names
from harness.load.hooks.attempt import WATCH
from harness.load.lean import import_the_rest
from harness.load.recorder import FLUSH_S, Recorder
from harness.load.sampler import Sampler
from harness.load.sources import own_files
from harness.plan import Plan, load_from_json
from harness.policy.given import given
from harness.policy.read import OPERATIONS, breakers_of, read_policy
from harness.policy.read_requests import Carried, with_requests

LAG_PROBE_S = 0.01
PROGRESS_S = 1.0

Send = Callable[[Mapping[str, Any]], None]


def settle() -> None:
    """Load what would be loaded with the first request, and exempt what is loaded from garbage collection: both would
    stall the clock for tens of ms. For a process that has told that it is ready, while its parent plans the load."""
    import_the_rest()
    gc.collect()
    gc.freeze()


def _discovery(order: Mapping[str, Any]) -> dict[str, Any]:
    """What a client that finds KATO by itself or exports its spans is given besides; with the hooks that it takes."""
    if "names" in order:
        told = order["names"]
        names.install((told["server"][0], told["server"][1]), told["domain"], told["timeout_s"])
    given = {name: str(order[name]) for name in ("registry", "collector", "collector_grpc") if name in order}
    parts = [urlsplit(url) for url in given.values()]
    WATCH.elsewhere = frozenset((part.hostname, part.port or 80) for part in parts if part.hostname)
    return given


class Session:
    """The part of one process. `prepare`, then `start`, then `close`."""

    def __init__(
        self,
        order: Mapping[str, Any],
        send: Send,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    ) -> None:
        """`order`: {"use", "base_url", "context", "inspect", "spool", "process", "worker"}; besides, where the client
        asks a registry, `registry` (its URL) or `names` ({"server", "domain", "timeout_s"} of a stub resolver); where
        it publishes, `amqp` ({"url", "queue", "outputs", "dead", "spool"}); where it exports spans, `collector` (an
        OTLP/HTTP URL) and `collector_grpc` (host:port).

        `loop_factory` makes the event loop of an async client; None: asyncio's own.
        """
        self._send = send
        self._clock = MonotonicClock()
        self._worker = int(order["worker"])
        self.recorder = Recorder(Path(order["spool"]), str(order["process"]), self._worker)
        self.entry = resolve(str(order["use"]))
        context = dict(order["context"]) | {"recorder": self.recorder} | _discovery(order)
        context |= {"amqp": order["amqp"]} if "amqp" in order else {}
        self._runner = asyncio.Runner(loop_factory=loop_factory)
        self.integration = self._made(str(order["base_url"]), context)
        self.hooks = hooks.install(self.recorder)
        WATCH.carried = Carried()
        promised = getattr(self.integration, "policy", None) or order["context"]["policy"] or {}
        self._declared = given(promised, self.entry.where)
        self._inspect = tuple(order.get("inspect", ()))
        self._read = read_policy(self.integration, self._inspect)
        hooks.listen(self.recorder, breakers_of(self.integration, self._inspect))
        self.asynchronous = is_async(self.integration.observe)
        self._outcomes: Counter[str] = Counter()
        self._book: Book | None = None
        self._stop: Callable[[], object] = lambda: None
        self._finished = threading.Event()

    def _made(self, base_url: str, context: Mapping[str, Any]) -> Any:
        """The integration; made in an event loop where its constructor asks for one, as aiohttp's session does."""

        def hook() -> None:
            # a client may keep a transport's method as it finds it, as an instrumentation of one client does
            hooks.install(self.recorder)

        async def in_loop() -> Any:
            return build(self.entry, base_url, context, hook)

        try:
            return build(self.entry, base_url, context, hook)
        except UsageError as error:
            if "event loop" not in error.what:
                raise
        return self._runner.run(in_loop())

    def ready(self) -> dict[str, Any]:
        """What the parent needs to plan: the declared and read policy, the methods, the hooks."""
        return {
            "event": "ready",
            "declared": self._declared,
            "read": self._read,
            "methods": [m for m in (*CALLED_WITH, "symbols") if hasattr(self.integration, m)],
            "asynchronous": self.asynchronous,
            "hooks": list(self.hooks),
            "asks_registry": asks_for(self.entry, "registry"),
            "sources": own_files(),
        }

    def run(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """`drive` with what a process in real time does beside it: flush, measure its lag, report progress."""
        sampler = Sampler()
        sampler.start()
        for loop in (self._flush, lambda: self._probe(sampler), lambda: self._progress(sampler)):
            threading.Thread(target=loop, daemon=True).start()
        self.drive(order)
        self._finished.set()
        sampler.row(self.recorder, 0)
        return self.report()

    def drive(self, order: Mapping[str, Any]) -> None:
        """Drive the load of `order` ({"load", "seed", "start_ns", "drain_for_ns", "workers"}) to its end."""
        if self.asynchronous:
            self._runner.run(self.drive_in_loop(order))
            return
        plan, caller, book = self._parts(order)
        driver = Driver(plan, caller, book, self._clock)
        self._stop = driver.stop.set
        driver.drive(*self._share(order))
        self._read = self._read_again()
        close = getattr(self.integration, "close", None)
        if close is not None:
            close()

    async def drive_in_loop(self, order: Mapping[str, Any]) -> None:
        """`drive` for an async client, in the running loop."""
        plan, caller, book = self._parts(order)
        loop = asyncio.get_running_loop()
        driver = AsyncDriver(plan, caller, book, self._clock)
        self._stop = lambda: loop.call_soon_threadsafe(driver.stop.set)
        await driver.drive(*self._share(order))
        self._read = self._read_again()
        closing = getattr(self.integration, "close", lambda: None)()
        if inspect.isawaitable(closing):
            await closing

    def _parts(self, order: Mapping[str, Any]) -> tuple[Plan, Caller, Book]:
        plan = Plan.of(load_from_json(order["load"]), int(order["seed"]))
        book = self._book = Book(0 if plan.load.strategy == "shared" else plan.load.sessions)
        caller = DirectCaller if isinstance(self.integration, Direct) else Caller
        return plan, caller(self.integration, plan, self.recorder, self._clock, book), book

    def _share(self, order: Mapping[str, Any]) -> tuple[int, int, int, int]:
        return int(order["start_ns"]), int(order["drain_for_ns"]), self._worker, int(order["workers"])

    def report(self) -> dict[str, Any]:
        """Close the spool; the last message to the parent."""
        hooks.cancel_open()
        self.recorder.close()
        return self._counted("done") | {"read": self._read}

    def _read_again(self) -> dict[str, Any]:
        """The read policy after the load: many clients make their sessions with the first call, and requests show
        what time-outs and retries they carried."""
        ops = [op for op in OPERATIONS if hasattr(self.integration, op)]
        read = read_policy(self.integration, self._inspect, WATCH.carried.retries)
        return with_requests(read, WATCH.carried.by_op, self._declared, ops)

    def stop(self) -> None:
        """Offer no more load; what is in flight is drained."""
        self._stop()

    def _flush(self) -> None:
        while not self._finished.wait(FLUSH_S):
            self.recorder.flush()

    def _probe(self, sampler: Sampler) -> None:
        while not self._finished.is_set():
            due_ns = time.monotonic_ns() + int(LAG_PROBE_S * 1e9)
            time.sleep(LAG_PROBE_S)
            sampler.lag_ns = max(sampler.lag_ns, time.monotonic_ns() - due_ns)

    def _progress(self, sampler: Sampler) -> None:
        while not self._finished.wait(PROGRESS_S):
            cpu = sampler.row(self.recorder, self._book.in_flight if self._book else 0)
            self._send(self._counted("progress") | {"cpu": round(cpu, 3)})

    def _counted(self, event: str) -> dict[str, Any]:
        assert self._book is not None
        taken = self.recorder.take_tally()
        for (_, outcome, _), count in taken.items():
            self._outcomes[outcome] += count
        return {
            "event": event,
            "issued": self._book.issued,
            "in_flight": self._book.in_flight,
            "outcomes": dict(self._outcomes),
            "tally": [[*key, count] for key, count in taken.items()],
        }
