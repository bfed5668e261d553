"""Replacing a function of a class or module by one that wraps it, once, and putting it back."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

_ABSENT = object()
_REPLACED: dict[tuple[type | ModuleType, str], Any] = {}


def replace(owner: type | ModuleType, name: str, wrap: Callable[[Any], Any]) -> None:
    """Set `owner.name` to `wrap(original)`, own or inherited; nothing happens when it was replaced already."""
    if (owner, name) not in _REPLACED:
        _REPLACED[owner, name] = owner.__dict__.get(name, _ABSENT)
        setattr(owner, name, wrap(getattr(owner, name)))


def restore() -> None:
    """Put every original back."""
    for (owner, name), original in _REPLACED.items():
        if original is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
    _REPLACED.clear()
