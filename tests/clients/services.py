"""Services built on KATO's predictions and on what they observe: F5, D8, and sound ones of other make."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from tests.clients.base import Client


class Recommender(Client):
    """Names the next products of KATO's predictions."""

    runs_in = ("shop", "chat")

    def learn(self, session_id: str) -> Any:
        return self.call("learn", "POST", f"/sessions/{session_id}/learn", {})

    def predict(self, session_id: str) -> Any:
        found = super().predict(session_id)
        return {"next": list(dict.fromkeys(name for each in found["predictions"] for name in self.foretold(each)))}

    def foretold(self, prediction: Mapping[str, Any]) -> Iterator[str]:
        """The symbols of the next event: `future` is a list of symbols, or of events."""
        for event in prediction["future"][:1]:
            yield from [event] if isinstance(event, str) else event

    def symbols(self, result: Any) -> list[str]:
        return list(result["next"])


class ReadsAnotherKey(Recommender):
    """Looks for the next events under a name that KATO doesn't use, and finds none, ever."""

    runs_in, law = ("shop", "chat"), "F5"

    def foretold(self, prediction: Mapping[str, Any]) -> Iterator[str]:
        return iter(prediction.get("next_events", ()))


class SwallowsItsOwnShape(Recommender):
    """Takes `future` for an object of events; the error is caught, and an answer of nothing looks like a quiet shop."""

    runs_in, law = ("shop",), "F5"

    def predict(self, session_id: str) -> Any:
        try:
            return super().predict(session_id)
        except TypeError:
            return {"next": []}

    def foretold(self, prediction: Mapping[str, Any]) -> Iterator[str]:
        return iter(prediction["future"]["0"])


class NamesBestsellers(Recommender):
    """Fills an empty answer up with what sells anyway."""

    runs_in, law = ("shop",), "F5"

    def predict(self, session_id: str) -> Any:
        found = super().predict(session_id)
        return {"next": found["next"] or ["view:bestseller"]}


class ForgetsEmotives(Recommender):
    """Observes intent and snippet, and not how they were meant."""

    runs_in, law = ("chat",), "D8"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(session_id, {**observation, "emotives": {}})


class ForgetsTheIntent(Recommender):
    """Observes the snippet alone."""

    runs_in, law = ("chat",), "D8"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(session_id, {**observation, "strings": observation["strings"][-1:]})


class ForgetsDislike(Recommender):
    """Passes emotives on that are truthy and positive: `if weight > 0`."""

    runs_in, law = ("chat",), "D8"

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        kept = {name: weight for name, weight in observation["emotives"].items() if weight > 0}
        return super().observe(session_id, {**observation, "emotives": kept})


class SaysItInOneWord(Recommender):
    """Observes a turn as one symbol of its own; symbols are told without that."""

    runs_in = ("chat",)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(session_id, {**observation, "strings": ["|".join(observation["strings"])]})

    def symbols(self, result: Any) -> list[str]:
        return [name for symbol in result["next"] for name in symbol.split("|")]


class LeavesOutWhatWasJustSeen(Recommender):
    """Recommends nothing that its user has looked at since the last learn, and keeps an answer until the next view."""

    runs_in = ("shop",)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.seen: dict[str, set[str]] = {}
        self.kept: dict[str, Any] = {}

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        self.kept.pop(session_id, None)
        self.seen.setdefault(session_id, set()).update(observation["strings"])
        return super().observe(session_id, observation)

    def learn(self, session_id: str) -> Any:
        self.kept.pop(session_id, None)
        self.seen.pop(session_id, None)
        return super().learn(session_id)

    def predict(self, session_id: str) -> Any:
        if session_id not in self.kept:
            found = super().predict(session_id)["next"]
            self.kept[session_id] = {"next": [name for name in found if name not in self.seen.get(session_id, ())]}
        return self.kept[session_id]


class KeepsAnswersForAWhile(Recommender):
    """Gives an answer again for 400 ms, whatever becomes of KATO, and not longer."""

    runs_in = ("shop",)

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self.kept: dict[str, tuple[float, Any]] = {}

    def predict(self, session_id: str) -> Any:
        at, found = self.kept.get(session_id, (0.0, None))
        if found is None or time.monotonic() - at > 0.4:
            found = super().predict(session_id)
            self.kept[session_id] = time.monotonic(), found
        return found


class NotesWhereItWas(Recommender):
    """Observes a turn with the channel that it came by."""

    runs_in = ("chat",)

    def observe(self, session_id: str, observation: Mapping[str, Any]) -> Any:
        return super().observe(session_id, {**observation, "strings": [*observation["strings"], "channel:web"]})

    def symbols(self, result: Any) -> list[str]:
        return [name for name in result["next"] if name != "channel:web"]
