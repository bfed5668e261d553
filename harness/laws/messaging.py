"""Messaging laws of messages: none lost, none doubled, none for ever, none acked before its effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.laws.case import Case, Ints
from harness.laws.data import at_most
from harness.laws.queue_view import Deliveries, Flow, flow, no_queue, poison_names
from harness.laws.registry import (
    WITNESSES,
    Ruling,
    broken,
    exercise,
    inconclusive,
    law,
    listed,
    passed,
    plural,
    unexercised,
)
from harness.laws.writes import beyond_strays, strays

SECOND_NS = 1_000_000_000
LIMIT = 20
"""Redeliveries after which RabbitMQ 4's quorum queues give a message up (its 4.0 notes)."""
HELD_S = 5.0
"""A poison that stands before all others for so long (s) stands in their way."""
BURST = 5
"""So many redeliveries before a rate is taken from them."""
TROUBLE = frozenset(
    {"broker_down", "kill_subject", "poison", "refuse", "timeout", "reset_peer", "status", "kill", "pause", "latency"}
)


@law(
    "Q1",
    "AtLeastOnce",
    family="messaging",
    part="queue",
    rule="every message whose publish the broker confirmed was committed at KATO or is a dead letter: none is lost",
    trap="a message that still waits in the queue is not lost: the queue must be empty at the end; a publish without "
    "its confirm is unknown and never counts",
    cure="ack after the effect, durable queues and persistent messages, a dead-letter queue where they are bounded",
    example="a consumer that acks whatever KATO answered: a 500 is an observation that nobody has",
    needs=TROUBLE,
    wants="a broker that dies, a consumer that is killed, or KATO away",
    data=True,
    zero_tolerance=True,
)
def at_least_once(case: Case) -> Ruling:
    if nothing := no_queue(case):
        return nothing
    found = flow(case)
    dead, left = found.number("dead", "left_dead") > 0, found.number("left") > 0
    missing = found.confirmed & (found.commits == 0) & ~dead
    lost = np.flatnonzero(missing & ~left)
    gone = _lost_poison(case, found)
    total = int(found.confirmed.sum())
    shown = _accounts(found, len(lost), int(dead.sum()))
    if beyond_strays(case, lost, "observe") or gone:
        words = [f"{plural(len(lost), 'confirmed message')} of {total:,} lost"] if len(lost) else []
        words += [f"poison {listed(gone)} dropped without a dead letter"] if gone else []
        reason = f"{' and '.join(words)}: neither committed, nor dead letters, nor in the queue"
        return broken(
            case, lost, reason, of=total + len(gone), broke=len(lost) + len(gone), notes=_notes(found), measured=shown,
            bound="0 lost",
        )  # fmt: skip
    if len(lost):
        return inconclusive(
            f"{plural(strays(case, 'observe'), 'commit')} belong to no one message, and may be those of {len(lost):,}"
            " without one: the consumer says it in words of its own",
            measured=shown,
        )
    waiting = int((missing & left).sum())
    if waiting:
        return inconclusive(
            f"{plural(waiting, 'message')} still in {listed(_where(found))} at the end: it must drain", measured=shown
        )
    if not total or not case.windows:
        return unexercised(f"nothing happened on the way of messages; it takes {exercise('Q1')}")
    return passed(f"none of {plural(total, 'confirmed message')} lost", measured=shown, bound=at_most(total))


def _where(found: Flow) -> set[str]:
    """The queues in which messages of the load were left."""
    left = found.table["event"].among("left") & (found.row >= 0)
    return set(found.table["queue"][left].tolist())


def _accounts(found: Flow, lost: int, dead: int) -> str:
    """Jepsen's total-queue in one line: lost, duplicated, recovered, unexpected."""
    again = found.number("delivered") > 1
    doubled = int(np.maximum(found.commits - 1, 0).sum())
    recovered = int((again & (found.commits > 0)).sum())
    unexpected = int(((found.commits > 0) & ~found.confirmed).sum())
    return f"{lost:,} lost, {doubled:,} doubled, {recovered:,} recovered, {dead:,} dead, {unexpected:,} unconfirmed"


