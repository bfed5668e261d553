"""Which files of law code make up a family, and which tests have to notice their mutants."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAWS = ROOT / "harness" / "laws"

_NAMED: Mapping[str, tuple[str, ...]] = {
    "breaker": (
        "breaker",
        "breaker_events",
        "breaker_flow",
        "breaker_open",
        "breaker_runs",
        "breaker_spells",
        "breaker_state",
        "breaker_trials",
    ),
    "retries": ("retries", "retry_load", "retry_timing", "budget", "chains"),
    "time-outs": ("timeouts", "waits", "bounds"),
    "fallback": ("fallback", "answers"),
    "pools": ("pools", "pool_waits", "leaks", "blame"),
    "recovery": ("recovery", "recovery_map"),
    "data": ("data", "data_sessions", "observed", "writes"),
    "policy": ("declared", "findings"),
    "gates": ("gates", "generator", "lag", "little", "clocks"),
    "messaging": ("messaging", "messaging_links", "queue_view"),
    "discovery": ("discovery",),
    "mesh": ("mesh", "mesh_ejection", "mesh_times", "mesh_view"),
    "tracing": ("tracing", "traces"),
    "health": ("health", "fronts"),
}
_REST = {path.stem for path in LAWS.glob("*.py")} - {"__init__"} - {name for names in _NAMED.values() for name in names}

FAMILIES: Mapping[str, tuple[str, ...]] = {**_NAMED, "judging": tuple(sorted(_REST))}
"""What no family has for itself, because several share it, stands under `judging`."""

TESTS = ("test_law_*.py", "test_judge.py", "test_breaker_state.py", "test_scenario_known.py", "test_recovery_map.py")
"""Tests on literal and simulated histories: no sockets, no real time."""


def files_of(family: str) -> list[Path]:
    """The family's files."""
    return [LAWS / f"{name}.py" for name in FAMILIES[family]]


def law_tests() -> list[str]:
    """The test files."""
    return sorted(str(path) for pattern in TESTS for path in (ROOT / "tests").glob(pattern))
