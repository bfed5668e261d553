"""Breaker laws: on literal histories, and on a simulated breaker that keeps or breaks each of them."""

from __future__ import annotations

from typing import Any

from breaker_sim import Plan, simulate
from law_cases import calls_of, promise, said, verdict

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


class TestB3:
    """The right failures are counted."""

    def test_passes_where_5xx_open_it(self) -> None:
        """Five answers of 503, then a rejection."""
        assert said("B3", FIVE, **failing([200] + [503] * 5)).status == "pass"

    def test_fails_by_one_call_let_through(self) -> None:
        """The same with a sixth try instead of the rejection."""
        found = said("B3", FIVE, **failing([200] + [503] * 6, last_rejected=False))
        assert (found.status, calls_of(found), found.bound) == ("fail", [7], "5")

    def test_fails_where_a_503_between_resets_the_count(self) -> None:
        """[cut ×4, 503]*: five in a row, again and again, and never open."""
        found = said("B3", FIVE, **failing([0, 0, 0, 0, 503, 0, 0, 0, 0, 503], last_rejected=False))
        assert (found.status, calls_of(found)) == ("fail", [6, 7, 8, 9, 10])

    def test_a_success_between_resets_the_count(self) -> None:
        """Four and four failures with a success between needn't open anything."""
        assert said("B3", FIVE, **failing([503] * 4 + [200] + [503] * 4, last_rejected=False)).status == "not_exercised"

    def test_calls_that_were_under_way_are_not_held_against_it(self) -> None:
        """Six calls at once, all 503: none started after the count was full."""
        calls = ["call op start_ms end_ms outcome error"] + [
            f"{n} observe 100 {200 + n} error 5xx" for n in range(1, 7)
        ]
        attempts = ["call attempt start_ms end_ms status"] + [f"{n} 1 100 {200 + n} 503" for n in range(1, 7)]
        found = said("B3", FIVE, calls="\n".join(calls), attempts="\n".join(attempts))
        assert found.status == "inconclusive"

    def test_fails_where_4xx_open_it(self) -> None:
        """Five answers of 422 are the caller's mistakes."""
        found = said("B3", FIVE, **failing([200] + [422] * 5))
        assert found.status == "fail"
        assert "4xx" in found.reason

    def test_does_not_apply_without_a_breaker(self) -> None:
        """No breaker is declared or read."""
        assert said("B3", NONE, **failing([503] * 6, last_rejected=False)).status == "not_applicable"

    def test_counts_that_were_only_read_lower_nothing(self) -> None:
        """Code that counts 5xx as success is the defect; a declaration is a promise."""
        counts = {"breaker": {"counts": ["connect_error"]}}
        known = {"breaker": {"fail_max": 5, "reset_timeout": 3.0}}
        case = failing([503] * 6, last_rejected=False)
        assert said("B3", promise(known, counts), **case).status == "fail"
        assert said("B3", promise({"breaker": known["breaker"] | counts["breaker"]}), **case).status == "not_exercised"

    def test_a_simulated_correct_breaker_passes(self) -> None:
        """It opens on 503, with and without a fallback that hides its error."""
        assert simulated("B3", how="503").status == "pass"
        assert simulated("B3", how="503", fallback=True).status == "pass"

    def test_a_simulated_breaker_that_ignores_503_fails(self) -> None:
        """It never opens in seven seconds of 503."""
        assert simulated("B3", how="503", counts=lambda how: how != "503").status == "fail"

    def test_refusals_alone_are_not_its_matter(self) -> None:
        """Without any 5xx there is nothing to say."""
        assert simulated("B3").status == "not_exercised"