def _lost_poison(case: Case, found: Flow) -> frozenset[str]:
    """Poison that was delivered and is nowhere now; what was acked was taken for done."""
    there = found.strangers("dead", "left_dead", "left").keys()
    settled = found.strangers("acked", "dropped").keys()
    return frozenset((poison_names(case) & settled) - there)


def _notes(found: Flow) -> Any:
    """What a witness adds of its message."""
    delivered, acked, dropped = (found.number(event) for event in ("delivered", "acked", "dropped"))

    def notes(row: int) -> Mapping[str, Any]:
        return {
            "deliveries": int(delivered[row]),
            "acked": int(acked[row]),
            "dropped": int(dropped[row]),
            "commits": int(found.commits[row]),
            "commit_ns": int(found.commit_ns[row]),
            "acked_ns": int(found.acked_ns[row]),
        }

    return notes


@law(
    "Q2",
    "DuplicateBound",
    family="messaging",
    part="queue",
    rule="a message that is delivered again is committed once all the same",
    trap="redelivery is legal and must happen after a crash; a second commit is not",
    cure="remember what was done by message id, and read KATO's STM back before an observe is sent again",
    example="a consumer killed between observe and ack: the message comes again, the event stands twice in the STM",
    needs=frozenset({"kill_subject", "broker_down", "reset_peer", "timeout", "pause", "commit_then_drop"}),
    wants="a consumer killed between observe and ack (kill_subject, when: before_ack)",
    data=True,
    zero_tolerance=True,
)
def duplicate_bound(case: Case) -> Ruling:
    if nothing := no_queue(case):
        return nothing
    found = flow(case)
    doubled = np.flatnonzero(found.commits > 1)
    again = int((found.number("delivered") > 1).sum())
    measured = f"{int(np.maximum(found.commits - 1, 0).sum()):,} doubled, {again:,} redelivered"
    if len(doubled):
        rows = doubled[np.argsort(-found.commits[doubled], kind="stable")]
        reason = f"{plural(len(doubled), 'message')} committed more often than once"
        return broken(case, rows, reason, of=max(again, len(rows)), notes=_notes(found), measured=measured, bound="0")
    if not again:
        return unexercised(f"no message was delivered twice; it takes {exercise('Q2')}")
    return passed(f"{plural(again, 'message')} came again, none was committed twice", measured=measured, bound="0")


@law(
    "Q3",
    "PoisonBound",
    family="messaging",
    part="queue",
    rule=f"a message is delivered again at most {LIMIT} times, at most once a second, then it is a dead letter; one "
    "that no try can mend doesn't keep the others waiting",
    trap="an outage of KATO must not use the limit up: hold the message and back off",
    cure="reject what no try can mend to a dead-letter queue; back off before anything is requeued; bound deliveries",
    example="nack(requeue=True) for every error: a message without a key is delivered a thousand times a second",
    needs=frozenset({"poison", "refuse", "status", "kill", "timeout", "reset_peer"}),
    wants="poison, or KATO away",
)
def poison_bound(case: Case) -> Ruling:
    if nothing := no_queue(case, oracle=False):
        return nothing
    found = flow(case)
    many = found.deliveries()
    poison = poison_names(case)
    hot = [each for each in many if len(each.times) - 1 > LIMIT or _rate(each) > 1.0]
    if hot:
        rows = np.array([each.row for each in hot if each.row >= 0], np.int64)
        worst = hot[0]
        reason = f"{plural(len(hot), 'message')} came again and again, one of them {len(worst.times):,} times"
        measured = f"{_rate(worst):.0f} redeliveries/s"
        names = listed(each.name for each in hot if each.name)
        reason += f" ({names})" if names else ""
        ruling = broken(case, rows, reason, of=len(many), broke=len(hot), measured=measured, bound=f"{LIMIT}, 1/s")
        return ruling if len(rows) else replace(ruling, witnesses=tuple(_stranger(each) for each in hot[:WITNESSES]))
    if (held := _held_for_ever(case, found)) is not None:
        return held
    exercised = poison & {each.name for each in many} or any(each.row >= 0 for each in many)
    if not exercised and not case.kinds & {"refuse", "status", "kill"}:
        return unexercised(f"no message was given back, and there was no poison; it takes {exercise('Q3')}")
    most = max((len(each.times) for each in many), default=1)
    reason = f"no message was delivered more than {plural(most, 'time')}"
    return passed(reason, measured=plural(most - 1, "redelivery"), bound=str(LIMIT))


