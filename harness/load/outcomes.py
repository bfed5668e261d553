"""What became of a call, from the exception that ended it or the result it gave (standard library only).

Total: every exception gets an outcome and an error word. An exception is followed to its root (cause, what a wrapper
holds, context); the first link whose class `taxonomy` knows decides. An unknown class counts as what it wraps, else
as what its name or status says, else as a bug of the client.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from harness.model import ORIGINS, WORTH
from harness.taxonomy import WORDS, WRAPPERS, key_of, name_of

MOST_LINKS = 12
"""A chain is followed no further than this."""

_OUTCOME_OF = {
    "connect_timeout": "timeout",
    "read_timeout": "timeout",
    "pool_timeout": "timeout",
    "breaker_open": "rejected",
    "cancelled": "cancelled",
}

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS)

_NAMES = (
    (
        re.compile(r"circuit|breaker|^(is_?)?open(error|exception|state)?$|not_?permitted|fail_?fast", re.I),
        "breaker_open",
    ),
    (re.compile(r"bulk_?head|overload|shed", re.I), "pool_timeout"),
    (re.compile(r"deadline|time_?d?_?out", re.I), "read_timeout"),
    (re.compile(r"bad_?answer|decod|malformed|schema|validation", re.I), "decode"),
    (re.compile(r"exhaust|retry_?error|too_?many_?(retries|attempts)", re.I), "retry_exhausted"),
)
"""What the name of a class that nobody knows says; a client's own breaker is recognised by it."""

_BREAKER_IN_TEXT = re.compile(r"\b(circuit|breaker)\b", re.I)

_TRIPPED = ("Failures threshold reached", "Trial call failed")
"""pybreaker (CircuitClosedState and CircuitHalfOpenState.on_failure) says so of the call that opened the breaker."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call or attempt failed: words of `model.OUTCOMES` and `model.ERRORS`, the HTTP status (0: none).

    `detail`: the chain "TypeRaised < … < RootCause", with ` (EMFILE)` where the machine had no socket left, for
    client_bug with ` @ file:line` of where it was raised.
    """

    outcome: str
    error: str
    status: int
    detail: str


def classify(error: BaseException) -> Failure:
    """The failure that an exception means, whatever library raised it."""
    links = tuple(chain(error))
    outcome, word, status = _resolve(links)
    detail = " < ".join(_names(links)) + _exhausted(links)
    return Failure(outcome, word, status, f"{detail} @ {_where(links[0])}" if word == "client_bug" else detail)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, down to the root; each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen and len(seen) < MOST_LINKS:
        seen.add(id(link))
        yield link
        link = _inner(link)


def shape(result: Any) -> str:
    """Keys and types of a result, one level deep: `{count:int,predictions:list}`; an object's public fields
    alike, and a tuple's places. What may say how much an answer is worth is given as it is: flags (`true`, `false`),
    the words of `model.WORTH` (`str=stale`), and any word in a field of `model.ORIGINS` (`source:str=popular`)."""
    if isinstance(result, dict):
        return _fields(result)
    if isinstance(result, tuple):
        named = getattr(result, "_asdict", None)
        places = ",".join(_word_of(_kind(value)) for value in result[:_MOST_FIELDS])
        return type(result).__name__ + _fields(named()) if named else f"({places})"
    if isinstance(result, (str, bytes, int, float, list, set, type(None))):
        return _word_of(_kind(result))
    return type(result).__name__ + _fields({k: v for k, v in _vars(result).items() if not k.startswith("_")})


_MOST_FIELDS = 40


def _fields(values: dict[Any, Any]) -> str:
    names = tuple(map(str, values))
    kinds = (
        _origin(value) if name in ORIGINS else _kind(value) for name, value in zip(names, values.values(), strict=True)
    )
    return _pairs(names, tuple(kinds))


@lru_cache(1024)  # results of one call are alike
def _pairs(keys: tuple[str, ...], kinds: tuple[type | bool | str, ...]) -> str:
    pairs = sorted(zip(keys, map(_word_of, kinds), strict=True))
    return "{" + ",".join(f"{key}:{word}" for key, word in pairs[:_MOST_FIELDS]) + "}"


def _kind(value: Any) -> type | bool | str:
    """What of a value its shape shows: its type, and a flag or a word about the answer's worth as it is."""
    if value is True or value is False:
        return value
    text = value.name if isinstance(value, Enum) else value
    if isinstance(text, str) and len(text) <= _LONGEST_WORD and text.lower() in WORTH:
        return f"{type(value).__name__}={text.lower()}"
    return type(value)


def _origin(value: Any) -> type | bool | str:
    """The kind of a field that says where a result comes from: a word as it is."""
    text = value.name if isinstance(value, Enum) else value
    told = isinstance(text, str) and _WORD.fullmatch(text)
    return f"{type(value).__name__}={text.lower()}" if told else _kind(value)


_LONGEST_WORD = max(map(len, WORTH))
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,23}")


