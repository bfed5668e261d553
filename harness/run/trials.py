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
from harness.evidence import Run
from harness.explore.draft import Draft, yaml
from harness.explore.trace import Did, Trace
from harness.laws.judge import promise_of
from harness.model import Verdict
from harness.policy import Policy
from harness.run.many import Job, Simulated, Simulator
from harness.run.options import Options
from harness.run.prepare import prepare
from harness.scenario import load_scenario

TRACED = 200
"""A run of more calls has no trace: nobody compares it call by call."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a schedule came to: the laws that failed it, what the client promised and did, the faults that it felt, or
    the error that ended it early."""

    failed: dict[str, Verdict] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    trace: Trace = field(default_factory=Trace)
    felt: frozenset[str] = frozenset()
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
    failed = {verdict.law: verdict for verdict in done.judgement.verdicts if verdict.status == "fail"}
    felt = frozenset(row["name"] for row in done.run.history.faults.rows() if row["felt_ns"])
    return Trial(failed, promise_of(done.run.manifest).policy, _trace(done.run), felt)


def _trace(run: Run) -> Trace:
    """What the client did, call by call."""
    calls = list(run.history.calls.rows())
    if len(calls) > TRACED:
        return Trace()
    begin_ns = int(run.manifest["start_ns"])
    attempts: dict[int, list[tuple[int, str, int]]] = {row["call"]: [] for row in calls}
    commits: Counter[int] = Counter()
    requests = []
    starts = {row["call"]: row["start_ns"] for row in calls}
    ops = {row["call"]: row["op"] for row in calls}
    for row in run.history.attempts.sorted_by("start_ns").rows():
        if row["call"] in starts:
            after_ms = (row["start_ns"] - starts[row["call"]]) // 1_000_000
            attempts[row["call"]].append((after_ms, row["result"], row["status"]))
            requests.append((ops[row["call"]], row["start_ns"] - begin_ns))
    for row in run.history.arrivals.rows():
        commits[row["call"]] += row["commit_seq"] > 0
    did = [
        Did(row["call"], row["op"], row["outcome"], row["error"], tuple(attempts[row["call"]]), commits[row["call"]])
        for row in calls
    ]
    return Trace(tuple(did), tuple(row["start_ns"] - begin_ns for row in calls), tuple(requests))
