"""A simulated run of an `async def` client: everything on one asyncio loop in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import asyncio_loop, standstill

patch = asyncio_loop.patch


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel; the exit code. `patch` has been called."""
    loop = asyncio_loop.begin()
    # after the clocks are replaced, so that nothing holds on to a real one
    from harness.load.recorder import Recorder
    from harness.simulate.play import Play
    from harness.simulate.stalls import Stalls
    from harness.twin.drivers import Listener, LoopTimers

    play = Play(channel, order, LoopTimers(loop))
    listener = Listener(play.world.proxy, "127.0.0.1", 0)  # type: ignore[arg-type] # a proxy takes a witness's place
    loop.run_until_complete(listener.open())

    def listening(flag: bool) -> None:
        if flag:
            loop.create_task(listener.open())
        else:
            listener.close()

    def watch(recorder: Recorder) -> None:
        standstill.watch(loop.time, lambda: loop.turns + recorder.attempts_seen)
        loop.stalled = Stalls(recorder)

    play.world.proxy.listening = listening
    return play.run(listener.port, watch, lambda: loop)
