"""Policies from nested mappings (YAML, JSON) and the key-by-key merge: declared over read over default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from harness.policy.types import Backoff, Breaker, Budget, Fallback, Policy, Promise, Retry, Timeout

_PARTS: Mapping[str, type] = {
    "timeout": Timeout,
    "retry": Retry,
    "retry.backoff": Backoff,
    "retry.budget": Budget,
    "breaker": Breaker,
    "fallback": Fallback,
}
DURATIONS = frozenset(
    {f"timeout.{name}" for name in ("connect", "read", "write", "pool", "total")}
    | {f"retry.backoff.{name}" for name in ("initial", "max", "spread", "first")}
    | {"breaker.reset_timeout", "breaker.window"}
)


OBLIGATIONS = frozenset({"breaker.counts"})
"""What code does here is no promise: a read value never lowers an obligation, only a declared one does (design)."""


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mapping to dotted keys; lists become tuples, empty mappings keep their own key."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = tuple(value) if isinstance(value, list) else value
    return flat


def shared_key(key: str) -> str:
    """The key without the operation that it is for: `timeout.read` of `calls.predict.timeout.read`."""
    first, _, own = key.partition(".")
    return own.partition(".")[2] if first == "calls" else key


def from_mapping(mapping: Mapping[str, Any]) -> Policy:
    """A Policy from nested plain values (durations in float seconds); unknown keys raise KeyError with their name."""
    shared = {key: value for key, value in mapping.items() if key != "calls"}
    flat = flatten(shared)
    calls = {op: _build(flat | flatten(own)) for op, own in dict(mapping.get("calls") or {}).items()}
    policy = _build(flat)
    return Policy(policy.timeout, policy.retry, policy.breaker, policy.fallback, policy.sessions, calls)


def _build(flat: Mapping[str, Any]) -> Policy:
    return Policy(
        timeout=_part("timeout", flat),
        retry=_part("retry", flat),
        breaker=_part("breaker", flat),
        fallback=_part("fallback", flat),
        sessions=str(flat.get("sessions", "one_per_user")),
    )


def _part(path: str, flat: Mapping[str, Any]) -> Any:
    if not any(key == path or key.startswith(path + ".") for key in flat) or flat.get(path, ...) is None:
        return None
    kind = _PARTS[path]
    hints = get_type_hints(kind)
    values = {}
    for item in fields(kind):
        key = f"{path}.{item.name}"
        if key in _PARTS:
            values[item.name] = _part(key, flat)
        elif key in flat:
            values[item.name] = (
                float(flat[key]) if "float" in str(hints[item.name]) and _number(flat[key]) else flat[key]
            )
    return kind(**values)


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def to_mapping(policy: Policy) -> dict[str, Any]:
    """The nested plain mapping of a policy without its Nones: `from_mapping(to_mapping(p)) == p`."""
    return _plain(policy)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(v) for f in fields(value) if (v := getattr(value, f.name)) is not None and v != {}}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value


def merge(
    declared: Mapping[str, Any], read: Mapping[str, Any], default: Mapping[str, Any], scale: float = 1.0
) -> Promise:
    """Declared beats read beats default, key by key; each key's source is kept.

    What is declared for all operations beats what was read for one of them.
    """
    layers = {"default": flatten(default), "read": flatten(read), "declared": flatten(declared)}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers.items():
        for key, value in layer.items():
            shared = shared_key(key)
            if source != "read" or not (shared in OBLIGATIONS or shared in layers["declared"]):
                values[key] = value
                sources[key] = source
    return Promise(from_mapping(unflatten(values)), sources, layers["declared"], layers["read"], scale)


def overlay(over: Mapping[str, Any], under: Mapping[str, Any]) -> dict[str, Any]:
    """The nested mapping of both, key by key; `over` wins."""
    return unflatten(flatten(under) | flatten(over))


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys back to nested mappings."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        at = nested
        for name in path:
            if not isinstance(at.get(name), dict):
                at[name] = {}
            at = at[name]
        at[last] = value
    return nested


def scaled(mapping: Mapping[str, Any], scale: float) -> dict[str, Any]:
    """The same policy with every duration multiplied by `scale` (0.1: ten times faster)."""
    flat = flatten(mapping)
    return unflatten({key: value * scale if is_seconds(key, value) else value for key, value in flat.items()})


def is_seconds(key: str, value: object) -> bool:
    """Whether this is a number, and the dotted key is that of a time."""
    return shared_key(key) in DURATIONS and _number(value)
