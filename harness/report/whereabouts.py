"""Where a call's time went: the mean response time in parts, by who had the call meanwhile; and errors in the logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.evidence.history import History
from harness.report.words import count, duration

_ERROR = re.compile(r"\b(ERROR|CRITICAL|FATAL|Traceback)\b")


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Mean seconds of a call that ended: behind its session's previous call, in the generator, at KATO (as its witness
    saw it), and elsewhere: client, network, proxies. `in_hand`: calls that KATO had at once on average."""

    queueing_s: float
    dispatch_s: float
    kato_s: float
    elsewhere_s: float
    in_hand: float

    @property
    def most(self) -> str:
        """Whose the most is. Waiting for a previous call is waiting for what that call waited for."""
        call = {"KATO": self.kato_s, "client and network": self.elsewhere_s}
        slow = max(call, key=lambda name: call[name])
        return slow if self.queueing_s + call[slow] >= self.dispatch_s else "the generator"


def whereabouts(history: History) -> Whereabouts | None:
    """The parts over all calls that started and ended; None without one, or where no witness saw any."""
    calls, arrivals = history.calls, history.arrivals
    ended = (calls["start_ns"] > 0) & (calls["end_ns"] > 0)
    seen = (arrivals["reply_ns"] > 0) & (arrivals["call"] > 0)
    if not ended.any() or not seen.any():
        return None
    arrived, replied = arrivals["arrive_ns"][seen], arrivals["reply_ns"][seen]
    at_kato = float(np.sum(replied - arrived)) / 1e9
    each = at_kato / int(ended.sum())

    def mean_s(end: str, start: str) -> float:
        return float(np.mean((calls[end] - calls[start])[ended])) / 1e9

    return Whereabouts(
        queueing_s=mean_s("ready_ns", "intended_ns"),
        dispatch_s=mean_s("start_ns", "ready_ns"),
        kato_s=each,
        elsewhere_s=max(mean_s("end_ns", "start_ns") - each, 0.0),
        in_hand=at_kato / max(float(replied.max() - arrived.min()) / 1e9, 1e-9),
    )


def said(found: Whereabouts | None) -> str:
    """In words; empty for None."""
    if found is None:
        return ""
    parts = {
        "behind the session's previous call": found.queueing_s,
        "in the generator": found.dispatch_s,
        f"at KATO ({found.in_hand:.3g} in hand at once)": found.kato_s,
        "in client and network": found.elsewhere_s,
    }
    whole = sum(parts.values())
    shown = ", ".join(f"{duration(seconds * 1e9)} {where}" for where, seconds in parts.items())
    return f"most of a call's time is {found.most}'s: of {duration(whole * 1e9)} on average {shown}"


def logged_errors(folder: Path) -> str:
    """How many lines of each log name an error; the logs are the run's own processes' and the server's."""
    logs = sorted((folder / "logs").glob("*.log"))
    found = {log.name: sum(1 for line in _lines(log) if _ERROR.search(line)) for log in logs}
    told = [f"{count(number, 'line')} of {name}" for name, number in found.items() if number]
    return ", ".join(told) or f"none in {count(len(logs), 'log')}"


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()
