"""A simulated run of an `async def` client: everything on one asyncio loop in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import asyncio_loop


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel; the exit code."""
    loop = asyncio_loop.install()
    # after the clocks are replaced, so that nothing holds on to a real one
    from harness.simulate.play import make_world, play
    from harness.twin.drivers import Listener, LoopTimers

    world, spool = make_world(order, LoopTimers(loop))
    listener = Listener(world.proxy, "127.0.0.1", 0)  # type: ignore[arg-type] # a proxy takes a witness's place
    loop.run_until_complete(listener.open())

    def listening(flag: bool) -> None:
        if flag:
            loop.create_task(listener.open())
        else:
            listener.close()

    world.proxy.listening = listening
    return play(channel, order, world, spool, listener.port, lambda: loop)
