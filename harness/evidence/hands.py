"""Whose observe it was that a consumer of a queue sent in words of its own: that of the message in its hands.

Neither a name nor what it says tells that. A message is in the consumer's hands from its delivery to its ack, and the
observe of one session belongs to the one message of that session which is there. A consumer that acks first and works
later has none in its hands: there it is the one that was acked and of which nothing came yet. Which of both a consumer
does is learnt from the observes that fit one message only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.evidence.table import Table

HANDLING = ("delivered", "acked", "dropped", "requeued", "closed")
"""What begins and ends a message's time in hand."""

FEW, MOST = 5, 0.9
"""A practice is known when so many observes show it, and no more than a tenth something else."""


@dataclass(slots=True)
class _Message:
    """A message of the load that was delivered. `spans`: when it was in the consumer's hands (ns)."""

    call: int
    spans: list[tuple[int, int]] = field(default_factory=list)
    acked_ns: int = 0
    worked: bool = False
    words: int = 0

    def held(self, time_ns: int) -> bool:
        return any(start <= time_ns <= end for start, end in self.spans)

    def undone(self, time_ns: int) -> bool:
        """Acked, and nothing came of it yet."""
        return 0 < self.acked_ns < time_ns and not self.worked


def by_hand(arrivals: Table, calls: Table, messages: Table) -> NDArray[np.int64]:
    """For each arrival the call of the message whose observe it was, where no call is known and one can be told; 0."""
    strange = arrivals["op"].among("observe") & (arrivals["call"] == 0)
    if not strange.any():
        return np.zeros(len(arrivals), np.int64)
    _, practice = _paired(arrivals, _messages(calls, messages), "")
    return _paired(arrivals, _messages(calls, messages), practice)[0]


def _paired(arrivals: Table, known: dict[str, list[_Message]], practice: str) -> tuple[NDArray[np.int64], str]:
    """The calls that are found by a practice ('': none is known), and the practice that they show."""
    found, shown = np.zeros(len(arrivals), np.int64), {"work": 0, "ack": 0}
    by_call = {each.call: each for mine in known.values() for each in mine}
    rows = np.flatnonzero(arrivals["op"].among("observe"))
    columns = (arrivals[name][rows].tolist() for name in ("session", "call", "payload", "arrive_ns"))
    for at, session, call, words, time_ns in zip(rows.tolist(), *columns, strict=True):
        if call:
            chosen = by_call.get(call)
        else:
            held = [each for each in known.get(session, ()) if each.held(time_ns) and each.words in (0, words)]
            undone = [each for each in known.get(session, ()) if each.undone(time_ns)]
            chosen = _chosen(held, undone, practice)
            if chosen is not None:
                found[at], chosen.words = chosen.call, words
                shown["work" if chosen in held else "ack"] += 1
        if chosen is not None:
            chosen.worked = True
    count = sum(shown.values())
    return found, next((name for name, n in shown.items() if count >= FEW and n >= MOST * count), "")


def _chosen(held: list[_Message], undone: list[_Message], practice: str) -> _Message | None:
    """The one message that it can be. Who works before the ack works on what is held; who acks first, in order."""
    if practice == "ack" and undone:
        return min(undone, key=lambda each: each.acked_ns)
    fits = held if practice == "work" else held + undone
    return fits[0] if len(fits) == 1 else None


def _messages(calls: Table, messages: Table) -> dict[str, list[_Message]]:
    """The messages of the load by session, each with the times at which it was in the consumer's hands."""
    session_of = dict(zip(calls["call"].tolist(), calls["session"].tolist(), strict=True))
    found: dict[str, list[_Message]] = defaultdict(list)
    by_call: dict[int, _Message] = {}
    since: dict[tuple[int, int], tuple[_Message, int]] = {}
    for row in messages.where(messages["event"].among(*HANDLING)).rows():
        where, time_ns = (row["connection"], row["number"]), row["time_ns"]
        if row["event"] == "delivered" and (call := row["call"]):
            if call not in by_call:
                by_call[call] = _Message(call)
                found[session_of.get(call, "")].append(by_call[call])
            since[where] = by_call[call], time_ns
        elif row["event"] == "closed":
            for each in [each for each in since if each[0] == row["connection"]]:
                _end(since.pop(each), time_ns)
        elif where in since:
            held = since.pop(where)
            _end(held, time_ns)
            held[0].acked_ns = time_ns if row["event"] == "acked" else 0
    for held in since.values():
        _end(held, np.iinfo(np.int64).max)
    return found


def _end(held: tuple[_Message, int], time_ns: int) -> None:
    message, since_ns = held
    message.spans.append((since_ns, time_ns))
