"""Payload generators: what users observe, as pure functions of a random stream (standard library only).

Each makes one observation body as KATO takes it (contract, section 2), most of them from a `draw(i) -> float in [0, 1)`
for i = 0, 1, … Names and sizes follow the guide's real-world examples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

Draw = Callable[[int], float]
Observation = Mapping[str, Any]

PRODUCTS = 1000
INTENTS = ("greeting", "question", "order_status", "complaint", "refund", "smalltalk", "thanks", "goodbye")
PHRASES = (
    "where is my order",
    "it arrived broken",
    "can I change the size",
    "thank you so much",
    "what do you suggest",
)
VECTOR_LENGTH = 16
STRESS_WORDS = 1000
STRESS_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-_"
SPREAD = 0.6180339887498949
"""Multiples of the golden ratio fill the unit interval evenly: many numbers of one draw."""


def product_ranks(numbers: Sequence[float]) -> list[int]:
    """Which products are viewed; popularity falls like 1/rank, as in a shop's catalogue (Zipf, exponent 1)."""
    return [int(PRODUCTS**number) for number in numbers]


def product_view(rank: int) -> Observation:
    """One product view."""
    return {"strings": [f"view:product-{rank}"], "vectors": [], "emotives": {}}


def chat_turns(draw: Draw) -> Observation:
    """One chat turn: an intent, a snippet of at most 50 characters, and a sentiment in [−1, 1]."""
    intent = INTENTS[int(draw(0) * len(INTENTS))]
    snippet = f"{PHRASES[int(draw(1) * len(PHRASES))]} #{int(draw(2) * 200)}"[:50]
    return {"strings": [intent, snippet], "vectors": [], "emotives": {"sentiment": round(draw(3) * 2 - 1, 3)}}


def numeric_vectors(draw: Draw) -> Observation:
    """One vector of VECTOR_LENGTH numbers in [0, 1); one length only, as a node's collection wants it."""
    return {"strings": [], "vectors": [[round(draw(i), 4) for i in range(VECTOR_LENGTH)]], "emotives": {}}


def emotives(draw: Draw) -> Observation:
    """One symbol with two emotives in [0, 1)."""
    return {
        "strings": [f"mood-{int(draw(0) * 20)}"],
        "vectors": [],
        "emotives": {"joy": round(draw(1), 3), "arousal": round(draw(2), 3)},
    }


def stress(draw: Draw) -> Observation:
    """What KATO's own stress suite sends: 1 to 10 strings of 1 to 50 characters out of a vocabulary of 1,000, a vector
    in 30 % and 1 to 5 emotives in 20 % of the observations; vectors of one length, since a node refuses to mix them."""
    strings = [_stress_word(int(_spread(draw(1), n) * STRESS_WORDS)) for n in range(1 + int(draw(0) * 10))]
    vector = [round(_spread(draw(3), n), 4) for n in range(VECTOR_LENGTH)]
    emotives = {f"emotive-{n}": round(_spread(draw(6), n), 3) for n in range(1 + int(draw(5) * 5))}
    return {
        "strings": strings,
        "vectors": [vector] if draw(2) < 0.3 else [],
        "emotives": emotives if draw(4) < 0.2 else {},
    }


def _stress_word(number: int) -> str:
    """The `number`-th word of the vocabulary: 1 to 50 characters, another one for each number."""
    size = 1 + number * 7 % 50
    letters = (STRESS_ALPHABET[(number * 31 + at * at * 7 + at) % len(STRESS_ALPHABET)] for at in range(size))
    name = f"{number:x}"
    return (name + "".join(letters))[: max(size, len(name))]


def _spread(unit: float, number: int) -> float:
    return (unit + number * SPREAD) % 1.0


SCHEDULED = ("observe", "predict", "learn")
MOST_SCHEDULE_S = 1e6
"""Twelve days; a time above is one of a wall clock, or in ms."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Makes payloads in two steps, so that whoever keeps what it made needs the first one only.

    `draws`: so many random numbers a payload, a power of two. `choose`, given the numbers in [0, 1) of many payloads,
    gives what tells each; `make` gives the payload.
    """

    draws: int
    choose: Callable[[Sequence[float]], Sequence[Hashable]]
    make: Callable[[Any], Observation]


def _of(draws: int, make: Callable[[Draw], Observation]) -> Generator:
    """The generator of payloads that seldom come again: its numbers tell one."""
    return Generator(
        draws,
        lambda numbers: [tuple(numbers[at : at + draws]) for at in range(0, len(numbers), draws)],
        lambda numbers: make(numbers.__getitem__),
    )


GENERATORS: Mapping[str, Generator] = {
    "product_views": Generator(1, product_ranks, product_view),
    "chat_turns": _of(4, chat_turns),
    "numeric_vectors": _of(VECTOR_LENGTH, numeric_vectors),
    "emotives": _of(4, emotives),
    "stress": _of(8, stress),
}


def read_schedule(path: str) -> tuple[tuple[int, str], ...]:
    """A recorded schedule as (offset in ns, op or '') in order of time; ValueError names the first bad line.

    JSON lines of {"at": seconds from the start, "op": a call, or left out}.
    """
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            at, op = row["at"], row.get("op", "")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f'{path}:{number}: not an arrival such as {{"at": 0.25, "op": "observe"}}') from None
        if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at < MOST_SCHEDULE_S:
            raise ValueError(f"{path}:{number}: `at` is a number of seconds from the start, not {at!r}")
        if op not in ("", *SCHEDULED):
            raise ValueError(f"{path}:{number}: there is no call {op!r}; name {', '.join(SCHEDULED)}, or none")
        rows.append((round(at * 1e9), op))
    if not rows:
        raise ValueError(f"{path}: the schedule holds no arrival")
    return tuple(sorted(rows, key=lambda row: row[0]))


def read_feed(path: str) -> Sequence[Observation]:
    """The observations of a JSONL feed; raises ValueError that names file and line of the first bad one."""
    rows: list[Observation] = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: not JSON ({error})") from None
            if not isinstance(row, dict):
                raise ValueError(f"{path}:{number}: an observation must be an object")
            rows.append(row)
    if not rows:
        raise ValueError(f"{path}: the feed holds no observation")
    return rows


PARTS = {"strings": 0xFFC00000, "vectors": 0x00200000, "emotives": 0x001F0000}
"""The bits of a fingerprint that tell what is there of each part of an observation: one for each string and emotive
(two may share one), so that an observation from which something was left out has some of them, and none besides."""


def fingerprint(observation: Mapping[str, Any]) -> int:
    """What KATO would learn from an observation, however its client wrote it down, in 32 bits; 0 for what is none.

    The first 16 are those of PARTS, the last 16 a CRC of all of it.
    """
    try:
        strings = list(observation.get("strings") or ())
        vectors = [[float(number) for number in vector] for vector in observation.get("vectors") or ()]
        emotives = sorted([(name, float(weight)) for name, weight in (observation.get("emotives") or {}).items()])
        held = 1 << 21 if vectors else 0
        for name in strings:
            held |= 1 << 22 + crc32(name.encode()) % 10
        for name, _ in emotives:
            held |= 1 << 16 + crc32(name.encode()) % 5
        return held | crc32(repr((strings, vectors, emotives)).encode()) & 0xFFFF
    except (TypeError, ValueError, AttributeError):
        return 0


def fingerprint_of(body: bytes) -> int:
    """The `fingerprint` of a request's body; 0 where it holds no observation."""
    try:
        told = json.loads(body)
    except ValueError:
        return 0
    return fingerprint(told) if isinstance(told, dict) else 0
