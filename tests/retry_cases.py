"""Literal histories of calls that are tried again, and promises of retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from law_cases import promise

RETRY = {"max_attempts": 3, "backoff": {"initial": 0.2, "multiplier": 2.0}}
THREE = promise({"retry": RETRY})
NONE = promise({"timeout": {"total": 1.0}})
Try = tuple[int, int, str | int]
"""(start, end) in ms and how it ended: a status, or an error."""


def history(calls: Sequence[Sequence[Try]], op: str = "predict", **columns: Mapping[int, str]) -> dict[str, str]:
    """Calls 10 s apart (the nth begins at n · 10 s) with their attempts, all of which arrived but refused ones.

    `columns` give further columns of calls by call id.
    """
    heads = ["call op start_ms end_ms outcome error", "call attempt start_ms end_ms result status"]
    rows: tuple[list[str], list[str], list[str]] = ([], [], [])
    for call, tries in enumerate(calls, 1):
        base, last = 10_000 * call, tries[-1][2]
        ok = isinstance(last, int) and last < 300
        error = "-" if ok else f"{last // 100}xx" if isinstance(last, int) else last
        more = " ".join(values.get(call, "-") for values in columns.values())
        outcome = "ok" if ok else "error"
        rows[0].append(f"{call} {op} {base + tries[0][0]} {base + tries[-1][1]} {outcome} {error} {more}")
        for attempt, (start, end, how) in enumerate(tries, 1):
            result, status = ("-", how) if isinstance(how, int) else (how, 0)
            rows[1].append(f"{call} {attempt} {base + start} {base + end} {result} {status}")
            if how != "connect_error":
                rows[2].append(f"{call} {attempt} {op} {base + start + 1} {base + end - 1} {status}")
    return {
        "calls": "\n".join([" ".join([heads[0], *columns]), *rows[0]]),
        "attempts": "\n".join([heads[1], *rows[1]]),
        "arrivals": "\n".join(["call attempt op arrive_ms reply_ms status", *rows[2]]),
    }


def tries(*hows: str | int, gaps: Sequence[int] = (200, 400, 800, 1600)) -> list[Try]:
    """Attempts of 10 ms with these ends, and the waits between them (ms)."""
    at, found = 0, []
    for how, gap in zip(hows, [*gaps, *gaps], strict=False):
        found.append((at, at + 10, how))
        at += 10 + gap
    return found
