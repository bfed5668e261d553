"""Schedules tried in virtual time: each is written as a scenario, read like anybody's, simulated and judged."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError
from harness.explore.draft import Draft, yaml
from harness.model import Verdict
from harness.run.many import Job, Simulated, Simulator
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario


@dataclass(frozen=True, slots=True)
class Trial:
    """What a schedule came to: the laws that failed it, or the error that ended it early.

    `arrived`: requests of each operation that reached KATO; `felt`: the faults that the client felt; `calls` and
    `failed_calls` count its calls.
    """

    failed: dict[str, Verdict] = field(default_factory=dict)
    arrived: dict[str, int] = field(default_factory=dict)
    felt: frozenset[str] = frozenset()
    calls: int = 0
    failed_calls: int = 0
    error: HarnessError | None = None


class Trials:
    """Tries drafts, equal ones once; a context manager. `count` says how many were simulated."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._undo = ExitStack()
        self._known: dict[str, Trial] = {}
        self._numbers = itertools.count()
        self.count = 0

    def __enter__(self) -> Trials:
        self._folder = Path(self._undo.enter_context(tempfile.TemporaryDirectory(prefix="kato-harness-")))
        self._simulate = self._undo.enter_context(Simulator())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def __call__(self, drafts: Sequence[Draft]) -> Iterator[Trial]:
        """What each draft comes to, in order; whoever stops asking leaves the rest untried."""
        texts = [yaml(draft) for draft in drafts]
        wanted: list[str] = []
        results = self._simulate(self._jobs(texts, wanted))
        for text in texts:
            while text not in self._known:
                done = next(results)
                self._known[wanted.pop(0)] = _trial(done)
                self.count += 1
            yield self._known[text]
        results.close()

    def _jobs(self, texts: Sequence[str], wanted: list[str]) -> Iterator[Job]:
        """A job for each text that is new; `wanted` gets the texts in the order of the jobs."""
        for text in dict.fromkeys(texts):
            if text in self._known:
                continue
            path = self._folder / f"schedule-{next(self._numbers)}.yaml"
            path.write_text(text)
            try:
                job = Job(prepare(load_scenario(path), self._options))
            except HarnessError as error:
                self._known[text] = Trial(error=error)
                continue
            wanted.append(text)
            yield job


def _trial(done: Simulated) -> Trial:
    if done.run is None or done.judgement is None:
        return Trial(error=done.error)
    history = done.run.history
    failed = {verdict.law: verdict for verdict in done.judgement.verdicts if verdict.status == "fail"}
    felt = frozenset(row["name"] for row in history.faults.rows() if row["felt_ns"])
    bad = ~history.calls["outcome"].among("ok", "degraded")
    arrived = Counter(history.arrivals["op"].tolist())
    return Trial(failed, dict(arrived), felt, len(history.calls), int(bad.sum()))
