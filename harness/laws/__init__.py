"""The catalogue: importing this package registers every law, in the order of laws.md."""

from __future__ import annotations

from harness.laws import (
    answers,
    breaker,
    breaker_flow,
    breaker_open,
    data,
    data_sessions,
    declared,
    discovery,
    fallback,
    fronts,
    gates,
    health,
    leaks,
    mesh,
    mesh_times,
    messaging,
    messaging_links,
    observed,
    pools,
    recovery,
    retries,
    retry_load,
    retry_timing,
    timeouts,
    tracing,
    waits,
)
from harness.laws.registry import LAWS, Law, in_catalogue_order
from harness.laws.required import provable
from harness.laws.words import explain

__all__ = [
    "LAWS",
    "Law",
    "answers",
    "breaker",
    "breaker_flow",
    "breaker_open",
    "data",
    "data_sessions",
    "declared",
    "discovery",
    "explain",
    "fallback",
    "fronts",
    "gates",
    "health",
    "leaks",
    "mesh",
    "mesh_times",
    "messaging",
    "messaging_links",
    "observed",
    "pools",
    "provable",
    "recovery",
    "retries",
    "retry_load",
    "retry_timing",
    "timeouts",
    "tracing",
    "waits",
]

in_catalogue_order()
