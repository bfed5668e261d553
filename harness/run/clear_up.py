"""The end of a run on a KATO that isn't ours: its sessions go, in bounded time, and those that stay are named."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

EACH_S = 0.25
"""A session may take so long: a busy KATO of one worker deletes nine a second."""

AT_LEAST_S = 5.0
AT_MOST_S = 300.0


def clear_up(do: Callable[..., dict[str, Any]], now: Callable[[], float] = time.monotonic) -> dict[str, Any]:
    """Ask the witness for rounds of deletes (`do("clear_up")`) until nothing is left, a round deletes nothing, or the
    time for so many sessions is over.

    Returns the facts `sessions_deleted` and `sessions_left` (counts), and `sessions_left_names`: the first few.
    Raises what `do` raises.
    """
    started = now()
    done = do("clear_up")
    deleted = done["deleted"]
    within = min(AT_MOST_S, max(AT_LEAST_S, EACH_S * (deleted + done["left"])))
    while done["left"] and done["deleted"] and now() - started < within:
        done = do("clear_up")
        deleted += done["deleted"]
    return {"sessions_deleted": deleted, "sessions_left": done["left"], "sessions_left_names": done["names"]}


def left_words(facts: dict[str, Any]) -> list[str]:
    """The warning for sessions that would not go; none where all went."""
    if not facts.get("sessions_left"):
        return []
    names, left = facts["sessions_left_names"], facts["sessions_left"]
    some = ", ".join(names) + (", ..." if left > len(names) else "")
    what = f"{left} sessions of this run are still on the KATO: {some}"
    return [f"{what}; DELETE /sessions/{{id}}, or they expire by themselves"]
