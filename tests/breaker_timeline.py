"""Timelines of one client behind a breaker, written as a row of events, and what a law says of them."""

from __future__ import annotations

from typing import Any

from law_cases import promise, said

from harness.model import Verdict
from harness.policy import Promise

FIVE = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}})
PER_CALL = promise({"calls": {"observe": {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}}})

Event = tuple[Any, ...]
"""At what ms, how it ended, and where it isn't the usual: operation, worker, ms that it took."""

UNTRIED = {
    "rejected": "rejected breaker_open",
    "turned_away": "rejected -",
    "open_error": "error breaker_open",
    "substitute": "degraded -",
    "overflow": "overflow -",
    "cancelled": "cancelled -",
    "bug": "error client_bug",
    "hidden": "degraded connect_error",
    "mended": "ok connect_error",
}
"""Calls for which nothing was sent; the others have one attempt: ok, an error word (decode: after
an answer of 200), a status, or a fallback."""


def timeline(*events: Event, seen: bool = True) -> dict[str, str]:
    """The tables of such calls; attempts are left out where they are not seen."""
    calls = ["call op start_ms end_ms outcome error worker"]
    attempts = ["call attempt start_ms end_ms result status worker"]
    for n, (at, how, *more) in enumerate(events, 1):
        op, worker, took = (*more, *("observe", 0, 0 if how in UNTRIED else 10)[len(more) :])
        if how in UNTRIED:
            calls.append(f"{n} {op} {at} {at + took} {UNTRIED[how]} {worker}")
            continue
        end, status = at + took, {"ok": "200", "decode": "200"}.get(how, how if how.isdecimal() else "0")
        error = f"{how[0]}xx" if how.isdecimal() else how
        outcome = {"ok": "ok -", "fallback": "degraded -"}.get(how, f"error {error}")
        result = "-" if status != "0" else {"fallback": "connect_error"}.get(how, how)
        calls.append(f"{n} {op} {at} {end} {outcome} {worker}")
        attempts.append(f"{n} 1 {at} {end} {result} {status} {worker}")
    return {"calls": "\n".join(calls)} | ({"attempts": "\n".join(attempts)} if seen else {})


def row(how: str, count: int, since_ms: int = 200) -> list[Event]:
    """So many of one kind, 200 ms apart."""
    return [(since_ms + 200 * n, how) for n in range(count)]


def on(law: str, *events: Event, promised: Promise = FIVE, facts: Any = None, faults: str = "", **more: Any) -> Verdict:
    """The law's verdict on a timeline."""
    tables = timeline(*events, **more) | ({"faults": faults} if faults else {})
    return said(law, promised, facts, **tables)


OPENED: list[Event] = [*row("connect_error", 5), (1200, "rejected")]
