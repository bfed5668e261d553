"""Observing into a session and learning from it: the part of KATO that changes a node."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.twin.kato.config import Config
from harness.twin.kato.knowledge import Pattern, average
from harness.twin.kato.messages import CrashError
from harness.twin.kato.node import Node
from harness.twin.kato.sessions import Event, Session
from harness.twin.kato.settings import Settings

PREFIX = "PTRN|"
MAX_INTERNED = 1 << 16

_interned: dict[Event, Event] = {}


def observe(
    session: Session,
    node: Node,
    settings: Settings,
    strings: list[str],
    vectors: list[list[float]],
    emotives: Mapping[str, float],
    metadata: Mapping[str, Any],
) -> str | None:
    """Take one observation into the session; returns the name of what it auto-learned.

    Nothing of the session has changed if it raises CrashError, but its node may have.
    """
    learned = None
    named = node.name_vectors(vectors) if vectors else []
    if settings.sort_symbols:
        named.sort()
        symbols = tuple(sorted(strings)) if len(strings) > 1 else tuple(strings)
    else:
        symbols = tuple(strings)
    symbols = intern(symbols)
    if strings or vectors:
        learned = _take(session, node, (*named, *symbols) if named else symbols)
    else:
        session.predictions = ()
    session.time += 1
    if emotives:
        session.emotives = [*session.emotives, emotives]
    if metadata:
        session.metadata_log = [*session.metadata_log, metadata]
    session.percept = (symbols, vectors, session.emotives, metadata)
    return learned


def intern(event: Event) -> Event:
    """The one tuple that stands for all equal events, so that a hundred thousand sessions share them."""
    shared = _interned.get(event)
    if shared is None:
        if len(_interned) >= MAX_INTERNED:
            _interned.clear()
        _interned[event] = shared = event
    return shared


def _take(session: Session, node: Node, event: Event) -> str | None:
    config = session.config
    before = session.predictions
    session.stm.append(event)
    try:
        if config.process_predictions:
            node.expect(session, event)
        else:
            session.predictions = ()
        return _auto_learn(session, node, config) if config.max_pattern_length > 0 else None
    except CrashError:
        session.stm.pop()
        session.predictions = before
        raise


def _auto_learn(session: Session, node: Node, config: Config) -> str | None:
    limit = config.max_pattern_length
    stm = session.stm
    if len(stm) < limit:
        return None
    kept: list[Event] = []
    if config.stm_mode == "ROLLING" and len(stm) > 1:
        if not isinstance(limit, int):
            raise CrashError
        window = limit - 1
        kept = stm[-window:] if len(stm) > window else stm[1:]
    name = learn(node, stm, (), ())
    session.stm = kept
    return name or None


def learn(
    node: Node, stm: Sequence[Event], emotives: Sequence[Mapping[str, float]], metadata: Sequence[Mapping[str, Any]]
) -> str:
    """Make a pattern of the events; returns its name with prefix, "" for less than two symbols.

    Raises CrashError where KATO fails; what it had counted until then stays counted.
    """
    node.store_vectors()
    if sum(map(len, stm)) < 2:
        return ""
    knowledge = node.knowledge
    pattern, new = knowledge.claim(stm)
    try:
        "".join(pattern.flat).encode()
    except UnicodeEncodeError:  # neither a MinHash nor Redis's keys can be made of a lone surrogate
        raise CrashError from None
    if new:
        node.write(pattern)
        pattern.emotives = ()
        pattern.metadata = {}
    _remember(pattern, emotives, _unique_values(metadata), node.persistence)
    felt = average(emotives)
    if not all(map(math.isfinite, felt.values())):
        node.keep_statistics()
    knowledge.count(pattern, new)
    knowledge.feel(pattern, felt)
    node.forget_statistics()
    return PREFIX + pattern.name


def _remember(
    pattern: Pattern, emotives: Sequence[Mapping[str, float]], metadata: Mapping[str, list[str]], persistence: int
) -> None:
    pattern.emotives = [*(pattern.emotives or ()), *emotives][-persistence:]
    known = dict(pattern.metadata or {})
    for key, values in metadata.items():
        known[key] = sorted({*known.get(key, ()), *values})
    pattern.metadata = known


def _unique_values(records: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    values: dict[str, set[str]] = {}
    for record in records:
        for key, value in record.items():
            values.setdefault(key, set()).add(str(value))
    return {key: sorted(each) for key, each in values.items()}
