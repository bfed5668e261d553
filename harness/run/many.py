"""Many simulated runs judged in a row: clients × scenarios × seeds, without reports and without Parquet."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.evidence.finalise import from_spools
from harness.evidence.run import Run
from harness.laws.judge import Judgement, judge_run
from harness.run.prepare import Prepared
from harness.run.simulated import Change, check_modelled, simulate_in
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


def simulate_many(jobs: Iterable[Job], at_once: int = AT_ONCE) -> Iterator[Simulated]:
    """Simulate and judge every job, `at_once` of them side by side; the results in the order of the jobs.

    Jobs are taken as they are needed. Raises UsageError for a job that virtual time can't carry.
    """
    with ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="kato-harness-")))
        zygotes = Zygotes(folder)
        undo.callback(zygotes.close)
        pool = undo.enter_context(ThreadPoolExecutor(at_once))
        waiting: deque[Future[Simulated]] = deque()
        for job in jobs:
            check_modelled(job.prepared)
            waiting.append(pool.submit(_one, job, zygotes.start, folder))
            while len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


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
