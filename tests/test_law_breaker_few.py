"""Breaker laws where calls are few, or of several operations or processes: literal histories."""

from __future__ import annotations

from law_cases import promise, said

THREE = promise({"timeout": {"total": 0.5}, "breaker": {"fail_max": 2, "reset_timeout": 3.0}})
OBSERVES = promise(
    {"timeout": {"total": 0.5}, "calls": {"observe": {"breaker": {"fail_max": 2, "reset_timeout": 3.0}}}}
)
FAULTS = "name kind applied_ms effective_ms felt_ms cleared_ms\nout refuse 9900 9900 10000 11000"


def opened(
    rejected_ms: list[int], more_calls: str = "", more_attempts: str = "", first_ms: int = 100
) -> dict[str, str]:
    """A call at `first_ms`, two refused at 10.0 and 10.2 s, and rejections at these times."""
    times = [first_ms, 10_000, 10_200]
    calls = ["call op start_ms end_ms outcome error"]
    calls += [
        f"{n} observe {at} {at + 10} {'ok -' if n == 1 else 'error connect_error'}" for n, at in enumerate(times, 1)
    ]
    calls += [f"{n} observe {at} {at} rejected breaker_open" for n, at in enumerate(rejected_ms, 4)]
    attempts = ["call attempt start_ms end_ms result status", f"1 1 {first_ms} {first_ms + 10} - 200"]
    attempts += [f"{n} 1 {at} {at + 10} connect_error 0" for n, at in ((2, 10_000), (3, 10_200))]
    return {
        "calls": "\n".join([*calls, *more_calls.split("\n")[bool(not more_calls) :]]),
        "attempts": "\n".join([*attempts, *more_attempts.split("\n")[bool(not more_attempts) :]]),
        "faults": FAULTS,
    }


class TestDue:
    """When an open breaker owes a trial (B7): the reset time-out, a call's bound and the longest gap after it."""

    def test_a_pause_before_the_outage_is_no_gap_after_it(self) -> None:
        """Nobody called for ten seconds before it; afterwards ten a second did, and all were rejected."""
        found = said("B7", THREE, **opened(list(range(10_300, 20_000, 100))))
        assert found.status == "fail"
        assert min(witness["call"] for witness in found.witnesses) > 30

    def test_two_calls_after_the_outage_are_one_gap(self) -> None:
        """They came 4 s apart, so the second was due at 18 s at the latest: it was rejected at 15.5 s."""
        assert said("B7", THREE, **opened([10_400, 11_500, 15_500])).status == "not_exercised"
        assert said("B7", THREE, **opened([10_400, *range(11_100, 17_000, 900)])).status == "fail"


class TestGoverned:
    """Whose attempts count for whose breaker."""

    def test_attempts_of_operations_behind_no_breaker_are_no_trial(self) -> None:
        """Predictions go on beside an open breaker of observes that never lets one through."""
        others = "\n".join(f"{n} predict {at} {at + 10} ok -" for n, at in enumerate(range(10_350, 20_000, 100), 1000))
        tried = "\n".join(f"{n} 1 {at} {at + 10} - 200" for n, at in enumerate(range(10_350, 20_000, 100), 1000))
        rejected = list(range(10_300, 20_000, 100))
        assert said("B7", OBSERVES, **(opened(rejected, others, tried) | {"faults": NO_END})).status == "fail"

    def test_an_attempt_after_the_opening_was_over_takes_nothing_back(self) -> None:
        """Its trial came at last, after ten seconds of rejections: too late all the same."""
        rejected = list(range(10_300, 20_000, 100))
        trial = ("999 observe 20100 20110 ok -", "999 1 20100 20110 - 200")
        assert said("B7", THREE, **(opened(rejected, *trial) | {"faults": NO_END})).status == "fail"

    def test_slow_rejections_of_what_is_not_tried_again_count(self) -> None:
        """Re-tries are promised for predictions alone: an observe rejected after a second did not sleep between
        two of them (B4)."""
        calls = ["call op start_ms end_ms outcome error"]
        calls += [f"{n} observe {100 * n} {100 * n + 1000} rejected breaker_open" for n in range(1, 40)]
        for calls_of, status in (("predict", "fail"), ("observe", "not_exercised")):
            retried = promise({"retry": {"max_attempts": 3, "calls": [calls_of]}, "breaker": {"fail_max": 2}})
            assert said("B4", retried, calls="\n".join(calls)).status == status


NO_END = "name kind applied_ms effective_ms felt_ms cleared_ms\nout refuse 9900 9900 10000 30000"


def test_attempts_of_another_process_are_no_company() -> None:
    """Twelve calls of one process wait for one attempt at a time; that another process is busy meanwhile says nothing
    of it (B8)."""
    calls, attempts = ["call op worker start_ms end_ms outcome"], ["call attempt worker start_ms end_ms result status"]
    for n in range(12):
        calls.append(f"{n + 1} observe 1 1000 {1020 + n} ok")
        attempts.append(f"{n + 1} 1 1 {1001 + n} {1002 + n} - 200")
    for n in range(3):
        calls.append(f"{n + 101} observe 2 1000 1100 ok")
        attempts.append(f"{n + 101} 1 2 1000 1100 - 200")
    found = said("B8", THREE, calls="\n".join(calls), attempts="\n".join(attempts))
    assert found.status == "not_exercised"
