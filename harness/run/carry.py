"""Carries out the faults of a run beside its load, proved by a canary on the same listener."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.clock import MonotonicClock
from harness.errors import HarnessError
from harness.inject.canary import Canary
from harness.inject.external import ExternalPlane
from harness.inject.replica import ReplicaPlane
from harness.inject.timeline import Plane, run_timeline
from harness.model import Fault
from harness.run.broker import look_of, planes_of
from harness.run.stage import LISTENER, Stage


def _processes(stage: Stage) -> Plane:
    if len(stage.listeners) == 1:
        return stage.witness_plane
    return ReplicaPlane(stage.witness_plane, stage.plane, time.sleep)


class FaultThread:
    """The timeline in a thread of its own; `close` undoes what is active and waits for it."""

    def __init__(self, stage: Stage, faults: Sequence[Fault], start_ns: int, spool: Path) -> None:
        self._faults = faults
        self._start_ns = start_ns
        self._rows = spool / "faults.jsonl"
        messaging = planes_of(stage.messaging, stage.service)
        self._planes: Mapping[str, Plane] = {
            **messaging,
            "toxiproxy": stage.plane,
            "witness": stage.witness_plane,
            "process": _processes(stage),
            "store": stage.stores or stage.witness_plane,
            "external": ExternalPlane(stage.leases),
            **({"registry": stage.front.registry} if stage.front.registry else {}),
        }
        self._clock = MonotonicClock()
        rows = spool / "canary.jsonl"
        look = stage.stores.look if stage.stores else None
        self._canary = Canary(
            LISTENER, stage.listeners[0], rows, self._clock, stage.aim, stage.front.look, look,
            lambda fault: look_of(fault, stage.messaging, messaging),
        )  # fmt: skip
        self._canary.start()
        self._ended = threading.Event()
        self.failure: HarnessError | None = None
        self._thread = threading.Thread(target=self._run, name="timeline")
        self._thread.start()

    def trouble(self) -> str:
        """What went wrong so far, in words."""
        return self.failure.what if self.failure else ""

    def stop(self) -> None:
        """Apply no more, undo what is active."""
        self._ended.set()

    def close(self) -> None:
        """Stop, and return when everything is undone."""
        self._ended.set()
        self._thread.join()
        self._canary.close()

    def _run(self) -> None:
        try:
            run_timeline(self._faults, self._start_ns, self._planes, self._canary, self._rows, self._clock, self._ended)
        except HarnessError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - told to the thread that can end the run
            what = f"the fault timeline failed: {type(error).__name__}: {error}"
            self.failure = HarnessError(what, "report this as a bug, with the run folder")
