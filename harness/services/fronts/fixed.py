"""The guide's front service, corrected.

One client for the process; a session a user, opened once and again only after a 404; one deadline over all steps; a
time-out is 504, a KATO that is not to be reached 503, a failure of KATO 502, with no word of the inside; a caller that
goes away ends the work. `KATO_TIMEOUT_S` is the deadline of a request.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

TOTAL_S = float(os.environ.get("KATO_TIMEOUT_S", "10"))
CONNECTIONS = 100
USERS = 10_000
"""Sessions that are kept; the one unused longest is forgotten first."""


class Observation(BaseModel):
    user_id: str
    strings: list[str] = []
    vectors: list[list[float]] = []
    emotives: dict[str, float] = {}


class Kato:
    """KATO for all requests; sessions by user, each opened once even when its first requests come together."""

    def __init__(self, base_url: str) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=2.0)
        self.client = httpx.AsyncClient(base_url=base_url, timeout=TOTAL_S, limits=limits)
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._opening: dict[str, asyncio.Lock] = {}

    async def process(self, asked: Observation) -> dict[str, Any]:
        """Observe in the user's session, and predict; a session that KATO no longer has is opened anew."""
        told = asked.model_dump(exclude={"user_id"})
        session = await self._session(asked.user_id)
        try:
            result = await self._send("POST", f"/sessions/{session}/observe", told, "status")
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            self._sessions.pop(asked.user_id, None)
            session = await self._session(asked.user_id)
            result = await self._send("POST", f"/sessions/{session}/observe", told, "status")
        predictions = await self._send("GET", f"/sessions/{session}/predictions", None, "predictions")
        return {"observation_result": result, "predictions": predictions}

    async def _session(self, user: str) -> str:
        async with self._opening.setdefault(user, asyncio.Lock()):
            if user not in self._sessions:
                answer = await self._send("POST", "/sessions", {"node_id": user}, "session_id")
                self._sessions[user] = str(answer["session_id"])
                if len(self._sessions) > USERS:
                    self._opening.pop(self._sessions.popitem(last=False)[0], None)
            self._sessions.move_to_end(user)
            return self._sessions[user]

    async def _send(self, method: str, path: str, body: Any, key: str) -> dict[str, Any]:
        """The object that KATO answered; ValueError for one without `key`."""
        response = await self.client.request(method, path, json=body)
        response.raise_for_status()
        answer = response.json()
        if not isinstance(answer, dict) or key not in answer:
            raise ValueError(f"{path} answered without {key}")
        return answer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client from start to end."""
    app.state.kato = Kato(os.environ["KATO_URL"])
    yield
    await app.state.kato.client.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> dict[str, str]:
    """The service is up."""
    return {"status": "ready"}


@app.post("/api/process")
async def process(asked: Observation, request: Request) -> Any:
    """Observe and predict for a user within TOTAL_S."""
    try:
        async with asyncio.timeout(TOTAL_S):
            return await while_wanted(request, request.app.state.kato.process(asked))
    except (TimeoutError, httpx.TimeoutException):
        return refusal(504, "KATO did not answer in time")
    except httpx.ConnectError:
        return refusal(503, "KATO is not to be reached")
    except httpx.HTTPStatusError as error:
        if error.response.status_code in (429, 503):
            return refusal(503, "KATO has no room now")
        return refusal(502, "KATO failed")
    except (httpx.HTTPError, ValueError):
        return refusal(502, "KATO failed")


async def while_wanted(request: Request, work: Awaitable[Any]) -> Any:
    """The work's result; cancelled when the caller goes away, for nobody would read it."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else refusal(499, "the caller went away")
    finally:
        for each in (task, gone):
            each.cancel()
            with suppress(BaseException):
                await each


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def refusal(status: int, words: str) -> JSONResponse:
    """An answer without a word of the inside."""
    return JSONResponse({"detail": words}, status)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
