"""`python -m harness.simulate FD`: one simulated run, spoken over the control channel like a generator's.

The clocks are replaced before anything of the client is imported. `def` clients run on a gevent hub, `async def` ones
on an asyncio loop.
"""

from __future__ import annotations

import os
import sys

from harness.channel import inherited
from harness.simulate import on
from harness.simulate.loopback import stay_on_one_processor


def main(descriptor: int) -> int:
    """prepare → ready → start → done; the exit code."""
    channel = inherited(descriptor)
    order = channel.receive()
    if order is None:
        return 0
    loop = on(order["runtime"])
    loop.patch()
    stay_on_one_processor(os.getpid())
    return int(loop.serve(channel, order))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
