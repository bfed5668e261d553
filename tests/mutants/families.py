"""Which files of law code make up a family, and which tests, its own, have to notice their mutants."""

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

_TESTS: Mapping[str, tuple[str, ...]] = {
    "breaker": ("law_breaker*", "breaker_state"),
    "retries": ("law_retries*", "law_retry*"),
    "time-outs": ("law_timeouts*", "law_waits*", "law_recovery_numbers"),
    "fallback": ("law_fallback*", "law_answers"),
    "pools": ("law_pools*", "law_leaks"),
    "recovery": ("law_recovery*", "recovery_map"),
    "data": ("law_data*", "law_observed", "law_breaker_corners", "law_recovery*"),
    "policy": ("law_policy*", "law_pools"),
    "gates": ("law_gates*",),
    "messaging": ("law_messaging*",),
    "discovery": ("law_discovery*",),
    "mesh": ("law_mesh*",),
    "tracing": ("law_tracing*",),
    "health": ("law_health*", "law_fronts"),
    "judging": (
        "law_judg*", "judge", "law_marks", "law_required", "scenario_known", "law_recovery*", "law_answers",
        "law_edges", "law_policy*", "law_fallback*", "law_timeouts*",
    ),
}  # fmt: skip
"""Tests on literal and simulated histories: no sockets, no real time. Those of other families would notice some more,
and take ten times as long."""


def files_of(family: str) -> list[Path]:
    """The family's files."""
    return [LAWS / f"{name}.py" for name in FAMILIES[family]]


def law_tests(family: str) -> list[str]:
    """The family's test files."""
    return sorted({str(path) for name in _TESTS[family] for path in (ROOT / "tests").glob(f"test_{name}.py")})
