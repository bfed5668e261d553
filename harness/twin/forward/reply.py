"""Replies of the target as they come: parsed, held whole up to STREAM_BYTES, streamed beyond."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HOP = {"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}


class Headers(Mapping[str, str]):
    """Header fields in order; `items` gives every field, also repeated ones, a look-up the last of that name."""

    __slots__ = ("_last", "_pairs")

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        self._last = dict(pairs)

    def __getitem__(self, name: str) -> str:
        return self._last[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def items(self) -> Any:
        """All fields in the order in which they came."""
        return self._pairs


def end_to_end(raw: list[tuple[bytes, bytes]]) -> Headers:
    """The fields that go on to the client: hop-by-hop ones left out, but for `connection: close`."""
    pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in raw]
    return Headers([(name, value) for name, value in pairs if name not in _HOP and _passes(name, value)])


def _passes(name: str, value: str) -> bool:
    return name != "connection" or value.lower() == "close"
