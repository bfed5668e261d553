"""Clients with one defect in what they answer instead: F1 to F4."""

from __future__ import annotations

from typing import Any

from tests.clients.base import NO_PREDICTIONS, Client, FallingBack, Substitute


class FallbackOfAnotherShape(FallingBack):
    """Its substitute for a prediction is a bare list."""

    runs_in, law = ("refuse",), "F1"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        found = super().call(op, method, path, body)
        return Substitute(items=[]) if isinstance(found, Substitute) else found


class UnmarkedFallback(FallingBack):
    """Nothing tells its substitute from a real prediction."""

    runs_in, law = ("refuse",), "F1"

    def degraded(self, result: Any) -> bool:
        return False


class IgnoresStatus(Client):
    """Answers `message_processed: True` whatever KATO said (finding 29)."""

    runs_in, law = ("burst",), "F2"

    def observe(self, session_id: str, observation: Any) -> Any:
        self.http.post(f"/sessions/{session_id}/observe", json=dict(observation))
        return {"message_processed": True}


class SwallowsErrors(Client):
    """Logs what went wrong with an observe, and answers as if nothing had."""

    runs_in, law = ("refuse",), "F2"

    def observe(self, session_id: str, observation: Any) -> Any:
        try:
            return super().observe(session_id, observation)
        except Exception:  # noqa: BLE001 - the defect
            return {"status": "okay"}


class CatchesEverything(FallingBack):
    """A fallback for every exception: KATO's 422 becomes an empty prediction (finding 5)."""

    runs_in, law = ("refusals",), "F3"

    def unwell(self, error: Exception) -> bool:
        return True


class MasksItsOwnBug(FallingBack):
    """Its own KeyError becomes an empty prediction."""

    runs_in, law = ("now_and_then",), "F3"
    served = 0

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        try:
            found = super().call(op, method, path, body)
            self.served += 1
            if op == "predict" and self.served % 3 == 0 and not isinstance(found, Substitute):
                found["items"]
            return found
        except KeyError:
            return Substitute(NO_PREDICTIONS)


class DropsWrites(FallingBack):
    """An observe that fails is answered with a marked substitute, and forgotten (finding 5)."""

    runs_in, law = ("refuse",), "F4"

    def call(self, op: str, method: str, path: str, body: Any = None) -> Any:
        try:
            return super().call(op, method, path, body)
        except Exception as error:
            if op == "observe" and self.unwell(error):
                return Substitute(self.healthy)
            raise

    def observe(self, session_id: str, observation: Any) -> Any:
        found = super().observe(session_id, observation)
        self.healthy = dict(found)
        return found
