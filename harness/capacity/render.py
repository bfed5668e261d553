"""A capacity search for people and for programs."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from harness.capacity.bottleneck import bottleneck
from harness.capacity.knee import knee
from harness.capacity.probe import ProbeResult
from harness.capacity.search import Capacity
from harness.capacity.usl import Scalability, fit_probes
from harness.errors import UsageError

HEAD = ("rate /s", "long", "carried /s", "p50 ms", "p95 ms", "p99 ms", "errors", "in flight", "held", "nearest bound")


def text(found: dict[str, Capacity]) -> str:
    """For each fault (empty: none) its probes by rate, the answer, and what the curve says; all answers last."""
    parts = [_one(fault, capacity) for fault, capacity in found.items()]
    if len(found) > 1:
        parts.append("".join(f"{title(fault)}: {answer(capacity)}\n" for fault, capacity in found.items()))
    return "\n".join(parts)


def title(fault: str) -> str:
    """What a search is of."""
    return f"under the fault {fault}" if fault else "without faults"


def _one(fault: str, capacity: Capacity) -> str:
    rows = [HEAD, *(row(probe) for probe in sorted(capacity.probes, key=lambda probe: probe.rate))]
    widths = [*(max(len(row[at]) for row in rows) for at in range(len(HEAD) - 1)), 0]
    table = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines = [title(fault), *table, answer(capacity), *opinions(capacity)]
    return "\n".join(line for line in lines if line) + "\n"


def row(probe: ProbeResult) -> tuple[str, ...]:
    """A probe under HEAD."""
    numbers = (probe.carried, probe.p50_s * 1e3, probe.p95_s * 1e3, probe.p99_s * 1e3)
    shown = tuple("-" if math.isnan(number) else f"{number:.4g}" for number in numbers)
    length = f"{probe.longer:.3g}×"
    errors = "-" if math.isnan(probe.error_rate) else f"{probe.error_rate:.2%}"
    flying = "-" if math.isnan(probe.in_flight) else f"{probe.in_flight:.3g}"
    return f"{probe.rate:.4g}", length, *shown, errors, flying, "yes" if probe.held else "no", probe.words


def answer(capacity: Capacity) -> str:
    """The capacity in one line."""
    rate = f"{capacity.rate:.4g}/s"
    if capacity.ending == "below":
        lowest = min(capacity.probes, key=lambda probe: probe.rate)
        return f"capacity: none found; the objectives don't hold at {lowest.rate:.4g}/s either ({lowest.words})"
    if capacity.ending in ("above", "limited"):
        why = f": {capacity.words}" if capacity.words else ""
        return f"capacity: at least {rate}{why}"
    low, high = capacity.interval.low, capacity.interval.high
    more = f"; {capacity.words}" if capacity.words else ""
    return f"capacity: {rate} (95 % interval {low:.4g} to {high:.4g}/s, {len(capacity.probes)} probes){more}"


def opinions(capacity: Capacity) -> list[str]:
    """What the curve says beside the objectives: its knee, the fitted law, and what got slower."""
    bend = knee([probe.rate for probe in capacity.probes], [probe.mean_s for probe in capacity.probes])
    lines = [] if math.isnan(bend) else [f"knee of the curve (second opinion): {bend:.4g}/s"]
    what = bottleneck(capacity.probes)
    lines += [f"bottleneck: {what}"] if what else []
    law = scalability(capacity)
    return [*lines, f"scalability: {law if isinstance(law, str) else _law(law)}"]


def scalability(capacity: Capacity) -> Scalability | str:
    """The fitted law, or why there is none."""
    try:
        return fit_probes(capacity.probes)
    except UsageError as error:
        return error.what


def _law(law: Scalability) -> str:
    alpha = f"contention {_small(law.alpha)} ({_small(law.alpha_interval.low)} to {_small(law.alpha_interval.high)})"
    beta = f"coherency {_small(law.beta)} ({_small(law.beta_interval.low)} to {_small(law.beta_interval.high)})"
    if law.peak_known:
        peak = f"peak {law.throughput(law.peak_load):.4g}/s at {law.peak_load:.3g} calls in flight"
    else:
        peak = f"no sure peak within twice the {law.measured_to:.3g} calls in flight that were measured"
    return f"{alpha}, {beta}, {peak}; the others predict the highest load with an error of {law.left_out:+.1%}"


def _small(value: float) -> str:
    """A share of a call's work: what is below a millionth is nothing."""
    return f"{round(value, 6):.2g}"


def as_json(found: dict[str, Capacity]) -> dict[str, Any]:
    """All of it as plain values, format 1; numbers that are none are null."""
    return {"format": 1, "searches": [_json_one(fault, capacity) for fault, capacity in found.items()]}


def _json_one(fault: str, capacity: Capacity) -> dict[str, Any]:
    law = scalability(capacity)
    return {
        "fault": fault,
        "ending": capacity.ending,
        "rate": capacity.rate,
        "interval": [_plain(capacity.interval.low), _plain(capacity.interval.high)],
        "words": capacity.words,
        "knee": _plain(knee([p.rate for p in capacity.probes], [p.mean_s for p in capacity.probes])),
        "bottleneck": bottleneck(capacity.probes),
        "scalability": _plain_all(asdict(law)) if isinstance(law, Scalability) else {"refused": law},
        "probes": [_plain_all(asdict(probe)) | {"in_flight": _plain(probe.in_flight)} for probe in capacity.probes],
    }


def _plain_all(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _plain_all(value) for key, value in values.items()}
    return _plain(values)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
