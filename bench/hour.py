"""An hour of load as the spools of its processes: many sessions, six faults, as many attempts and arrivals as calls.

Two generators and a witness, record for record as they would have written them; how calls go is drawn from the seed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import model
from harness.evidence.spools import record_type
from harness.spool import ARRIVALS, ATTEMPTS, CALLS, RECORD_BYTES, SAMPLES, SpoolWriter

Ints = NDArray[np.int64]

S, MS = 1_000_000_000, 1_000_000
START = 5_000 * S
EVENTS = 100
"""Calls of one session, the first of which opens it."""
AT_ONCE = 400
"""Sessions that take turns."""
WORKERS = 2
RESET_NS = 6 * S
"""The breaker's."""
FAULTS = (
    ("slow", "latency", {"latency": 0.3, "jitter": 0.0, "direction": "downstream"}),
    ("burst", "status", {"status": 503}),
    ("hole", "timeout", {"direction": "both"}),
    ("resets", "reset_peer", {"direction": "downstream", "timeout": 0.0}),
    ("lost", "commit_then_drop", {}),
    ("outage", "refuse", {}),
)
ERROR = {"burst": "5xx", "hole": "read_timeout", "resets": "reset", "lost": "reset", "outage": "connect_error"}
"""What an attempt that a fault hits ends in."""
HIT = {"burst": 0.7, "hole": 0.3, "resets": 0.4, "lost": 0.2, "outage": 1.0}
"""The share of attempts that it hits."""


@dataclass(frozen=True)
class Hour:
    """Its calls as arrays of one length; `fault` is the index in FAULTS (−1: none), `tries` how many attempts were
    made, of which all but a last good one failed (0: the breaker rejected the call); `took_ns` is the time of each,
    `wait_ns` the time between two."""

    seconds: int
    intended: Ints
    fault: Ints
    tries: Ints
    ok: NDArray[np.bool_]
    took_ns: Ints
    wait_ns: Ints

    @property
    def outcome(self) -> Ints:
        """For each call its outcome's code."""
        return np.where(self.ok, 1, np.where(self.tries == 0, 4, 2))

    @property
    def session(self) -> Ints:
        """For each call the number of its session."""
        number = np.arange(len(self.intended))
        found: Ints = number // (AT_ONCE * EVENTS) * AT_ONCE + number % AT_ONCE
        return found

    @property
    def op(self) -> Ints:
        """For each call its operation's code."""
        turn = np.arange(len(self.intended)) // AT_ONCE % EVENTS
        return np.where(turn == 0, 1, np.where(turn % 3 == 0, 3, 2))


def drawn(rate: float, seconds: int, seed: int = 7) -> Hour:
    """An hour, or so many seconds, at `rate` calls/s."""
    rng = np.random.default_rng(seed)
    size = int(rate * seconds)
    intended = START + (np.arange(size) * (S / rate)).astype(np.int64)
    fault = np.full(size, -1)
    took = (rng.lognormal(np.log(18.0), 0.35, size) * MS).astype(np.int64)
    tries, ok = np.ones(size, np.int64), np.ones(size, bool)
    for index, (name, *_) in enumerate(FAULTS):
        begin, end = window(index, seconds)
        mine = np.flatnonzero((intended >= begin) & (intended < end))
        fault[mine] = index
        if name == "slow":
            took[mine] += 300 * MS
        else:
            failed = rng.geometric(1 - min(HIT[name], 0.999), len(mine)) - 1
            tries[mine], ok[mine] = np.minimum(failed, 2) + 1, (failed < 3) & (name != "outage")
            took[mine] = np.where((name == "hole") & (failed > 0), 1_000 * MS, took[mine])
        if name == "outage":
            _reject(tries, intended, mine)
    return Hour(seconds, intended, fault, tries, ok, took, rng.integers(0, 200 * MS, size))


def _reject(tries: Ints, intended: Ints, outage: Ints) -> None:
    """Behind a breaker all but the first second of an outage, and one trial after each reset time-out."""
    since = intended[outage] - intended[outage[0]]
    spell = (since - S) // RESET_NS
    trial = np.diff(spell, prepend=spell[0]) > 0
    tries[outage[(since > S) & ~trial]] = 0
    tries[outage[trial]] = 1


def window(index: int, seconds: int) -> tuple[int, int]:
    """Fault `index` from and to (ns): a twentieth of the run each, evenly spread behind a baseline of a tenth."""
    every = seconds * S * 9 // 10 // len(FAULTS)
    begin = START + seconds * S // 10 + index * every
    return begin, begin + seconds * S // 20


