"""Messaging laws of connections: heartbeats are served, the consumer comes back, outputs are confirmed."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.evidence.table import Mask
from harness.laws.case import Case, Ints, Window
from harness.laws.queue_view import AMQP_MARGIN_NS, Flow, flow, no_queue, on_connection, unmatched
from harness.laws.registry import Ruling, broken, exercise, inapplicable, inconclusive, law, passed, plural, unexercised

SECOND_NS = 1_000_000_000
BACK_WITHIN_NS = 30 * SECOND_NS
"""laws.md, Q5: back at most 30 s after the broker's fault."""


@law(
    "Q5",
    "HeartbeatAlive",
    family="messaging",
    part="queue",
    rule="a handler that is stalled for more than two heartbeats keeps its connection, and after a fault of the broker "
    "the consumer is back within 30 s",
    trap="pika's BlockingConnection serves no heartbeat while a callback runs; connections that the fault itself ends "
    "don't count",
    cure="do the work in a thread while the connection is served, and connect again, with back-off, when it is lost",
    example="requests.post without a time-out in a callback while KATO hangs: the broker gives the consumer up",
    needs=frozenset({"pause", "delay", "latency", "timeout", "broker_down", "reset_peer", "refuse"}),
    wants="a stall of KATO for more than two heartbeats, or a fault of the broker",
)
def heartbeat_alive(case: Case) -> Ruling:
    if nothing := no_queue(case, oracle=False):
        return nothing
    faults = [window for window in case.windows if on_connection(window)]
    ended = [each for each in _events(case, "closed") if not _excused(case, each["time_ns"], faults)]
    exits = (case.facts.get("subject") or {}).get("exits", [])
    if ended or exits:
        lost = f"{plural(len(ended), 'connection')} lost without a fault on it" if ended else "no connection lost"
        died = f"; the consumer ended by itself with exit code {exits[0]['exit_code']}" if exits else ""
        reason = f"{lost}{died}"
        return Ruling("fail", reason, measured=f"{len(ended)} lost", bound="0", witnesses=_witnesses(ended, exits))
    late = [window for window in faults if window.kind != "kill_subject" and not _back(case, window)]
    if late:
        names = ", ".join(window.name for window in late)
        short = all(case.end_ns - window.end_ns < BACK_WITHIN_NS for window in late)
        reason = f"the consumer was not back {BACK_WITHIN_NS // SECOND_NS} s after {names}"
        return inconclusive(f"no consumer after {names}, but the run ended") if short else Ruling("fail", reason)
    stall_s, beat_s = _longest_stall_s(case), float(case.facts["messaging"].get("heartbeat_s") or 60)
    if stall_s <= 2 * beat_s and not faults:
        return unexercised(f"no message took longer than two heartbeats of {beat_s:g} s; it takes {exercise('Q5')}")
    said = (
        f"a message took {stall_s:.1f} s"
        if stall_s > 2 * beat_s
        else f"it was back after {plural(len(faults), 'fault')}"
    )
    return passed(f"no connection was lost while {said}", measured=f"{stall_s:.1f} s", bound=f"> {2 * beat_s:g} s")


def _events(case: Case, event: str) -> list[dict[str, Any]]:
    messages = case.history.messages
    return list(messages.where(messages["event"].among(event)).rows())


def _excused(case: Case, time_ns: int, faults: list[Window]) -> bool:
    """By a fault on the connection, or by the end of the run."""
    last_ns = max((span.end_ns for span in case.history.phases), default=case.end_ns)
    under = any(window.start_ns <= time_ns < window.end_ns + AMQP_MARGIN_NS for window in faults)
    return under or time_ns >= last_ns


def _back(case: Case, window: Window) -> bool:
    """Whether something was delivered within the time, or nothing had to be: its connection outlived the fault."""
    messages = case.history.messages
    since = messages.where(messages["time_ns"] >= window.start_ns)
    if not since["event"].among("closed").any():
        return True
    times = since["time_ns"][since["event"].among("delivered", "connected")]
    return bool(((times >= window.end_ns) & (times <= window.end_ns + BACK_WITHIN_NS)).any())