def _held_for_ever(case: Case, found: Flow) -> Ruling | None:
    """The ruling where a poison is in the consumer's hands until the end, and nothing else goes on."""
    ended = found.strangers("acked", "dropped", "dead", "left_dead", "copy_confirmed").keys()
    begun = {name: int(times[0]) for name, times in found.strangers("delivered").items() if name not in ended}
    held = sorted(poison_names(case) & begun.keys())
    if not held:
        return None
    others_ns = max((window.end_ns for window in case.windows if window.kind != "poison"), default=0)
    since_ns = max(others_ns, *(begun[name] for name in held))
    for_s = (case.end_ns - since_ns) / SECOND_NS
    done, waiting = int((found.acked_ns > since_ns + SECOND_NS).sum()), found.number("left") > 0
    reason = f"poison {listed(held)} was never given up in {for_s:.0f} s"
    if done or not waiting.any() or for_s < HELD_S:
        return inconclusive(f"{reason}: the run must go on until it is")
    reason += f", and {plural(int(waiting.sum()), 'message')} waited behind it to the end"
    return broken(case, np.flatnonzero(waiting), reason, of=len(waiting), measured=f"held {for_s:.0f} s")


def _rate(each: Deliveries) -> float:
    """Redeliveries a second, 0 for fewer than BURST."""
    count = len(each.times) - 1
    return count * SECOND_NS / max(int(each.times[-1] - each.times[0]), 1) if count >= BURST else 0.0


def _stranger(each: Deliveries) -> dict[str, Any]:
    times = each.times
    return {
        "call": 0,
        "message": each.name,
        "deliveries": len(times),
        "start_ns": int(times[0]),
        "end_ns": int(times[-1]),
    }


@law(
    "Q4",
    "AckAfterEffect",
    family="messaging",
    part="queue",
    rule="a message is acked only after KATO committed its observation",
    trap="a message that is rejected to the dead letters is not acked: that is how a hopeless one ends; one that the "
    "consumer publishes again, with a confirm, may be acked for its copy",
    cure="look at KATO's status before the ack (raise_for_status), and never consume with auto-ack",
    example="requests.post(…) without raise_for_status: a 500 is acked like a 200",
    needs=frozenset({"status", "poison", "commit_then_status", "drop_before_commit", "refuse", "kill"}),
    wants="answers of 500 or 404, or poison with a session that KATO doesn't know",
    zero_tolerance=True,
)
def ack_after_effect(case: Case) -> Ruling:
    if nothing := no_queue(case):
        return nothing
    found = flow(case)
    acked, early = found.acked_ns > 0, found.early_acks()
    ended = found.strangers("dead", "left_dead", "copy_confirmed").keys()
    poison = poison_names(case) & found.strangers("acked").keys() - ended
    wrong, count = len(early) + len(poison), int(acked.sum()) + len(poison)
    measured = f"{wrong:,} of {count:,}"
    bare = (found.commits[early] == 0).all() and not beyond_strays(case, early, "observe")
    if len(early) and not poison and bare:
        unknown = plural(strays(case, "observe"), "commit")
        return inconclusive(f"{unknown} belong to no one message, and may be those of {len(early):,} acked")
    if wrong:
        reason = f"{plural(wrong, 'message')} acked without a commit before it"
        reason += ", all by auto-ack" if found.table["flag"][found.table["event"].among("acked")].all() else ""
        reason += f" (poison {listed(poison)})" if poison else ""
        return broken(case, early, reason, of=count, broke=wrong, notes=_notes(found), measured=measured, bound="0")
    if not acked.any() or not _answered_badly(case):
        return unexercised(f"KATO refused nothing while messages were acked; it takes {exercise('Q4')}")
    return passed(f"all of {plural(count, 'ack')} came after their commit", measured=measured, bound=at_most(count))


def _answered_badly(case: Case) -> bool:
    seen: Ints = case.history.arrivals["status"]
    return bool((seen >= 400).any() or case.kinds & {"refuse", "kill", "drop_before_commit"} or poison_names(case))
