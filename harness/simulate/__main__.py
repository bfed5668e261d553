"""`python -m harness.simulate RUNTIME FD`: one simulated run, spoken over the control channel like a generator's.

RUNTIME is gevent (for `def` clients) or asyncio; the clocks are replaced before anything of the client is imported.
"""

from __future__ import annotations

import sys

from harness.channel import Channel, inherited


def main(runtime: str, descriptor: int) -> int:
    """prepare → ready → start → done; the exit code."""
    channel = inherited(descriptor)
    order = channel.receive()
    if order is None:
        return 0
    if runtime == "gevent":
        from harness.simulate.on_gevent import serve
    else:
        from harness.simulate.on_asyncio import serve
    return serve(channel, order)


__all__ = ["Channel", "main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
