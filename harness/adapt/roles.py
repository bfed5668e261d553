"""Which method of a client does what: told by the endpoints that it asks, else by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.adapt.source import CURE, ClientSource, Method
from harness.errors import UsageError

NAMES: Mapping[str, Sequence[str]] = {
    "open_session": ("open_session", "create_session", "new_session", "start_session", "begin_session", "session"),
    "observe": ("observe", "send_observation", "add_observation", "record", "track", "remember"),
    "predict": ("predict", "get_predictions", "predictions", "get_prediction", "recall", "get_recommendations"),
    "learn": ("learn", "learn_pattern", "train", "consolidate"),
    "close": ("close", "aclose", "shutdown", "stop", "disconnect", "dispose"),
}
"""For each method of the protocol the names that clients give it, the likeliest first."""

STEMS: Mapping[str, str] = {
    "open_session": r"(open|create|new|start|begin|ensure|get)_?session|session_for",
    "observe": r"observ",
    "predict": r"predict|recommend|suggest|forecast",
    "learn": r"^learn|^train",
    "close": r"^(a?close|shutdown|disconnect)",
}

ASKED: Mapping[str, frozenset[str]] = {
    "observe": frozenset({"observe", "observe-sequence"}),
    "predict": frozenset({"predictions"}),
    "learn": frozenset({"learn"}),
}
"""The last piece of the endpoint that a role asks (kato/contract.md)."""

OTHERS = frozenset({"stm", "clear-stm", "clear-all", "config", "extend", "exists", "cognition-data", "percept-data"})
MANY = re.compile(r"many|batch|bulk|sequence|(^|_)all(_|$)")


def roles_of(client: ClientSource) -> Mapping[str, Method]:
    """The client's method for each role that it has; raises UsageError for a client that observes nothing."""
    public = {name: method for name, method in client.methods.items() if not name.startswith("_")}
    found: dict[str, Method] = {}
    for role in NAMES:
        method = _chosen(role, [m for m in public.values() if not (role == "predict" and m is found.get("observe"))])
        if method is not None:
            found[role] = method
    if found.get("open_session") is found.get("observe"):
        found.pop("open_session", None)
    if "observe" in found:
        return found
    what = f"{client.file}:{client.line}: {client.name or client.file.name} has no method that observes"
    raise UsageError(what, f"its methods are {', '.join(public) or 'none'}; {CURE}")


def _chosen(role: str, methods: Sequence[Method]) -> Method | None:
    asking = [method for method in methods if _asks(role, method)]
    wrapping = [m for m in methods if _stem(role, m) and m.calls & {a.name for a in asking} and not MANY.search(m.name)]
    for candidates in (wrapping, asking, methods if role != "close" or not asking else []):
        single = [method for method in candidates if not MANY.search(method.name)]
        named = _by_name(role, single or candidates)
        if named is not None:
            return named
        if candidates is not methods and candidates:
            return (single or candidates)[0]
    return None


def _asks(role: str, method: Method) -> bool:
    if role == "open_session":
        asked = method.pieces & (OTHERS | frozenset().union(*ASKED.values()))
        return "sessions" in method.pieces and not asked and bool({"post", "post()"} & method.pieces)
    return bool(ASKED.get(role, frozenset()) & method.pieces)


def _by_name(role: str, methods: Sequence[Method]) -> Method | None:
    by_name = {method.name: method for method in methods}
    exact = next((by_name[name] for name in NAMES[role] if name in by_name), None)
    return exact or next((method for method in methods if _stem(role, method)), None)


def _stem(role: str, method: Method) -> bool:
    return re.search(STEMS[role], method.name) is not None
