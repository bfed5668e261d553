"""Many simulated runs judged in a row: clients × scenarios × seeds, without reports and without Parquet."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError
from harness.evidence.finalise import from_spools
from harness.evidence.run import Run
from harness.laws.judge import Judgement, judge_run
from harness.run.options import Change
from harness.run.prepare import Prepared
from harness.run.simulated import check_modelled, simulate_in
from harness.run.simulation import Start, Zygotes

AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Job:
    """One run to simulate; `change` replaces its timeline."""

    prepared: Prepared
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated run: its evidence and judgement, or the error that ended it early. Its folder is gone."""

    job: Job
    run: Run | None
    judgement: Judgement | None
    error: HarnessError | None = None


class Simulator:
    """Simulates and judges jobs, `at_once` of them side by side; a context manager whose forking processes last."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._undo = ExitStack()

    def __enter__(self) -> Simulator:
        self._folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="kato-harness-")))
        zygotes = Zygotes(self._folder)
        self._undo.callback(zygotes.close)
        self._start: Start = zygotes.start
        self._pool = self._undo.enter_context(ThreadPoolExecutor(self._at_once))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def __call__(self, jobs: Iterable[Job]) -> Generator[Simulated, None, None]:
        """The results in the order of the jobs, which are taken as they are needed; whoever stops asking leaves the
        rest undone. Raises UsageError for a job that virtual time can't carry."""
        waiting: deque[Future[Simulated]] = deque()
        try:
            for job in jobs:
                check_modelled(job.prepared)
                waiting.append(self._pool.submit(_one, job, self._start, self._folder))
                while len(waiting) > self._at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def simulate_many(jobs: Iterable[Job], at_once: int = AT_ONCE) -> Iterator[Simulated]:
    """Simulate and judge every job once, as a Simulator does."""
    with Simulator(at_once) as simulator:
        yield from simulator(jobs)


def _one(job: Job, start: Start, parent: Path) -> Simulated:
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        (folder / "spool").mkdir()
        try:
            manifest = simulate_in(folder, job.prepared, start, job.change)
        except HarnessError as error:
            return Simulated(job, None, None, error)
        run = Run(folder, manifest, from_spools(folder / "spool", manifest))
        return Simulated(job, run, judge_run(run))
