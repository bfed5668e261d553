"""What a client's own attribute `policy` promises: Python's values for the keys of a scenario's `policy`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.policy import from_mapping
from harness.policy.given import given
from harness.policy.merge import to_mapping
from harness.scenario.declared import checked

WHERE = "app/kato.py:Client"


def read(policy: Any) -> dict[str, Any]:
    """As the generator gives it and the run reads it."""
    return checked(given(policy, WHERE), WHERE)


@pytest.mark.parametrize("time", [2, 2.0, "2s", "2000ms", timedelta(seconds=2)])
def test_a_time_is_a_number_of_seconds_a_timedelta_or_a_text_with_a_unit(time: object) -> None:
    """Alike for all operations and for one."""
    found = read({"timeout": {"read": time}, "calls": {"predict": {"breaker": {"reset_timeout": time}}}})
    assert found == {"timeout": {"read": 2.0}, "calls": {"predict": {"breaker": {"reset_timeout": 2.0}}}}


def test_what_is_none_is_not_said() -> None:
    """As if the key weren't there."""
    assert read({"timeout": {"read": 1.0, "total": None}, "breaker": None}) == {"timeout": {"read": 1.0}}


def test_mappings_lists_and_statuses_may_be_of_any_kind() -> None:
    """A frozen mapping, a tuple, a number for a status."""
    policy = MappingProxyType({"retry": {"max_attempts": 3, "on": ("reset", 503), "calls": frozenset({"predict"})}})
    assert read(policy) == {"retry": {"max_attempts": 3, "on": ["reset", "503"], "calls": ["predict"]}}


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"retry": {"attempts": 3}}, "'attempts' in retry"),
        ({"retries": {}}, "'retries'"),
        ({"calls": {"predict": {"timeout": {"reed": 1.0}}}}, "'reed'"),
        ({"timeout": {"read": "2"}}, "no unit"),
        ({"timeout": {"read": -1.0}}, "-1"),
        ({"timeout": {"read": [1.0]}}, "read"),
        ({"timeout": 3.0}, "timeout needs a map"),
        ({"breaker": {"fail_max": object()}}, "fail_max"),
        ({"breaker": {"counts": ["5xy"]}}, "'5xy' is not an error"),
        ({"calls": {"forget": {}}}, "forget"),
        (3, "is of type int"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_whose_it_is_and_a_cure(policy: object, says: str) -> None:
    """A promise that nobody reads is one that nobody holds."""
    with pytest.raises(UsageError, match=says) as caught:
        read(policy)
    assert WHERE in caught.value.what
    assert caught.value.cure


def test_all_that_is_wrong_is_told_at_once() -> None:
    """With the key that was probably meant."""
    with pytest.raises(UsageError, match="did you mean max_attempts") as caught:
        read({"retry": {"attempts": 3}, "breaker": {"fail_maxx": 5}})
    assert "fail_max" in caught.value.what


SECONDS = st.integers(1, 10**7).map(lambda ms: ms / 1000)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "timeout": st.fixed_dictionaries({}, optional=dict.fromkeys(("connect", "read", "pool", "total"), SECONDS)),
        "breaker": st.fixed_dictionaries({"fail_max": st.integers(1, 99), "reset_timeout": SECONDS}),
        "fallback": st.fixed_dictionaries({"marked": st.booleans()}),
    },
)


@drawn(POLICIES, st.dictionaries(st.sampled_from(["observe", "predict"]), POLICIES, max_size=2))
def test_a_policy_means_the_same_after_it_was_read(policy: dict[str, Any], calls: Mapping[str, Any]) -> None:
    """To the last digit of a time."""
    whole = {**policy, "calls": calls}
    assert to_mapping(from_mapping(read(whole))) == to_mapping(from_mapping(whole))
