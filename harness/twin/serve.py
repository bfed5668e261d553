"""A witness in a thread of this process, for tests and for anybody's own pytest fixtures."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any

import uvloop

from harness.errors import HarnessError
from harness.twin.control import obey
from harness.twin.process import Options, Process
from harness.twin.profiles import Profile, custom_profile, load_profile

START_S = 10.0


class ServedWitness:
    """The handle of a running witness; a context manager that stops it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._ids = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._process: Process | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kato-witness", daemon=True)
        self._thread.start()
        self._ready.wait(START_S)
        if self._failure is not None:
            raise self._failure
        if self._process is None:
            raise HarnessError(f"the witness did not start within {START_S:g} s", "is this machine overloaded?")

    @property
    def url(self) -> str:
        """Where it listens, `http://127.0.0.1:<port>`."""
        assert self._process is not None
        return self._process.urls[0]

    @property
    def ports(self) -> tuple[int, ...]:
        """The port of each instance."""
        assert self._process is not None
        return tuple(instance.listener.port for instance in self._process.instances)

    @property
    def port(self) -> int:
        """The port it listens on."""
        assert self._process is not None
        port: int = self._process.listener.port
        return port

    def control(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to one command of the control channel, like {"do": "pause"}."""
        assert self._process is not None
        command = {"id": next(self._ids), **command}
        return asyncio.run_coroutine_threadsafe(obey(self._process, command), self._loop).result(START_S)

    def stop(self) -> None:
        """End all connections, flush the spool, join the thread; idempotent."""
        if self._thread.is_alive() and self._process is not None:
            self._loop.call_soon_threadsafe(self._process.stop)
            self._thread.join(START_S)

    def __enter__(self) -> ServedWitness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # noqa: BLE001 - the caller's thread raises it from the constructor
            self._failure = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        process = Process(self._options)
        await process.open()
        self._process = process
        self._ready.set()
        await process.until_stopped()


def serve_in_thread(profile: str | Mapping[str, Any] | Profile = "instant", **options: Any) -> ServedWitness:
    """Start a witness with its embedded KATO on a free port; `options` are the other fields of Options.

    `profile` is a name, a JSON file, or a mapping like {"service": "20ms", "workers": "parallel"}.
    Raises UsageError where an option is wrong.
    """
    if isinstance(profile, str):
        profile = load_profile(profile)
    elif isinstance(profile, Mapping):
        profile = custom_profile(profile)
    return ServedWitness(replace(Options(**options), profile=profile))
