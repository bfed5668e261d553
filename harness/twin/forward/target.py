"""The real KATO behind the witness: where it is and how to speak to it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class Target:
    """`prefix` is what the URL's path adds before every request's path; `tls` is None for plain HTTP."""

    host: str
    port: int
    authority: bytes
    prefix: bytes
    tls: ssl.SSLContext | None = None


def parse_target(url: str, ca: str = "", certificate: str = "", key: str = "") -> Target:
    """The target of an http or https URL; raises UsageError naming what is wrong with it."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"target {url!r}: the port is no number from 0 to 65535", "http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"target {url!r} is no http or https URL", "http://HOST:PORT")
    if parts.username or parts.query:
        raise UsageError(f"target {url!r} holds a user or a query", "give credentials as headers of the client")
    secure = parts.scheme == "https"
    authority = parts.netloc.encode("idna" if not parts.netloc.isascii() else "ascii")
    return Target(
        parts.hostname,
        port or (443 if secure else 80),
        authority,
        parts.path.rstrip("/").encode(),
        _context(ca, certificate, key) if secure else None,
    )


def nobody_at(url: str, within_s: float = 5.0) -> str:
    """Why no connection to the URL comes about in that time; '' where one does. Raises UsageError as parse_target."""
    target = parse_target(url)
    try:
        socket.create_connection((target.host, target.port), within_s).close()
    except OSError as error:
        return str(error)
    return ""


def _context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca or None)
        if certificate:
            context.load_cert_chain(certificate, key or None)
    except OSError as error:
        raise UsageError(f"TLS files {ca} {certificate} {key}: {error}", "name readable PEM files") from None
    return context
