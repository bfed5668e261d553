"""What the lean client takes for an answer of KATO's."""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from harness.integrations.fast_wire import Connection
from harness.integrations.kato import BadAnswerError


class KatoStatusError(Exception):
    """KATO answered with a status that isn't 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class Opened(TypedDict):
    """The least that the answer of an opening holds; other keys are checked to be JSON and dropped."""

    session_id: str


class Done(TypedDict):
    """The least that the answer of an observe or a learn holds."""

    status: str


class Predicted(TypedDict):
    """The least that the answer of a predict holds."""

    predictions: list[Any]


DECODE = {
    "open_session": msgspec.json.Decoder(Opened).decode,
    "observe": msgspec.json.Decoder(Done).decode,
    "predict": msgspec.json.Decoder(Predicted).decode,
    "learn": msgspec.json.Decoder(Done).decode,
}
"""Reads the body of an operation's answer; raises msgspec.DecodeError for what is none."""


def answer(op: str, connection: Connection) -> Any:
    """What was answered, if it is a 2xx and holds what the operation's answers do."""
    status = connection.status
    if not 200 <= status < 300:
        raise KatoStatusError(status)
    content = connection.content
    try:
        return DECODE[op](content[0] if len(content) == 1 else b"".join(content))
    except msgspec.DecodeError as error:
        raise BadAnswerError(f"{op} answered what is none of KATO's answers: {error}") from error
