"""What becomes of text that KATO puts between quotes into SQL without escaping it."""

from __future__ import annotations


def is_broken(text: str) -> bool:
    """`'text'` is no SQL string literal, or can't be sent at all (lone surrogates): the query fails."""
    if "'" not in text and "\\" not in text:
        return not text.isascii() and not _sendable(text)
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            if at == len(text):
                return True
        elif text[at] == "'":
            at += 1
            if at == len(text) or text[at] != "'":
                return True
        at += 1
    return not _sendable(text)


def is_changed(text: str) -> bool:
    """`'text'` is a literal of another text, because of escapes: the query finds nothing."""
    return "'" in text or "\\" in text


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
