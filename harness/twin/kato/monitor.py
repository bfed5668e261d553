"""What KATO counts about itself. Figures of the host (CPU, memory, disk) are fixed; nothing depends on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

WINDOW_S = 60.0
SAMPLE_EVERY_S = 10.0
KEPT = 1000

HOST: Mapping[str, float] = {
    "kato_cpu_usage_percent": 10.0,
    "kato_memory_usage_bytes": 2.0**30,
    "kato_memory_usage_percent": 10.0,
    "kato_disk_usage_percent": 20.0,
    "kato_network_bytes_sent": 0.0,
    "kato_network_bytes_recv": 0.0,
}
METRICS = 19
"""How many metrics KATO registers; those of HOST and of requests have values, the others never get any."""


class Seen(NamedTuple):
    """One finished request: when (s), how, what, its status and how long it took (s)."""

    at: float
    method: str
    path: str
    status: int
    took: float


class Monitor:
    """The last requests and their totals, since `started_at` (wall-clock seconds)."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at
        self._seen: deque[Seen] = deque(maxlen=KEPT)
        self._failed: deque[tuple[int, Seen]] = deque(maxlen=KEPT)
        self.total = 0
        self.failed = 0
        self.observations = 0

    def record(self, at: float, method: str, path: str, status: int, took: float) -> None:
        """Count one answered request; a 500 leaves no trace in KATO's figures."""
        if status == 500:
            return
        self.total += 1
        self.observations += path.endswith("/observe") and status == 200
        seen = Seen(at, method, path, status, took)
        self._seen.append(seen)
        if status >= 400:
            self.failed += 1
            self._failed.append((self.failed, seen))

    def series(self, name: str, now: float, window: float) -> list[dict[str, Any]]:
        """The values of one metric in the last `window` seconds, oldest first; none for one without values."""
        since = now - window
        if name in HOST:
            return [point for point in self._samples(HOST[name], now) if point["timestamp"] > since]
        if name == "kato_requests_total":
            first = self.total - len(self._seen) + 1
            counted = [(float(first + at), seen) for at, seen in enumerate(self._seen)]
            return [_point(value, seen) for value, seen in counted if seen.at > since]
        if name == "kato_request_duration_seconds":
            return [_point(seen.took, seen, status=str(seen.status)) for seen in self._seen if seen.at > since]
        if name == "kato_requests_failed":
            failed = [(float(value), seen) for value, seen in self._failed if seen.at > since]
            return [_point(value, seen, status=str(seen.status)) for value, seen in failed]
        return []

    def rate(self, now: float) -> float:
        """Requests a second over the last minute."""
        recent = [seen.at for seen in self._seen if seen.at > now - WINDOW_S]
        span = recent[-1] - recent[0] if len(recent) > 1 else 0.0
        return (len(recent) - 1) / span if span > 0 else 0.0

    def mean_duration(self, now: float) -> float:
        """Mean duration of the last minute's requests (s)."""
        recent = [seen.took for seen in self._seen if seen.at > now - WINDOW_S]
        return sum(recent) / len(recent) if recent else 0.0

    def _samples(self, value: float, now: float) -> list[dict[str, Any]]:
        taken = min(int((now - self._started_at) / SAMPLE_EVERY_S) + 1, KEPT)
        last = self._started_at + int((now - self._started_at) / SAMPLE_EVERY_S) * SAMPLE_EVERY_S
        times = [last - SAMPLE_EVERY_S * back for back in reversed(range(taken))]
        return [{"timestamp": at, "value": value, "labels": {}} for at in times]


def _point(value: float, seen: Seen, **labels: str) -> dict[str, Any]:
    return {"timestamp": seen.at, "value": value, "labels": {"method": seen.method, "path": seen.path, **labels}}