def _word_of(kind: type | bool | str) -> str:
    if kind is type(None):
        return "null"
    if isinstance(kind, str):
        return kind
    if isinstance(kind, bool):
        return "true" if kind else "false"
    return next((known.__name__ for known in (dict, list) if issubclass(kind, known)), kind.__name__)


def _vars(result: Any) -> dict[str, Any]:
    if hasattr(result, "__dict__"):
        return dict(vars(result))
    return {name: getattr(result, name, None) for name in getattr(type(result), "__slots__", ())}


def _inner(link: BaseException) -> BaseException | None:
    """What an exception wraps: a retry's last error, a group's first, the cause, an argument, the context."""
    last = getattr(link, "last_attempt", None)
    if last is not None and getattr(last, "failed", False):
        return _exception(last.exception())
    group = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
    held = (*group, getattr(link, "reason", None), link.__cause__, *reversed(link.args))
    found = next((item for item in held if isinstance(item, BaseException)), None)
    return found or (None if link.__suppress_context__ else link.__context__)


def _exception(value: Any) -> BaseException | None:
    return value if isinstance(value, BaseException) else None


def _resolve(links: Sequence[BaseException]) -> tuple[str, str, int]:
    """Outcome, error word and status: the first link that says something decides, the first wrapper's word else."""
    fallback = ""
    for at, link in enumerate(links):
        key = key_of(type(link))
        word = _word(link, key, links[at + 1 :])
        if word == "retry_exhausted":
            outcome, _, status = _resolve(links[at + 1 :])
            return outcome, word, status or _status_in_text(links[at:])
        if word == "status":
            status = status_of(link)
            return ("error", _status_word(status), status) if status >= 400 else ("error", "protocol_error", status)
        if word != "cause":
            return _OUTCOME_OF.get(word, "error"), word, 0
        fallback = fallback or next(iter(WRAPPERS.get(key or "", ())), "")
    word = fallback or "client_bug"
    return _OUTCOME_OF.get(word, "error"), word, 0


def _word(link: BaseException, key: str | None, inside: Sequence[BaseException]) -> str:
    word = WORDS[key] if key else "cause"
    if word == "cause":
        guessed = _guess(link) if key != name_of(type(link)) else None
        return _errno_word(link) or guessed or (None if inside else _said(link)) or word
    if word == "breaker_open" and _is_trip(link, inside):
        return "cause"
    if word == "protocol_error" and "disconnected without sending" in _text(link):
        return "reset"
    if word == "status" and inside and WORDS.get(key_of(type(inside[0])) or "") == "protocol_error":
        return "protocol_error"
    return _errno_word(link) or word


def _errno_word(link: BaseException) -> str | None:
    """ETIMEDOUT is the kernel's word for a handshake without answer; Python calls it TimeoutError all the same."""
    return "connect_timeout" if isinstance(link, OSError) and link.errno == errno.ETIMEDOUT else None


def _is_trip(link: BaseException, inside: Sequence[BaseException]) -> bool:
    """True for a breaker's error that replaces the failure which opened it: that call was tried, not rejected."""
    return bool(inside) and (link.__cause__ is not None or _text(link).startswith(_TRIPPED))


def _text(link: BaseException) -> str:
    """The first text among the arguments; a half-made exception's own __str__ may raise."""
    return next((item for item in link.args if isinstance(item, str)), "")


def _guess(link: BaseException) -> str | None:
    if status_of(link) >= 400:
        return "status"
    return next((word for pattern, word in _NAMES if pattern.search(type(link).__name__)), None)


def _said(link: BaseException) -> str | None:
    """What an exception that wraps nothing says of itself: RuntimeError("circuit open") is a breaker's rejection."""
    return "breaker_open" if _BREAKER_IN_TEXT.search(_text(link)) else None


def status_of(error: BaseException) -> int:
    """The HTTP status that an exception carries itself or on its response; 0 for none."""
    response = getattr(error, "response", None)
    values = [getattr(holder, name, 0) for holder in (error, response) for name in ("status_code", "status")]
    values.append(getattr(error, "__dict__", {}).get("code", 0))
    return next((value for value in values if isinstance(value, int) and 100 <= value <= 599), 0)


def _status_word(status: int) -> str:
    return "5xx" if status >= 500 else "4xx"


_IN_TEXT = re.compile(r"too many (\d{3}) error responses")


def _status_in_text(links: Sequence[BaseException]) -> int:
    """urllib3 tells the status of an exhausted retry only in its text (exceptions.py, ResponseError)."""
    matches = (_IN_TEXT.search(_text(link)) for link in links)
    return next((int(match[1]) for match in matches if match), 0)


def _names(links: Sequence[BaseException]) -> list[str]:
    names = [type(link).__name__ for link in links]
    return [name for at, name in enumerate(names) if at == 0 or name != names[at - 1]]


def _exhausted(links: Sequence[BaseException]) -> str:
    codes = (link.errno for link in links if isinstance(link, OSError))
    return next((f" ({errno.errorcode[code]})" for code in codes if code in _EXHAUSTED), "")


def _where(error: BaseException) -> str:
    """File name and line where the exception was raised; `?` without a traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
