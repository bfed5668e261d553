"""How often a request goes to Redis and waits for it, measured on a KATO 3.10.1 whose Redis answered 0.3 s late.

The session is read and written by requests that let the worker serve others. Not counted are up to 5 more that block
it: metadata of the patterns that match, and what a learning writes.
"""

from __future__ import annotations

from harness.twin.kato.messages import Request

_OF_SESSIONS = {
    ("GET", "count"): 1,
    ("GET", "exists"): 2,
    ("GET", "predictions"): 6,
    ("GET", ""): 5,
    ("POST", "config"): 7,
    ("POST", "learn"): 8,
    ("POST", "clear-stm"): 9,
    ("POST", "extend"): 9,
    ("POST", ""): 10,
}
"""By method and last word of the path; the word "" stands for all others, which read alike or write alike."""

_CREATE, _LOOK, _DELETE = 3, 2, 8
_OTHERS = ("/health", "/metrics", "/pattern", "/symbols", "/cache", "/distributed-stm")


def redis_trips(request: Request) -> int:
    """How many answers of Redis the request waits for, one after the other; 0: it asks Redis nothing."""
    words = request.path.strip("/").split("/")
    if words[0] != "sessions":
        return 1 if request.path.startswith(_OTHERS) or "x-session-id" in request.headers else 0
    if len(words) == 1:
        return _CREATE
    if len(words) == 2 and words[1] != "count":
        return _DELETE if request.method == "DELETE" else _LOOK
    of_method = "GET" if request.method == "GET" else "POST"
    return _OF_SESSIONS.get((of_method, words[-1]), _OF_SESSIONS[of_method, ""])
