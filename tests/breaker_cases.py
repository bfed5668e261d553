"""Promises of a breaker, simulated clients judged by them, and literal histories of failures."""

from __future__ import annotations

from typing import Any

from breaker_sim import Plan, simulate
from law_cases import promise, verdict

from harness.policy import Promise

FIVE = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}})
NONE = promise({"timeout": {"total": 1.0}})


def simulated(law: str, promised: Promise = FIVE, **plan: Any) -> Any:
    """The verdict on a simulated client."""
    return verdict(law, simulate(Plan(**plan))[0], promised)


def failing(statuses: list[int], last_rejected: bool = True) -> dict[str, str]:
    """Calls 200 ms apart that end in these statuses (0: refused), then one that is rejected or one more try."""
    calls = ["call op start_ms end_ms outcome error"]
    attempts = ["call attempt start_ms end_ms result status"]
    for n, status in enumerate(statuses, 1):
        outcome = "ok -" if status == 200 else f"error {f'{status // 100}xx' if status else 'connect_error'}"
        calls.append(f"{n} observe {200 * n} {200 * n + 10} {outcome}")
        attempts.append(f"{n} 1 {200 * n} {200 * n + 10} {'-' if status else 'connect_error'} {status}")
    at = len(statuses) + 1
    if last_rejected:
        calls.append(f"{at} observe {200 * at} {200 * at} rejected breaker_open")
    return {"calls": "\n".join(calls), "attempts": "\n".join(attempts)}
