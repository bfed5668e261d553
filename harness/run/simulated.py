"""One run in virtual time: the same scenario, plan, spool and laws, in one process whose clock jumps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UsageError
from harness.faults import KINDS
from harness.run.conduct import Conducted
from harness.run.execute import Executed
from harness.run.facts import tracing_facts
from harness.run.folder import make_folder, write_json
from harness.run.manifest import finished, unfinished
from harness.run.options import Change
from harness.run.perform import drain_for_ns
from harness.run.prepare import Prepared, promise_of, timeline_of
from harness.run.simulation import Simulation, Start, start_fresh
from harness.simulate.world import MODELLED

DONE_WITHIN_S = 900.0
FACTS: Mapping[str, Any] = {"virtual": True}


def simulate(prepared: Prepared, change: Change | None = None) -> Executed:
    """Run it in virtual time. Raises what a real run would raise before its load starts, and UsageError for what
    has no model."""
    check_modelled(prepared)
    folder = make_folder(prepared.options.out, prepared.scenario.name)
    simulate_in(folder, prepared, start_fresh, change)
    return Executed(folder)


def simulate_in(
    folder: Path, prepared: Prepared, start: Start, change: Change | None = None, within_s: float = DONE_WITHIN_S
) -> dict[str, Any]:
    """One run whose spools and manifest lie in `folder` (which has a folder `spool`), done in `within_s` of real time;
    the manifest."""
    simulation, ready = _started(prepared, folder, start)
    try:
        promise = promise_of(prepared, ready)
        timeline = timeline_of(prepared, promise, ready, change)
        facts = {**FACTS, **tracing_facts(prepared, virtual=True)}
        write_json(folder / "manifest.json", unfinished(prepared, promise, timeline, [ready], facts))
        simulation.channel.send(
            {
                "do": "start",
                "load": asdict(timeline.load),
                "faults": [asdict(fault) for fault in timeline.faults],
                "seed": prepared.scenario.seed,
                "drain_for_ns": drain_for_ns(timeline, promise),
                "workers": 1,
            }
        )
        done = simulation.expect("done", within_s=within_s)
    finally:
        simulation.stop()
    conducted = Conducted(done["start_ns"], done["end_ns"], done["issued"], done["outcomes"])
    promise = promise_of(prepared, {**ready, "read": done["read"]})
    facts |= {"simulation": done["cost"]}
    if prepared.scenario.load.sessions.strategy == "shared":
        facts["stm"] = done["stm"]
    manifest = finished(prepared, promise, timeline, [ready], conducted, facts, None)
    write_json(folder / "manifest.json", manifest)
    return manifest


def check_modelled(prepared: Prepared) -> None:
    """Raise UsageError for what virtual time can't carry."""
    use, faults = prepared.scenario.integration, prepared.scenario.faults
    real = [fault.name for fault in faults if KINDS[fault.kind].plane not in MODELLED]
    refused = {
        "replicas, meshes and registries are real parts": not prepared.layout.plain,
        f"{prepared.target} is a KATO in real time": bool(prepared.target),
        "a service under test runs in real time": prepared.scenario.subject.asked,
        f"the client's own interpreter {use.python} has a clock of its own": bool(use.python),
        f"fault {', '.join(real)} acts on real parts": bool(real),
        "a collector is a real part": any(fault.only.get("part") == "collector" for fault in faults),
    }
    for what, holds in refused.items():
        if holds:
            raise UsageError(f"{what}, which virtual time can't carry", "run this scenario without --virtual")


def _started(prepared: Prepared, folder: Path, start: Start) -> tuple[Simulation, dict[str, Any]]:
    """The simulation that made the client, and its word; a second one on asyncio where the client turns out async."""
    order = prepared.orders(folder)[0]
    order["profile"] = prepared.profile(folder)
    for runtime in (order["runtime"], "asyncio"):
        simulation = start(runtime, folder / "logs" / "simulation.log")
        try:
            simulation.channel.send({**order, "runtime": runtime})
            said = simulation.expect("ready", "asynchronous")
        except BaseException:
            simulation.stop()
            raise
        if said["event"] == "ready":
            return simulation, said
        simulation.stop()
        for spool in (folder / "spool").glob("*.raw"):
            spool.unlink()
    raise HarnessError("the client is async in one process and not in another", "give integration.runtime")
