"""A simulated run of a `def` client: everything on one gevent hub in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.channel import Channel
from harness.simulate import gevent_loop


def serve(channel: Channel, order: Mapping[str, Any]) -> int:
    """Obey the control channel; the exit code."""
    gevent_loop.install()
    # after the clocks are replaced, so that nothing holds on to a real one
    from harness.simulate.gevent_server import HubListener, HubTimers
    from harness.simulate.play import make_world, play

    world, spool = make_world(order, HubTimers())
    listener = HubListener(world.proxy.connect)
    world.proxy.listening = listener.listen
    listener.listen(True)
    return play(channel, order, world, spool, listener.port)
