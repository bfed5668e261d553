"""Which laws count in a run, what a scenario can prove before it runs, and how a law is explained."""

from __future__ import annotations

from typing import Any

import pytest
from law_cases import promise

from harness.errors import UsageError
from harness.laws import LAWS, explain
from harness.laws.required import expected_calls, is_required, provable
from harness.model import Fault, Load, Stage
from harness.policy import Breaker, Policy, Timeout

S = 10**9
RISING = Load((Stage(10.0, 30.0, 10 * S), Stage(30.0, 30.0, 10 * S)))
"""200 calls, then 300."""
CLOSED = Load((Stage(0.0, 0.0, 20 * S),), users=4, think_mean_ns=2 * S)
"""Four users who think for two seconds: forty calls."""
BREAKER = promise({"breaker": {"fail_max": 5, "reset_timeout": 3.0}})


@pytest.mark.parametrize(("law", "kinds", "failed", "required"), [
    ("X1", (), False, True), ("D1", (), False, True), ("B1", ("refuse",), False, True), ("B1", (), False, False),
    ("B1", ("drip",), False, False), ("B1", ("drip", "refuse"), False, True), ("R1", ("refuse",), False, False),
    ("R1", ("refuse",), True, True), ("T1", ("pause",), False, True), ("K1", (), False, True),
])  # fmt: skip
def test_what_counts_by_itself(law: str, kinds: tuple[str, ...], failed: bool, required: bool) -> None:
    """Gates, data laws, what is promised and can be exercised, and what failed: of a client with a breaker."""
    assert is_required(LAWS[law], {}, BREAKER, kinds, failed) is required
    assert is_required(LAWS[law], {"require": "auto"}, BREAKER, kinds, failed) is required


@pytest.mark.parametrize(("settings", "laws"), [
    ({"watch": ["D1"]}, {"X1", "B1"}), ({"skip": {"B1": "later"}}, {"X1", "D1"}), ({"require": ["B1"]}, {"X1", "B1"}),
    ({"require": ["B1"], "watch": ["B1"]}, {"X1"}), ({"watch": ["X1"], "skip": {"X1": "no"}}, {"X1", "B1", "D1"}),
])  # fmt: skip
def test_a_scenario_says_otherwise(settings: dict[str, Any], laws: set[str]) -> None:
    """But not of a gate."""
    assert {id for id in ("X1", "B1", "D1") if is_required(LAWS[id], settings, BREAKER, ("refuse",), False)} == laws


@pytest.mark.parametrize(("law", "load", "faults", "calls"), [
    ("K1", RISING, (), 500.0), ("K1", CLOSED, (), 40.0), ("K1", Load(()), (), 0.0), ("B1", RISING, (), 0.0),
    ("B1", RISING, (Fault("a", "refuse", 0, 5 * S),), 125.0), ("B1", RISING, (Fault("a", "drip", 0, 5 * S),), 0.0),
    ("B1", RISING, (Fault("a", "refuse", 0, 5 * S), Fault("b", "refuse", 9, 5 * S)), 250.0),
    ("B1", RISING, (Fault("a", "refuse", 0, 50 * S),), 500.0), ("B1", Load(()), (Fault("a", "refuse", 0, S),), 0.0),
    ("K1", Load((Stage(0.0, 0.0, 2 * S),), users=1), (), 40.0),
])  # fmt: skip
def test_how_many_calls_can_exercise_a_law(law: str, load: Load, faults: tuple[Fault, ...], calls: float) -> None:
    """The area under the rates, or what users make, as far as they meet its faults; 50 ms are the least thought."""
    assert expected_calls(LAWS[law], faults, load) == pytest.approx(calls)


def test_says_what_it_takes_to_prove_a_law() -> None:
    """A part, a promise, a fault, enough calls; and what it will take where all is there."""
    total = Policy(timeout=Timeout(total=1.0))
    refuse, few = [Fault("a", "refuse", 0, 5 * S)], Load((Stage(1.0, 1.0, 2 * S),))
    assert provable("Q1", total, refuse, RISING) == (False, "needs a queue before KATO (topology)")
    assert provable("Q1", total, refuse, RISING, ("mesh", "queue")) == (True, LAWS["Q1"].wants)
    assert provable("R1", total, refuse, RISING) == (False, "the policy promises no retry")
    assert provable("T2", total, refuse, RISING) == (False, f"needs {LAWS['T2'].wants}")
    assert provable("B8", total, [Fault("a", "latency", 0, 2 * S)], few) == (
        False, "needs 10 calls under such a fault; about 2 come",
    )  # fmt: skip
    assert provable("B8", total, [Fault("a", "latency", 0, 10 * S)], Load((Stage(1.0, 1.0, 10 * S),)))[0]
    assert provable("P5", total, [], few) == (False, "needs 100 calls in the run; about 2 come")
    assert provable("K1", total, [], few) == (True, "nothing but calls")
    assert provable("B1", Policy(breaker=Breaker(5)), refuse, RISING) == (True, LAWS["B1"].wants)


def test_a_law_explains_when_it_applies_and_what_it_takes() -> None:
    """By its promise, its faults, its zero tolerance; and there is no other law."""
    lines = dict(line.strip().split(None, 1) for line in explain("B5").splitlines()[1:])
    assert lines["applies"] == "where the policy has breaker"
    assert lines["takes"] == LAWS["B5"].wants
    assert lines["counts"] == "one witness is enough, also in an invalid run"
    assert explain("B5").startswith("B5 HalfOpenSingleTrial (breaker)\n") and explain("B5").endswith("run\n")
    plain = dict(line.strip().split(None, 1) for line in explain("K1").splitlines()[1:])
    assert (plain["applies"], plain["takes"], "counts" in plain) == ("always", "nothing but calls", False)
    with pytest.raises(UsageError, match="there is no law 'Z9'") as error:
        explain("Z9")
    assert error.value.cure == f"one of {', '.join(LAWS)}"