def _longest_stall_s(case: Case) -> float:
    """The longest that a message was in the consumer's hands (s)."""
    found = flow(case)
    given, acked = found.first("delivered"), found.first("acked")
    held: Ints = np.where((given > 0) & (acked > 0), acked - given, 0)
    return float(held.max()) / SECOND_NS if len(held) else 0.0


def _witnesses(ended: list[dict[str, Any]], exits: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    closed = [
        {"call": 0, "connection": each["connection"], "end_ns": each["time_ns"], "by_broker": bool(each["flag"])}
        for each in ended
    ]
    return tuple([*closed, *({"call": 0, "end_ns": each["time_ns"], "exit": each["exit_code"]} for each in exits)][:5])


@law(
    "Q6",
    "PublishConfirmed",
    family="messaging",
    part="queue",
    rule="before a message is acked, its predictions are published as persistent and confirmed by the broker, and they "
    "come out",
    trap="a publish that the broker can't route comes back before its confirm: mandatory and both are looked at",
    cure="confirm.select on the channel, delivery_mode 2, mandatory; ack when the confirm has come",
    example="basic_publish without confirms: the broker dies, the predictions are gone, the message is acked",
    needs=frozenset({"broker_down", "timeout", "reset_peer"}),
    wants="a black hole on the consumer's connection (timeout, only: {part: broker}) or a broker that dies",
)
def publish_confirmed(case: Case) -> Ruling:
    if nothing := no_queue(case):
        return nothing
    found = flow(case)
    # an ack of what was published again, for a later try, is none of its end
    ended = found.number("acked") > found.number("copy_confirmed")
    done = ended & (found.commits > 0)
    outputs = found.table["event"].among("output")
    if done.any() and not outputs.any():
        return inapplicable("the consumer published nothing: it observes only")
    unsure, (vanished, gone) = _unsure(found, done), _vanished(case, found, done)
    fleeting = int((found.table["count"][outputs] == 0).sum())
    total = int(done.sum())
    came_out = int(found.table["event"].among("collected").sum())
    measured = f"{total - len(unsure):,} of {total:,} confirmed, {came_out:,} came out"
    words = []
    if len(unsure):
        words.append(f"{plural(len(unsure), 'message')} acked before the broker confirmed the predictions")
    if vanished:
        words.append(f"{plural(vanished, 'prediction')} confirmed and never seen again")
    if fleeting:
        words.append(f"{plural(fleeting, 'prediction')} not persistent")
    if words:
        rows, bound = np.union1d(unsure, gone), f"{total:,} of {total:,}"
        broke = min(max(len(rows), vanished, fleeting), total)  # predictions, at most one of a message
        return broken(case, rows, "; ".join(words), of=total, broke=broke, measured=measured, bound=bound)
    if not total:
        return unexercised("no message was acked after a commit")
    return passed(f"predictions of {plural(total, 'message')} were confirmed first", measured=measured, bound="all")


def _unsure(found: Flow, done: Mask) -> Ints:
    """The messages (rows) that were acked before their predictions were confirmed.

    Predictions that don't say whose they are confirm any one message: an ack needs one that came before it.
    """
    confirmed_ns = found.first("output_confirmed")
    rows = np.flatnonzero(done & ((confirmed_ns == 0) | (confirmed_ns > found.acked_ns)))
    rows = rows[np.argsort(found.acked_ns[rows], kind="stable")]
    nameless = found.times("output_confirmed").get(-1, [])
    return rows[unmatched(found.acked_ns[rows].tolist(), nameless)]


def _vanished(case: Case, found: Flow, done: Mask) -> tuple[int, Ints]:
    """How many predictions the broker confirmed and nobody saw, and of which messages (rows), where they name them."""
    table, collected = found.table, found.number("collected")
    if collected.any():
        gone = np.flatnonzero(done & (found.number("output_confirmed") > 0) & (collected == 0))
        return len(gone), gone
    out = case.facts["messaging"].get("outputs", "")
    sent = int((table["event"].among("output_confirmed") & table["queue"].among(out)).sum())
    came = int(table["event"].among("collected").sum())
    return (max(sent - came, 0) if came else 0), np.zeros(0, np.int64)