def write(folder: Path, hour: Hour) -> None:
    """The run folder as a run leaves it before it is finalised."""
    spool = folder / "spool"
    spool.mkdir(parents=True)
    for worker in range(WORKERS):
        _generator(spool, hour, worker)
    _witness(spool, hour)
    rows = [_fault_row(index, hour.seconds) for index in range(len(FAULTS))]
    (spool / "faults.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (spool / "canary.jsonl").write_text("")
    (folder / "manifest.json").write_text(json.dumps(_manifest(hour)))


def _fault_row(index: int, seconds: int) -> dict[str, Any]:
    (name, kind, params), (begin, end) = FAULTS[index], window(index, seconds)
    return {
        "name": name, "kind": kind, "where": "toxiproxy", "params": params, "planned_ns": begin, "requested_ns": begin,
        "applied_ns": begin + 3 * MS, "effective_ns": begin + 9 * MS, "cleared_ns": end,
    }  # fmt: skip


def _manifest(hour: Hour) -> dict[str, Any]:
    end = START + hour.seconds * S
    edges = [("baseline", START)]
    for index, (name, *_) in enumerate(FAULTS):
        begin, after = window(index, hour.seconds)
        edges += [(f"fault:{name}", begin), ("recovery", after)]
    ends = [*(at for _, at in edges[1:]), end]
    phases = [{"name": name, "start_ns": at, "end_ns": until} for (name, at), until in zip(edges, ends, strict=True)]
    declared = {"timeout.connect": 0.5, "timeout.read": 1.0, "timeout.total": 5.0, "retry.max_attempts": 3,
                "retry.on": ["connect_error", "timeout", "reset", "503"], "retry.calls": ["observe", "predict"],
                "retry.backoff.initial": 0.1, "retry.backoff.multiplier": 2.0, "retry.backoff.max": 1.0,
                "retry.backoff.jitter": "full", "breaker.fail_max": 5, "breaker.reset_timeout": 6.0,
                "breaker.counts": ["connect_error"], "sessions": "one_per_user"}  # fmt: skip
    return {
        "format": 1, "run": {"name": "hour", "integration": "synthetic", "scale": 1.0, "seed": 7, "harness": "bench"},
        "policy": {"declared": declared, "read": {}, "default": {}}, "phases": phases, "start_ns": START, "end_ns": end,
        "slos": [{"name": "quick", "expr": "p(95) < 250ms in baseline"}, {"name": "clean", "expr": "error_rate < 1%"}],
        "facts": {"oracle": "twin", "leftovers": [], "hooks": ["httpx"]}, "finished": True,
        "accounting": {"issued": len(hour.intended), "ok": int(hour.ok.sum()), "error": int((hour.outcome == 2).sum()),
                       "rejected": int((hour.outcome == 4).sum())},
    }  # fmt: skip


def _names(hour: Hour) -> list[str]:
    return [f"session-{n * 2654435761 % 2**32:032x}-{START // MS + n}" for n in range(int(hour.session.max()) + 1)]


def _texts(path: Path, texts: Sequence[str]) -> Ints:
    """Begin a spool with those texts; their indices in it."""
    writer = SpoolWriter(path, path.stem)
    found = np.array([writer.text(text) for text in texts], np.int64)
    writer.close()
    return found


def _add(path: Path, records: NDArray[Any]) -> None:
    with path.open("ab") as file:
        file.write(records.tobytes())


def _records(layout: Any, size: int, **columns: Any) -> NDArray[Any]:
    records = np.zeros(size, record_type(layout))
    assert records.itemsize == RECORD_BYTES
    records["tag"] = layout.tag
    for name, values in columns.items():
        records[name] = values
    return records


def _each_ns(hour: Hour, rows: Ints) -> tuple[Ints, Ints]:
    """The start of each of these calls, and what all its attempts took."""
    late = 60_000 + rows * 7919 % 1_500_000
    return hour.intended[rows] + late, np.where(
        hour.tries[rows] > 0,
        hour.tries[rows] * hour.took_ns[rows] + np.maximum(hour.tries[rows] - 1, 0) * hour.wait_ns[rows],
        80_000,
    )


def _generator(spool: Path, hour: Hour, worker: int) -> None:
    path, names = spool / f"generator-{worker}.raw", _names(hour)
    detail = [f"KatoError: {name}: HTTPStatusError" for name, *_ in FAULTS]
    ids = _texts(path, [*names, *(f"kh-{n}" for n in range(len(names))), *detail, "{predictions: list}"])
    sessions, nodes, details = ids[: len(names)], ids[len(names) : 2 * len(names)], ids[2 * len(names) :]
    rows = np.flatnonzero(hour.session % WORKERS == worker)
    start, took = _each_ns(hour, rows)
    error = _error_codes(hour)[rows]
    _add(path, _records(
        CALLS, len(rows), call=rows + 1, op=hour.op[rows], outcome=hour.outcome[rows], worker=worker,
        error=np.where(hour.ok[rows], 0, error), status=np.where(hour.ok[rows], 200, 0),
        session=sessions[hour.session[rows]], node_id=nodes[hour.session[rows]], user=nodes[hour.session[rows]],
        detail=np.where(hour.ok[rows], 0, details[hour.fault[rows]]), shape=details[-1],
        intended_ns=hour.intended[rows],
        ready_ns=hour.intended[rows], start_ns=start, end_ns=start + took,
    ))  # fmt: skip
    _add(path, _attempts(hour, rows, worker))
    seconds = np.arange(1, hour.seconds + 1)
    flying = np.searchsorted(start, START + seconds * S) - np.searchsorted(np.sort(start + took), START + seconds * S)
    _add(path, _records(
        SAMPLES, hour.seconds, process=0, time_ns=START + seconds * S, lag_ns=MS, cpu=0.3, rss=90 << 20, busy=0.3,
        in_flight=flying,
    ))  # fmt: skip


def _error_codes(hour: Hour) -> Ints:
    codes = np.array([model.ERRORS.index(ERROR.get(name, "")) for name, *_ in FAULTS])
    failed = np.where(hour.fault >= 0, codes[hour.fault], 0)
    return np.where(hour.tries == 0, model.ERRORS.index("breaker_open"), failed)


def _tries(hour: Hour, rows: Ints) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
    """For each attempt of these calls its call's row, its number, its start, and whether it went well."""
    row = np.repeat(rows, hour.tries[rows])
    first = np.cumsum(hour.tries[rows]) - hour.tries[rows]
    number = np.arange(len(row)) - np.repeat(first, hour.tries[rows]) + 1
    start = _each_ns(hour, row)[0] + (number - 1) * (hour.took_ns[row] + hour.wait_ns[row]) + 50_000
    return row, number, start, hour.ok[row] & (number == hour.tries[row])


def _attempts(hour: Hour, rows: Ints, worker: int) -> NDArray[Any]:
    row, number, start, good = _tries(hour, rows)
    error = np.where(good, 0, _error_codes(hour)[row])
    answered = good | (error == model.ERRORS.index("5xx"))
    end = start + hour.took_ns[row] - 100_000
    return _records(
        ATTEMPTS, len(row), call=row + 1, attempt=number, via=1, result=np.where(answered, 0, error),
        status=np.where(good, 200, np.where(answered, 503, 0)), connection=row % 50 + 1, reused=1, worker=worker,
        start_ns=start, headers_ns=np.where(answered, end - 200_000, 0), end_ns=end,
    )  # fmt: skip


def _witness(spool: Path, hour: Hour) -> None:
    path, names = spool / "witness.raw", _names(hour)
    ids = _texts(path, [*names, *(f"kh-{n}" for n in range(len(names))), *(name for name, *_ in FAULTS)])
    row, number, start, good = _tries(hour, np.arange(len(hour.intended)))
    unsent = ~good & (hour.fault[row] == len(FAULTS) - 1)
    row, number, start, good = row[~unsent], number[~unsent], start[~unsent], good[~unsent]
    order = np.argsort(start, kind="stable")
    row, number, start, good = row[order], number[order], start[order], good[order]
    lost = ~good & (hour.fault[row] == 4)
    refused = ~good & (hour.fault[row] == 1)
    committed = (good | lost) & (hour.op[row] != 3)
    faults = np.append(ids[2 * len(names) :], 0)
    end = start + hour.took_ns[row] - 800_000
    _add(path, _records(
        ARRIVALS, len(row), call=row + 1, attempt=number, op=hour.op[row], connection=row % 50 + 1, payload=row,
        session=ids[: len(names)][hour.session[row]], node_id=ids[len(names) : 2 * len(names)][hour.session[row]],
        fault=np.where(lost | refused, faults[hour.fault[row]], 0), arrive_ns=start + 500_000,
        reply_ns=np.where(good | refused, end, 0), status=np.where(good, 200, np.where(refused, 503, 0)),
        commit_seq=np.where(committed, np.cumsum(committed), 0),
    ))  # fmt: skip
