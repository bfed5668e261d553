"""Cross-origin headers of a server that lets every origin in (Starlette's middleware with credentials)."""

from __future__ import annotations

from collections.abc import Mapping

from harness.twin.kato.messages import TEXT_TYPE, Answer

METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_CREDENTIALS = {"access-control-allow-credentials": "true"}


def preflight(method: str, headers: Mapping[str, str]) -> Answer | None:
    """The answer to a preflight request; None for any other."""
    wanted = headers.get("access-control-request-method")
    if method != "OPTIONS" or "origin" not in headers or wanted is None:
        return None
    allowed = {
        **TEXT_TYPE,
        "vary": "Origin",
        "access-control-allow-methods": ", ".join(METHODS),
        "access-control-max-age": "600",
        **_CREDENTIALS,
        "access-control-allow-origin": headers["origin"],
    }
    if "access-control-request-headers" in headers:
        allowed["access-control-allow-headers"] = headers["access-control-request-headers"]
    if wanted not in METHODS:
        return Answer(400, b"Disallowed CORS method", allowed)
    return Answer(200, b"OK", allowed)


def headers_for(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers that an answer to a request with these headers gets."""
    if "origin" not in headers:
        return {}
    if "cookie" in headers:
        return {**_CREDENTIALS, "access-control-allow-origin": headers["origin"], "vary": "Origin"}
    return {**_CREDENTIALS, "access-control-allow-origin": "*"}
