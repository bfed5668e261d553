"""Failures that the team has accepted for a time (scenario.md, "known")."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.laws.registry import Law, Ruling


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How the `known` list answers one failure: `text` where it is accepted, else `refused` says why not (or '')."""

    text: str | None = None
    refused: str = ""
    entry: int = -1


def acceptance(
    law: Law, ruling: Ruling, known: Sequence[Mapping[str, Any]], integration: str, today: datetime.date
) -> Acceptance:
    """The first entry that covers this failure; an entry that is past its date, or too narrow, says so."""
    refused = ""
    for at, entry in enumerate(known):
        if entry.get("law") != law.id or law.gate:
            continue
        why = _too_narrow(ruling, entry, integration) or _expired(entry, today)
        if not why:
            return Acceptance(_text(entry), entry=at)
        refused = refused or f"an acceptance of {law.id} doesn't cover this: {why}"
    return Acceptance(refused=refused)


def _too_narrow(ruling: Ruling, entry: Mapping[str, Any], integration: str) -> str:
    places = {**ruling.places, "integration": frozenset({integration})}
    for key, value in dict(entry.get("where") or {}).items():
        if value not in places.get(key, frozenset()):
            return f"it is for {key} {value}, and the failure isn't confined to that"
    most = entry.get("at_most")
    if most is not None and ruling.share is None:
        return "it has an at_most, and this law counts nothing that it could be held to"
    if most is not None and ruling.share is not None and ruling.share > float(most):
        return f"it allows {float(most):.3%}, and {ruling.share:.3%} failed"
    return ""


def _expired(entry: Mapping[str, Any], today: datetime.date) -> str:
    until = _date(entry)
    return f"it ended on {until.isoformat()}" if today > until else ""


def _date(entry: Mapping[str, Any]) -> datetime.date:
    """The end date; an entry without one has ended."""
    until = entry.get("until")
    return datetime.date.fromisoformat(str(until)) if until else datetime.date.min


def _text(entry: Mapping[str, Any]) -> str:
    issue = f" ({entry['issue']})" if entry.get("issue") else ""
    return f"until {_date(entry).isoformat()}: {entry.get('reason', '')}{issue}"


def unused(known: Sequence[Mapping[str, Any]], used: set[int], failed: set[str]) -> tuple[str, ...]:
    """A notice for each entry whose law no longer fails."""
    return tuple(
        f"{entry.get('law')} is accepted as known, but it no longer fails: take the entry out"
        for at, entry in enumerate(known)
        if at not in used and entry.get("law") not in failed
    )
