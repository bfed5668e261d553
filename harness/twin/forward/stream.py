"""Bytes on their way through a forwarding witness: nothing is held beyond what one read brought."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from zlib import crc32

from harness.twin.http import frame
from harness.twin.steps import Source


class BytesStream:
    """A body that is still arriving. Pieces wait until somebody opens it; `hold` and `release` rule the reading."""

    __slots__ = ("_end", "_hold", "_pieces", "_push", "_release", "_whole", "crc", "over")

    def __init__(self, hold: Callable[[], None], release: Callable[[], None]) -> None:
        self._hold = hold
        self._release = release
        self._pieces: deque[bytes] = deque()
        self._push: Callable[[bytes], None] | None = None
        self._end: Callable[[bool], None] | None = None
        self._whole = False
        self.over = False
        self.crc = 0

    def feed(self, piece: bytes) -> None:
        """A piece arrived."""
        self.crc = crc32(piece, self.crc)
        if self._push is not None:
            self._push(piece)
            return
        self._pieces.append(piece)
        self._hold()

    def end(self, whole: bool) -> None:
        """Nothing more comes; `whole` where that is as it should be."""
        if self.over:
            return
        self.over = True
        self._whole = whole
        if self._end is not None:
            self._end(whole)

    def open(self, push: Callable[[bytes], None], end: Callable[[bool], None]) -> None:
        """Give what waits and all that follows to `push`, then call `end`."""
        self._push = push
        self._end = end
        if not self.over:
            self._release()
        while self._pieces:
            push(self._pieces.popleft())
        if self.over:
            end(self._whole)

    def choke(self, flag: bool) -> None:
        """Stop or go on reading, because the taker can't or can keep up."""
        if not self.over:
            (self._hold if flag else self._release)()

    def discard(self) -> None:
        """Throw away what comes, unless somebody opened the stream already."""
        if self._push is None:
            self.open(lambda piece: None, lambda whole: None)


class Chunked:
    """A source in the framing of `Transfer-Encoding: chunked` (RFC 9112, 7.1)."""

    __slots__ = ("_source",)

    def __init__(self, source: Source) -> None:
        self._source = source

    def open(self, push: Callable[[bytes], None], end: Callable[[bool], None]) -> None:
        """As the source's, framed."""

        def ended(whole: bool) -> None:
            if whole:
                push(b"0\r\n\r\n")
            end(whole)

        self._source.open(lambda piece: push(frame(piece)), ended)

    def choke(self, flag: bool) -> None:
        """As the source's."""
        self._source.choke(flag)
