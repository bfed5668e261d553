"""One run in virtual time: the same scenario, plan, spool and laws, in one process whose clock jumps."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import PartMissing, UsageError
from harness.run.conduct import Conducted
from harness.run.execute import Executed, drain_for_ns
from harness.run.folder import make_folder, write_json
from harness.run.manifest import finished, unfinished
from harness.run.parts import Part, failure, start_part
from harness.run.prepare import Prepared, promise_of
from harness.scenario import resolve

DONE_WITHIN_S = 600.0


def simulate(prepared: Prepared) -> Executed:
    """Run it in virtual time. Raises what a real run would raise before its load starts, and UsageError for what
    has no model."""
    _check_modelled(prepared)
    folder = make_folder(prepared.options.out, prepared.scenario.name)
    part, said = _started(prepared, folder)
    try:
        ready = [said]
        promise = promise_of(prepared, ready[0])
        timeline = resolve(prepared.scenario, promise.policy, scale=prepared.scale)
        manifest = unfinished(prepared, promise, timeline, ready, {"virtual": True})
        write_json(folder / "manifest.json", manifest)
        part.channel.send(
            {
                "do": "start",
                "load": asdict(timeline.load),
                "faults": [asdict(fault) for fault in timeline.faults],
                "seed": prepared.scenario.seed,
                "drain_for_ns": drain_for_ns(timeline, promise),
                "workers": 1,
            }
        )
        done = part.channel.receive(DONE_WITHIN_S)
        if done is None:
            raise PartMissing(
                f"the simulation ended early; its last words:\n{part.child.last_words()}", f"read {part.child.log}"
            )
        if done["event"] == "failed":
            raise failure(done)
    finally:
        part.stop()
    conducted = Conducted(done["start_ns"], done["end_ns"], done["issued"], done["outcomes"])
    manifest = finished(prepared, promise, timeline, ready, conducted, {"virtual": True}, None)
    write_json(folder / "manifest.json", manifest)
    return Executed(folder)


def _check_modelled(prepared: Prepared) -> None:
    if not prepared.layout.plain:
        what = "replicas, meshes and registries are real parts, which virtual time can't carry"
        raise UsageError(what, "run this scenario without --virtual")
    for fault in prepared.scenario.faults:
        if fault.kind == "restart":
            raise UsageError(f"fault {fault.name}: a restart in order is not modelled", "run it without --virtual")


def _started(prepared: Prepared, folder: Path) -> tuple[Part, dict[str, Any]]:
    """The simulation that made the client, and its word; a second one on asyncio where the client turns out async."""
    (order,) = prepared.orders(folder)
    order["profile"] = prepared.profile(folder)
    for runtime in (order["runtime"], "asyncio"):
        part = start_part("the simulation", "harness.simulate", [], folder / "logs" / "simulation.log")
        try:
            part.channel.send({**order, "runtime": runtime})
            said = part.expect("ready", "asynchronous")
        except BaseException:
            part.stop()
            raise
        if said["event"] == "ready":
            return part, said
        part.stop()
        for spool in (folder / "spool").glob("*.raw"):
            spool.unlink()
    raise PartMissing("the client is async in one process and not in another", "give integration.runtime")
