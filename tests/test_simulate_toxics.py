"""The modelled Toxiproxy does what the real one does: one table of TCP faults, the same observations on both."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import toxic_table
from toxic_cases import CASES, Case
from toxic_table import Exchange, Observation, SizedKato, play

from harness.errors import HarnessError
from harness.faults import KINDS
from harness.inject.lease import Leases
from harness.inject.tcp import ToxiproxyPlane
from harness.inject.toxiproxy import Api
from harness.model import Fault
from harness.stack import toxiproxy
from harness.stack.ports import free_port
from harness.twin.process import Options, Process

pytestmark = pytest.mark.sockets

AT_ONCE = 6
TRIES = 4
SLACK_S = 0.1
RACE = {"closed", "reset"}
"""A dead KATO behind a live proxy: the client's bytes and the proxy's close race, and an RST answers the loser."""


class Witnesses:
    """Witnesses in an event loop of a thread of its own, one a case."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self) -> Process:
        async def start() -> Process:
            process = Process(Options(kato=SizedKato()))
            await process.listener.open()
            return process

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(5)

    def do(self, call: Any) -> Any:
        """Call it in the loop, await what it gives."""

        async def run() -> Any:
            result = call()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(5)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Real:
    """A way through a proxy of its own on the real Toxiproxy."""

    def __init__(self, number: int, server: toxiproxy.Server, witnesses: Witnesses, folder: Path) -> None:
        self._witnesses = witnesses
        self._process = witnesses.open()
        self._leases = Leases(folder / f"leases-{number}.jsonl")
        self._plane = ToxiproxyPlane(Api(server.url), self._leases, f"table-{number}")
        self.address = ("127.0.0.1", free_port())
        self._plane.listen("kato", f"127.0.0.1:{self.address[1]}", f"127.0.0.1:{self._process.listener.port}")

    def apply(self, fault: Fault) -> None:
        if KINDS[fault.kind].plane == "toxiproxy":
            self._plane.apply(fault)
        elif fault.kind == "pause":
            self._witnesses.do(self._process.witness.pause)
        else:
            self._witnesses.do(lambda: (self._process.listener.close(), self._process.witness.kill()))

    def clear(self, fault: Fault) -> None:
        if KINDS[fault.kind].plane == "toxiproxy":
            self._plane.clear(fault)
        elif fault.kind == "pause":
            self._witnesses.do(self._process.witness.resume)
        else:
            self._witnesses.do(self._process.listener.open)

    def counts(self) -> tuple[int, int, int]:
        witness = self._process.witness
        return witness.arrived, witness.commits, len(witness.connections)

    def close(self) -> None:
        assert self._plane.close() == ()
        self._leases.close()
        self._witnesses.do(self._process.listener.release)
        self._witnesses.do(self._process.witness.kill)


class Table:
    """Both columns of the table. The real one is filled several cases at once, and a case again by itself on demand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = toxiproxy.start(folder / "toxiproxy.log", {})
        self._witnesses = Witnesses()
        self._numbers = itertools.count()
        self.model = _modelled()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            self.real = dict(zip(CASES, pool.map(self.play, CASES), strict=True))

    def play(self, case: Case) -> Observation | str:
        """The case on the real Toxiproxy, or why it could not be played."""
        way = Real(next(self._numbers), self._server, self._witnesses, self._folder)
        try:
            return play(case, way)
        except HarnessError as error:
            return str(error)
        finally:
            way.close()

    def close(self) -> None:
        self._witnesses.close()
        self._server.stop()


def _modelled() -> dict[Case, Observation]:
    """The table in virtual time, in a process of its own."""
    command = [sys.executable, toxic_table.__file__]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(CASES, map(_observation, json.loads(done.stdout)), strict=True))


def _observation(plain: dict[str, Any]) -> Observation:
    return Observation(
        **{name: Exchange(**value) if isinstance(value, dict) else value for name, value in plain.items()}
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    table = Table(tmp_path_factory.mktemp("toxics"))
    yield table
    table.close()


def _same(case: Case, real: Observation | str, model: Observation) -> bool:
    """Equal words and counts, times within SLACK_S and what chance adds."""
    if isinstance(real, str):
        return False
    for name in ("first", "after", "again", "anew"):
        one, other = getattr(real, name), getattr(model, name)
        words = {one.outcome, other.outcome}
        if len(words) > 1 and not (case.kind == "kill" and words == RACE):
            return False
        if (one.status, one.got) != (other.status, other.got):
            return False
        if abs(one.took_s - other.took_s) > SLACK_S + case.slack_s:
            return False
    counts = (real.arrived, real.committed) == (model.arrived, model.committed)
    return counts and abs(real.left_s - model.left_s) <= SLACK_S


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_model_shows_what_the_real_toxiproxy_shows(table: Table, case: Case) -> None:
    """Outcome, status, bytes, time, the connection's fate, arrivals and commits; three more tries for busy machines."""
    seen = [table.real[case]]
    while not _same(case, seen[-1], table.model[case]) and len(seen) < TRIES:
        seen.append(table.play(case))
    assert _same(case, seen[-1], table.model[case]), f"model {table.model[case]}, real {seen}"
