"""What a real KATO's answer to a prediction foretells, as far as the evidence holds it."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.spool import MOST_FUTURES


class _Prediction(msgspec.Struct):
    future: list[Any] | None = None


class _Answer(msgspec.Struct):
    predictions: list[_Prediction]


_decode = msgspec.json.Decoder(_Answer).decode


def futures_in(body: bytes) -> int:
    """One more than the predictions that expect something, at most MOST_FUTURES; 0 where that is no whole answer."""
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0
    return min(1 + sum(bool(each.future) for each in answer.predictions), MOST_FUTURES)
