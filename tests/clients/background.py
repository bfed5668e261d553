"""Clients that work outside their calls, in tasks that a call started, or forget what they own: D2, D4, D6, M1, M3."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar

import httpx

from tests.clients.asynchronous import AsyncClient
from tests.clients.base import Client, Plain, timeouts


class ReplaysInOrder(AsyncClient):
    """Puts aside what surely never arrived, and whatever comes after it, and replays it in order."""

    runs_in = ("refuse", "lost_reply", "now_and_then")
    policy = {**timeouts(), "fallback": {"marked": True}}

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.aside: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)
        self.tasks: set[asyncio.Task[None]] = set()

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        if self.aside[session_id]:
            return self.put_aside(session_id, observation)
        return await self.send_or_put_aside(session_id, observation)

    async def send_or_put_aside(self, session_id: str, observation: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"queued": False, "answer": await AsyncClient.observe(self, session_id, observation)}
        except httpx.ConnectError:
            self.start(self.replay(session_id))
            return self.put_aside(session_id, observation)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done outside any call, until the client closes."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def put_aside(self, session_id: str, observation: Mapping[str, Any]) -> dict[str, Any]:
        self.aside[session_id].append(dict(observation))
        return {"queued": True, "answer": None}

    async def replay(self, session_id: str) -> None:
        wait, aside = 0.5, self.aside[session_id]
        while aside:
            await asyncio.sleep(random.uniform(wait / 2, wait))
            try:
                await AsyncClient.observe(self, session_id, aside[0])
            except httpx.ConnectError:
                wait = min(2 * wait, 4.0)
                continue
            aside.popleft()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await super().close()


class ReplaysTwice(ReplaysInOrder):
    """Replays what was put aside, and the first of it once more some seconds later."""

    runs_in, law = ("refuse",), "D2"

    async def replay(self, session_id: str) -> None:
        first = self.aside[session_id][0]
        await super().replay(session_id)
        await asyncio.sleep(random.uniform(2.0, 5.0))
        await AsyncClient.observe(self, session_id, first)


class FlushesTwice(ReplaysInOrder):
    """The next observe that goes well has two flushers replay what all users put aside, each of them ten a second."""

    runs_in, law = ("refuse",), "D2"

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        answer = await self.send_or_put_aside(session_id, observation)
        if not answer["queued"] and not self.tasks:
            self.start(self.flush())
            self.start(self.flush())
        return answer

    async def flush(self) -> None:
        for session_id, observations in list(self.aside.items()):
            for observation in list(observations):
                await AsyncClient.observe(self, session_id, observation)
                if observation in observations:
                    observations.remove(observation)
                await asyncio.sleep(0.1)

    async def replay(self, session_id: str) -> None:
        pass


class SendsLater(AsyncClient):
    """Accepts every observe, and has one worker send them in order; what is refused stays the first."""

    runs_in = ("long_return", "steady")
    policy = {**timeouts(), "fallback": {"marked": True}}

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.accepted: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.worker: asyncio.Task[None] | None = None

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        self.accepted.put_nowait((session_id, dict(observation)))
        self.worker = self.worker or asyncio.create_task(self.work())
        return {"accepted": True}

    async def work(self) -> None:
        pause = 0.0
        while True:
            session_id, observation = await self.accepted.get()
            while True:
                try:
                    await AsyncClient.observe(self, session_id, observation)
                    break
                except httpx.ConnectError:
                    pause = 0.2
                    await asyncio.sleep(pause)
            pause = self.slower(pause)
            await asyncio.sleep(pause)

    def slower(self, pause: float) -> float:
        """The pause after an observe that went well."""
        return 0.0

    async def close(self) -> None:
        if self.worker is not None:
            self.worker.cancel()
        await super().close()


class PilesUp(SendsLater):
    """Once slowed down by an outage its worker stays slow, and what was accepted piles up for ever."""

    runs_in, law = ("long_return",), "M1"

    def slower(self, pause: float) -> float:
        return pause


class FlusherWaitsForEver(SendsLater):
    """Its calls have time-outs, and what the worker sends has none: one answer that never comes stops all writes."""

    runs_in, law = ("steady",), "K1"
    policy: ClassVar[Any] = None

    async def work(self) -> None:
        async with httpx.AsyncClient(base_url=self.http.base_url, timeout=None, trust_env=False) as sender:
            while True:
                session_id, observation = await self.accepted.get()
                await sender.post(f"/sessions/{session_id}/observe", json=observation)


class ReplaysBehindTheNew(ReplaysInOrder):
    """What is new goes straight to KATO, past what was put aside."""

    runs_in, law = ("refuse",), "D4"

    async def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return await self.send_or_put_aside(session_id, observation)

    async def replay(self, session_id: str) -> None:
        await asyncio.sleep(10)
        await super().replay(session_id)


class WorkersOfTheFirstCall(AsyncClient):
    """A queue and its workers, which the first call starts and all others are served by."""

    runs_in = ("steady", "stalled_predictions", "refuse", "now_and_then")

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.waiting: asyncio.Queue[tuple[asyncio.Future[Any], tuple[Any, ...]]] = asyncio.Queue(200)
        self.workers: list[asyncio.Task[None]] = []

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        if not self.workers:
            self.workers = [asyncio.create_task(self.work()) for _ in range(40)]
        answer = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((answer, (method, path, body)))
        return await answer

    async def work(self) -> None:
        while True:
            answer, request = await self.waiting.get()
            try:
                found = await self.send(*request)
            except httpx.HTTPError as error:
                answer.set_exception(error)
            else:
                answer.set_result(found)

    async def close(self) -> None:
        for worker in self.workers:
            worker.cancel()
        await super().close()


class ReleasesAllAtOnce(AsyncClient):
    """Holds calls back while KATO is away, eight seconds at most, and lets them all go when a probe is answered."""

    runs_in, law = ("refuse",), "M3"
    policy = timeouts(total=8.0)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.away: asyncio.Task[None] | None = None

    async def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.wait_for(self.once_there(method, path, body), 8.0)

    async def once_there(self, method: str, path: str, body: Any) -> Any:
        """One attempt, and another each time that KATO turned out to be away and came back."""
        while True:
            if self.away is not None:
                await asyncio.shield(self.away)
            try:
                return await self.send(method, path, body)
            except httpx.ConnectError:
                if self.away is None:
                    self.away = asyncio.create_task(self.probe())

    async def probe(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            try:
                await self.http.get("/health")
            except httpx.HTTPError:
                continue
            self.away = None
            return


class ForgetsItsSession(Plain):
    """Owns its sessions, and forgets a user's when a call fails."""

    runs_in, law = ("now_and_then",), "D6"

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.known: dict[str, str] = {}

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        try:
            return super().observe(self.session(session_id), observation)
        except httpx.HTTPError:
            self.known.pop(session_id, None)
            raise

    def predict(self, session_id: str) -> Any:
        return super().predict(self.session(session_id))

    def session(self, user: str) -> str:
        if user not in self.known:
            self.known[user] = str(self.send("POST", "/sessions", {"node_id": user})["session_id"])
        return self.known[user]


class ForgetsNothing(ForgetsItsSession):
    """Owns its sessions, and keeps a user's whatever happens to a call."""

    runs_in, law = ("now_and_then", "refuse", "steady"), ""

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return Plain.observe(self, self.session(session_id), observation)


class OneSessionForAll(ForgetsNothing):
    """Keeps one session, whoever asks."""

    runs_in, law = ("steady",), "D6"

    def session(self, user: str) -> str:
        return super().session("everybody")


class GivesBareFlags(Client):
    """A fallback that a flag marks, and no `degraded()`."""

    runs_in = ("refuse", "burst", "retry_after")
    policy = {**timeouts(), "fallback": {"marked": True}}

    def predict(self, session_id: str) -> Any:
        try:
            return {"predictions": super().predict(session_id)["predictions"], "stale": False}
        except httpx.HTTPError:
            return {"predictions": [], "stale": True}
