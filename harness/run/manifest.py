"""The manifest of a run: what was asked, what was promised, what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import HarnessError
from harness.model import OUTCOMES, RUN_FORMAT
from harness.plan import Plan
from harness.policy import Promise, to_mapping
from harness.run.conduct import Conducted
from harness.run.folder import machine
from harness.run.prepare import Prepared
from harness.scenario import Timeline, given
from harness.scenario.secrets import redacted


def unfinished(
    prepared: Prepared,
    promise: Promise,
    timeline: Timeline,
    ready: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest before load starts: a run that dies leaves this one. `facts` is what is known by then."""
    scenario = prepared.scenario
    return {
        "format": RUN_FORMAT,
        "run": {
            "id": f"{scenario.name}-{time.time_ns():x}",
            "name": scenario.name,
            "file": scenario.path,
            "question": scenario.question,
            "integration": scenario.integration.use,
            "profile": prepared.options.profile,
            "scale": prepared.scale,
            "seed": scenario.seed,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "harness": __version__,
            "target": scenario.target.command or scenario.target.url,
            "plan_sha256": Plan.of(timeline.load, scenario.seed).identity(),
            "cell": dict(scenario.cell),
        },
        "policy": {
            "declared": dict(promise.declared),
            "read": dict(promise.read),
            "default": {},
            "effective": to_mapping(promise.policy),
            "sources": dict(promise.sources),
        },
        "scenario": redacted(given(scenario)),
        "load": asdict(timeline.load),
        "faults": [asdict(fault) for fault in timeline.faults],
        "slos": [{"name": name, "expr": slo.expr, "severity": slo.severity} for name, slo in scenario.slos.items()],
        "steady_state": list(scenario.steady_state),
        "laws": {
            "require": scenario.laws.require if isinstance(scenario.laws.require, str) else list(scenario.laws.require),
            "watch": list(scenario.laws.watch),
            "skip": dict(scenario.laws.skip),
        },
        "known": [_known(entry) for entry in scenario.known],
        "machine": machine(),
        "facts": {
            "oracle": "stm" if prepared.target else "twin",
            "hooks": sorted({hook for part in ready for hook in part["hooks"]}),
            "methods": list(ready[0]["methods"]),
            "left_out": sorted({op for op, weight in scenario.load.mix.items() if weight} - set(timeline.load.mix)),
            "asks_registry": any(part.get("asks_registry") for part in ready),
            "leftovers": [],
            **facts,
        },
        "finished": False,
    }


def _known(entry: Any) -> dict[str, Any]:
    row = asdict(entry)
    return row | {"where": dict(row.pop("where_")), "until": entry.until.isoformat() if entry.until else None}


def finished(
    prepared: Prepared,
    promise: Promise,
    timeline: Timeline,
    ready: Sequence[Mapping[str, Any]],
    conducted: Conducted,
    facts: Mapping[str, Any],
    error: HarnessError | None,
) -> dict[str, Any]:
    """The manifest of a run that ended, in order or not."""
    manifest = unfinished(prepared, promise, timeline, ready, facts)
    start_ns, end_ns = conducted.start_ns, conducted.end_ns
    manifest["start_ns"], manifest["end_ns"] = start_ns, end_ns
    manifest["wall_offset_ns"] = wall_offset_ns()
    manifest["phases"] = [
        {"name": span.name, "start_ns": start_ns + span.start_ns, "end_ns": start_ns + span.end_ns}
        for span in timeline.phases
    ]
    manifest["accounting"] = {"issued": conducted.issued} | {
        outcome: conducted.outcomes.get(outcome, 0) for outcome in OUTCOMES[1:]
    }
    manifest["error"] = None if error is None else {"what": error.what, "exit_code": error.exit_code}
    manifest["finished"] = error is None
    manifest["client"] = {"findings": _read_in_source(ready[0]["sources"])}
    return manifest


def _read_in_source(files: Sequence[str]) -> list[dict[str, Any]]:
    """What reading the client's own files says: where in them a broken law may have its cause."""
    if not files:
        return []
    from harness.manifests import audit  # late: nothing that load waits for needs it

    return [asdict(finding) for finding in audit([file for file in files if Path(file).exists()])]


def wall_offset_ns() -> int:
    """What the wall clock is ahead of the monotonic one; it changes where somebody sets it, or the machine sleeps."""
    return time.time_ns() - time.monotonic_ns()
