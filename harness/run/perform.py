"""One run whose children have begun: set the stage, conduct it, write down what it was."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, Interrupted, InvalidRun
from harness.policy import Promise
from harness.run.begin import Begun
from harness.run.carry import FaultThread
from harness.run.clear_up import clear_up, left_words
from harness.run.conduct import MIN_DRAIN_NS, Conducted, Progress, follow, start_load
from harness.run.facts import known_facts
from harness.run.folder import write_json
from harness.run.manifest import finished, unfinished, wall_offset_ns
from harness.run.options import Change
from harness.run.prepare import Prepared, promise_of, timeline_of
from harness.run.prober import Prober
from harness.run.stage import Stage, set_stage
from harness.run.watch import Watcher
from harness.scenario import Scenario, Timeline
from harness.scenario.promises import longest_call_s


def perform(
    prepared: Prepared,
    begun: Begun,
    folder: Path,
    undo: ExitStack,
    stop: threading.Event,
    progress: Progress,
    change: Change | None,
) -> HarnessError | None:
    """Run it; the error that ended it early, which is kept beside the evidence. Raises what goes wrong before load."""
    manifest = folder / "manifest.json"
    with undo:
        stage = set_stage(prepared, begun, folder, undo)
        promise = promise_of(prepared, stage.ready[0])
        timeline = timeline_of(prepared, promise, stage.ready[0], change)
        known = known_facts(prepared, stage, promise.policy, timeline.load, folder)
        write_json(manifest, unfinished(prepared, promise, timeline, stage.ready, known))
        offset_ns = wall_offset_ns()
        error, conducted = _conduct(prepared, stage, timeline, promise, folder, stop, progress)
        facts, trouble = _closing_facts(stage, prepared.scenario)
        facts["wall_step_ns"] = wall_offset_ns() - offset_ns
        facts |= _hosts(folder / "spool")
    error = error or trouble
    promise = promise_of(prepared, {**stage.ready[0], "read": conducted.read or stage.ready[0]["read"]})
    write_json(manifest, finished(prepared, promise, timeline, stage.ready, conducted, known | facts, error))
    return error


def _hosts(spool: Path) -> dict[str, Any]:
    from harness.evidence.clocks import hosts_of  # late: numpy would delay the first request

    hosts = hosts_of(spool)
    return {"hosts": hosts} if hosts else {}


def _closing_facts(stage: Stage, scenario: Scenario) -> tuple[dict[str, Any], HarnessError | None]:
    """What the planes say at the end of a run, and the error that makes the witness's evidence worthless."""
    facts: dict[str, Any] = {}
    trouble: HarnessError | None = None
    try:
        stats = stage.witness_plane.control.do("stats")
        facts |= {key: stats[key] for key in ("arrived", "committed", "added_ms") if key in stats}
        facts |= _memories(stage, scenario)
        if stats.get("errors"):
            what = f"the witness failed {stats['errors']} times, so its evidence is not to be trusted"
            trouble = InvalidRun(what, "its log in the run folder has the words; report this as a bug")
    except HarnessError as error:
        trouble = error
    try:
        facts |= stage.front.closing()
    except HarnessError as error:
        trouble = trouble or error
    if stage.service is not None:
        facts |= stage.service.facts()
    if stage.messaging is not None:
        facts, trouble = _queues_end(stage, facts, trouble)
    facts["warnings"] = [*stage.witness_plane.control.warnings, *left_words(facts)]
    left = stage.stores.close() if stage.stores else ()
    facts["leftovers"] = [*left, *stage.plane.close()]
    facts["toxiproxy_restarts"] = stage.plane.restarts
    return facts, trouble


def _memories(stage: Stage, scenario: Scenario) -> dict[str, Any]:
    """What KATO remembers of shared sessions (only there can observes overwrite each other: law D5), and what stays of
    the run on a KATO that isn't ours."""
    do = stage.witness_plane.control.do
    facts: dict[str, Any] = {}
    if scenario.load.sessions.strategy == "shared":
        facts["stm"] = do("stm")["lengths"]
    if not scenario.target.embedded and scenario.target.footprint.cleanup == "sessions":
        facts |= clear_up(do)
    return facts


def _queues_end(
    stage: Stage, facts: dict[str, Any], trouble: HarnessError | None
) -> tuple[dict[str, Any], HarnessError | None]:
    """End the consumer, then count what is left: a message in its hands is in a queue again."""
    assert stage.messaging is not None
    try:
        if stage.service is not None and stage.service.child is not None:
            stage.service.child.stop()
        return facts | stage.messaging.closing(), trouble
    except HarnessError as error:
        return facts, trouble or error


def drain_for_ns(timeline: Timeline, promise: Promise) -> int:
    """How long calls in flight may still take at the end (design: the longest promised duration, at least 5 s)."""
    longest = max((longest_call_s(promise.policy.of(op)) or 0.0 for op in timeline.load.mix), default=0.0)
    return max(MIN_DRAIN_NS, round(longest * 1e9))


def _conduct(
    prepared: Prepared,
    stage: Stage,
    timeline: Timeline,
    promise: Promise,
    folder: Path,
    stop: threading.Event,
    progress: Progress,
) -> tuple[HarnessError | None, Conducted]:
    """Load and timeline side by side. An error in either ends both, and the faults are undone first."""
    drain_ns = drain_for_ns(timeline, promise)
    start_ns = start_load(stage, timeline.load, prepared.scenario.seed, drain_ns)
    conducted = Conducted(start_ns)
    probes = prepared.scenario.topology.probes
    prober = Prober(stage.probed, probes, folder / "spool")
    carrying = FaultThread(stage, timeline.faults, start_ns, folder / "spool")
    watcher = Watcher(prepared.scenario, timeline, folder / "spool", start_ns)

    def watch() -> str:
        words = carrying.trouble() or watcher()
        if words:
            carrying.stop()
        return words

    error: HarnessError | None = None
    try:
        follow(stage, conducted, timeline.load, drain_ns, stop, progress, watch)
    except HarnessError as caught:
        error = caught
    finally:
        carrying.close()
        prober.close()
        conducted.end_ns = conducted.end_ns or time.monotonic_ns()
    if stop.is_set():
        error = Interrupted("the run was interrupted; its faults are undone", f"kato-harness check {folder}")
    elif error is None and carrying.failure is not None:
        error = carrying.failure
    elif error is None and conducted.aborted:
        error = InvalidRun(f"the run was ended early: {conducted.aborted}", "its report shows what was until then")
    return error, conducted
