"""A simulated run of an `async def` client: everything on one asyncio loop in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import asyncio_loop, time_patch
from harness.simulate.on_gevent import LEAD_NS


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel, as `on_gevent.serve` does."""
    loop = asyncio_loop.install()
    from harness.errors import HarnessError
    from harness.load.session import Session
    from harness.simulate.orders import faults_of, paths_of, profile_of
    from harness.simulate.world import World
    from harness.twin.drivers import Listener, LoopTimers

    spool, rows = paths_of(order)
    now_s = lambda: time_patch.WALL_START_S + loop.time()  # noqa: E731 - KATO's wall clock
    world = World(LoopTimers(loop), spool, profile_of(order), int(order["context"]["seed"]), now_s)
    listener = Listener(world.proxy, "127.0.0.1", 0)  # type: ignore[arg-type] # a proxy takes a witness's place
    loop.run_until_complete(listener.open())

    def listening(flag: bool) -> None:
        if flag:
            loop.create_task(listener.open())
        else:
            listener.close()

    world.proxy.listening = listening
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
    loop.run_until_complete(session.drive_in_loop({**start, "start_ns": start_ns}))
    world.spool.close()
    world.write_rows(rows)
    channel.send({**session.report(), "start_ns": start_ns, "end_ns": world.timers.now_ns()})
    return 0
