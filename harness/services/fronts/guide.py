"""The integration guide's "FastAPI Microservice Integration" as a service, with its defects.

Defects kept: a new AsyncClient for every request, never closed; "create or reuse session" always creates; three steps
of 30 s each with no deadline over them; every failure is 500 with the text of the exception; a caller that goes away
is worked for to the end. Not kept: that each client loads the certificates anew, tens of ms of CPU that hide the rest.
`KATO_TIMEOUT_S` stands for the guide's 30 s, so that runs can be shortened.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

import httpx
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
TLS = httpx.create_ssl_context()


class KatoService:
    """The guide's client."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.client = httpx.AsyncClient(timeout=float(os.environ.get("KATO_TIMEOUT_S", "30.0")), verify=TLS)

    async def create_session(self, node_id: str) -> str:
        response = await self.client.post(f"{self.base_url}/sessions", json={"node_id": node_id})
        response.raise_for_status()
        return str(response.json()["session_id"])

    async def observe(self, session_id: str, observation: dict[str, Any]) -> Any:
        response = await self.client.post(f"{self.base_url}/sessions/{session_id}/observe", json=observation)
        response.raise_for_status()
        return response.json()

    async def get_predictions(self, session_id: str) -> Any:
        response = await self.client.get(f"{self.base_url}/sessions/{session_id}/predictions")
        response.raise_for_status()
        return response.json()


async def get_kato_service() -> KatoService:
    return KatoService(base_url=os.environ["KATO_URL"])


class ObservationRequest(BaseModel):
    user_id: str
    strings: list[str]
    vectors: list[list[float]]
    emotives: dict[str, float]


@app.post("/api/process")
async def process_observation(
    request: ObservationRequest, kato: Annotated[KatoService, Depends(get_kato_service)]
) -> dict[str, Any]:
    """Process observation with KATO memory."""
    try:
        session_id = await kato.create_session(request.user_id)
        told = {"strings": request.strings, "vectors": request.vectors, "emotives": request.emotives}
        result = await kato.observe(session_id, told)
        predictions = await kato.get_predictions(session_id)
        return {"observation_result": result, "predictions": predictions}
    except httpx.HTTPError as error:
        raise HTTPException(status_code=500, detail=f"KATO error: {error!s}") from error


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
