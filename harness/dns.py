"""The little of DNS that a stub resolver and its clients need (RFC 1035; standard library only).

Names are dotted texts without the last dot; only questions for one name and answers of A records are understood.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

A, AAAA = 1, 28
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
MAX_BYTES = 512

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RESPONSE, _RECURSION = 0x8180, 0x0100
_POINTER = 0xC0


class DnsError(ValueError):
    """These bytes are no message that this resolver understands."""


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for which records of a name; `number` comes back in the answer."""

    number: int
    name: str
    kind: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The IPv4 addresses of a name, how long they may be kept (s), and the response code."""

    number: int
    code: int
    addresses: tuple[str, ...] = ()
    ttl: int = 0


def ask(question: Question) -> bytes:
    """The question as a message."""
    head = _HEADER.pack(question.number, _RECURSION, 1, 0, 0, 0)
    return head + _name(question.name) + struct.pack("!2H", question.kind, 1)


def answer(question: Question, addresses: Sequence[str], ttl: int, code: int = NO_ERROR) -> bytes:
    """The answer to a question as a message."""
    records = addresses if code == NO_ERROR and question.kind == A else ()
    head = _HEADER.pack(question.number, _RESPONSE | code, 1, len(records), 0, 0)
    asked = _name(question.name) + struct.pack("!2H", question.kind, 1)
    pointer = struct.pack("!H", _POINTER << 8 | _HEADER.size)
    told = b"".join(pointer + _RECORD.pack(A, 1, ttl, 4) + socket.inet_aton(address) for address in records)
    return head + asked + told


def parse_question(message: bytes) -> Question:
    """The question in a message; raises DnsError."""
    number, _, count, *_ = _head(message)
    if count != 1:
        raise DnsError(f"{count} questions in one message")
    name, at = _read_name(message, _HEADER.size)
    (kind,) = _unpack("!H", message, at)
    return Question(number, name, kind)


def parse_answer(message: bytes) -> Answer:
    """The answer in a message; raises DnsError."""
    number, flags, questions, records, *_ = _head(message)
    at = _HEADER.size
    for _ in range(questions):
        at = _read_name(message, at)[1]
        _unpack("!2H", message, at)
        at += 4
    addresses, ttls = [], []
    for _ in range(records):
        at = _read_name(message, at)[1]
        kind, _, ttl, size = _unpack(_RECORD.format, message, at)
        at += _RECORD.size
        _unpack(f"!{size}s", message, at)
        if kind == A and size == 4:
            addresses.append(socket.inet_ntoa(message[at : at + 4]))
            ttls.append(ttl)
        at += size
    return Answer(number, flags & 0xF, tuple(addresses), min(ttls, default=0))


def _head(message: bytes) -> tuple[int, ...]:
    return _unpack(_HEADER.format, message, 0)


def _unpack(form: str, message: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form, message, at)
    except struct.error:
        raise DnsError("the message is cut") from None


def _name(name: str) -> bytes:
    labels = [label.encode("idna") for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name that begins at `at`, and where what follows begins. A pointer ends a name and is not followed twice."""
    labels: list[str] = []
    end = 0
    for _ in range(MAX_BYTES):
        (size,) = _unpack("!B", message, at)
        if size >= _POINTER:
            (target,) = _unpack("!H", message, at)
            end = end or at + 2
            at = target & 0x3FFF
        elif size:
            labels.append(message[at + 1 : at + 1 + size].decode("ascii", "replace"))
            at += 1 + size
        else:
            return ".".join(labels), end or at + 1
    raise DnsError("a name without end")
