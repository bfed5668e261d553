"""The sessions that were opened through a forwarding witness: how long their memories are, and their removal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from harness.twin.forward.read_back import Headers, ask, length_in
from harness.twin.forward.target import Target

AT_ONCE = 8
"""Few, for a worker of KATO is serial and others may use it."""

WITHIN_S = 4.0
"""The reply on the control channel is due in five seconds; who needs longer asks again."""

MAX_SESSIONS = 100_000


class Sessions:
    """Each with the headers of the request that opened it, so that a KATO behind authorization answers."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._headers: dict[str, Headers] = {}

    def opened(self, session: str, headers: Headers) -> None:
        """KATO has opened it; beyond MAX_SESSIONS it is not kept in mind."""
        if len(self._headers) < MAX_SESSIONS:
            self._headers[session] = headers

    def forget(self, session: str) -> None:
        """Its owner deleted it."""
        self._headers.pop(session, None)

    async def lengths(self) -> dict[str, int]:
        """How many events the memory of each session holds, as far as KATO says so within WITHIN_S."""
        found: dict[str, int] = {}

        async def read(session: str, headers: Headers) -> None:
            length = length_in(await ask(self._target, "GET", f"/sessions/{session}/stm", headers))
            if length is not None:
                found[session] = length

        await self._each(read)
        return found

    async def remove(self) -> tuple[int, list[str]]:
        """Delete them all, as far as KATO does so within WITHIN_S: how many are gone now, and which are not."""
        before = len(self._headers)

        async def delete(session: str, headers: Headers) -> None:
            reply = await ask(self._target, "DELETE", f"/sessions/{session}", headers)
            if reply is not None and reply[0] in (200, 404):
                del self._headers[session]

        await self._each(delete)
        return before - len(self._headers), list(self._headers)

    async def _each(self, work: Callable[[str, Headers], Awaitable[None]]) -> None:
        waiting = iter(list(self._headers.items()))

        async def take() -> None:
            for session, headers in waiting:
                await work(session, headers)

        workers = [asyncio.ensure_future(take()) for _ in range(AT_ONCE)]
        _, late = await asyncio.wait(workers, timeout=WITHIN_S)
        for worker in late:
            worker.cancel()
