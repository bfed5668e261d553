"""A simulated run of a `def` client: everything on one gevent hub in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import gevent_loop, time_patch

LEAD_NS = 100_000_000


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel: build the world and the client, say ready, run what `start` orders."""
    loop = gevent_loop.install()
    import gevent

    from harness.errors import HarnessError
    from harness.load.session import Session
    from harness.simulate.gevent_server import HubListener, HubTimers
    from harness.simulate.orders import faults_of, paths_of, profile_of
    from harness.simulate.world import World

    spool, rows = paths_of(order)
    now_s = lambda: time_patch.WALL_START_S + loop.now()  # noqa: E731 - KATO's wall clock
    world = World(HubTimers(), spool, profile_of(order), int(order["context"]["seed"]), now_s)
    listener = HubListener(world.proxy.connect)
    world.proxy.listening = listener.listen
    listener.listen(True)
    try:
        session = Session({**order, "base_url": f"http://127.0.0.1:{listener.port}"}, lambda message: None)
        time_patch.refuse_foreign_clocks()
    except HarnessError as error:
        channel.send({"event": "failed", "what": error.what, "cure": error.cure, "exit_code": error.exit_code})
        return error.exit_code
    channel.send(session.ready())
    start = channel.receive()
    if start is None:
        return 0
    start_ns = world.timers.now_ns() + LEAD_NS
    world.schedule(faults_of(start), start_ns)
    flushing = gevent.spawn(_flush, session, world)
    session.drive({**start, "start_ns": start_ns})
    flushing.kill()
    world.spool.close()
    world.write_rows(rows)
    channel.send({**session.report(), "start_ns": start_ns, "end_ns": world.timers.now_ns()})
    return 0


def _flush(session: Any, world: Any) -> None:
    import gevent

    while True:
        gevent.sleep(10)
        session.recorder.flush()
        world.spool.flush()
