"""A simulated run of a `def` client: everything on one gevent hub in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import gevent_loop, standstill

patch = gevent_loop.patch


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel; the exit code. `patch` has been called."""
    loop = gevent_loop.begin()
    # after the clocks are replaced, so that nothing holds on to a real one
    from harness.simulate.gevent_server import HubListener, HubTimers
    from harness.simulate.play import Play

    play = Play(channel, order, HubTimers())
    listener = HubListener(play.world.proxy.connect)
    play.world.proxy.listening = listener.listen
    listener.listen(True)
    return play.run(listener.port, lambda seen: standstill.watch(loop.now, lambda: loop.iteration + seen.attempts_seen))
