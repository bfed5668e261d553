"""What services make of KATO's predictions: the next event of each, whatever shape it has, and a substitute."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

REMEMBERED = 10_000
"""Users whose last good answer is kept."""


def next_events(predictions: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """The event that each prediction expects next; none for a pattern that has ended.

    With one symbol in the STM `future` is a flat list of symbols, else a list of events (contract, section 2).
    """
    for prediction in predictions:
        future = prediction.get("future") or []
        if future:
            yield [future[0]] if isinstance(future[0], str) else list(future[0])


def unwell(error: BaseException) -> bool:
    """KATO is not to be had; a status of 4xx and mistakes of our own are not that."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500
    return isinstance(error, (httpx.TransportError, TimeoutError))


class LastGood:
    """The last good answer of each user, the oldest forgotten first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, list[str]] = OrderedDict()

    def keep(self, user: str, answer: list[str]) -> None:
        """Remember an answer."""
        self._answers[user] = answer
        self._answers.move_to_end(user)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)

    def get(self, user: str) -> list[str]:
        """The user's last good answer, empty where there was none."""
        return self._answers.get(user, [])
