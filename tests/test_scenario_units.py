"""Units and expressions: what is written is what is read, and what can't be read is refused at its place."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import units
from harness.scenario import expr
from harness.units import TextError

SECONDS = st.one_of(st.integers(0, 10**7).map(lambda n: n / 1000), st.integers(0, 10**5).map(float))


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30.0), ("2m", 120.0), ("1h", 3600.0), ("1.5s", 1.5), ("0s", 0.0)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    """The units of the page: ms, s, m, h."""
    assert units.duration_s(text) == seconds


@pytest.mark.parametrize(("text", "per_s"), [("40/s", 40.0), ("600/min", 10.0), ("36/h", 0.01)])
def test_a_rate_is_calls_per_time(text: str, per_s: float) -> None:
    """The units of rates."""
    assert units.rate_per_s(text) == pytest.approx(per_s)


@pytest.mark.parametrize(("text", "share"), [("0.1%", 0.001), ("90%", 0.9), ("0.5", 0.5), ("100%", 1.0)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    """Shares are between 0 and 1."""
    assert units.ratio(text) == pytest.approx(share)


@pytest.mark.parametrize(("text", "size"), [("512", 512), ("64KiB", 65536), ("1MB", 10**6), ("2GiB", 2**31)])
def test_a_size_is_bytes_or_a_unit(text: str, size: int) -> None:
    """Binary and decimal units are told apart."""
    assert units.size_bytes(text) == size


@pytest.mark.parametrize(
    "reader", [units.duration_s, units.rate_per_s, units.ratio, units.size_bytes, units.integer, units.number]
)
@settings(deadline=None)
@given(text=st.text(max_size=30))
@example("0\x1f")
def test_any_text_is_read_or_refused_with_a_cure(reader, text: str) -> None:  # type: ignore[no-untyped-def]
    """No text brings a reader down."""
    try:
        reader(text)
    except TextError as error:
        assert error.what
        assert error.cure


@settings(deadline=None)
@given(SECONDS)
def test_a_written_duration_reads_back(seconds: float) -> None:
    """format_duration is exact."""
    assert units.duration_s(units.format_duration(seconds)) == seconds


@settings(deadline=None)
@given(st.floats(0, 1e9))
def test_a_written_rate_reads_back(per_s: float) -> None:
    """format_rate is exact to the last digits that a decimal of 30 places carries."""
    assert units.rate_per_s(units.format_rate(per_s)) == pytest.approx(per_s, abs=1e-29)


NAMES = st.sampled_from(["baseline.end", "outage.start", "policy.breaker.reset_timeout", "warmup.end"])
LEAVES = st.one_of(
    st.builds(expr.Literal, st.integers(0, 5000).map(lambda n: n / 4), st.booleans()), st.builds(expr.Name, NAMES)
)
TREES = st.recursive(
    LEAVES, lambda inner: st.builds(expr.Operation, st.sampled_from("+-*"), inner, inner), max_leaves=12
)


@settings(deadline=None)
@given(TREES)
def test_a_written_expression_reads_back(tree: expr.Tree) -> None:
    """Brackets and precedence survive."""
    assert expr.parse(expr.write(tree)).tree == tree


@settings(deadline=None)
@given(st.text(alphabet="0123456789.smh+-*/() abpolicy_", max_size=40))
def test_any_expression_is_read_or_refused_within_its_text(text: str) -> None:
    """The place of the mistake lies in the text."""
    try:
        expr.parse(text)
    except TextError as error:
        assert 0 <= error.index <= len(text)


def _kind(text: str) -> str:
    return expr.kind_of(expr.parse(text).tree, lambda name: "number" if "attempts" in name.path else "duration")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("10s", "duration"),
        ("3 * policy.breaker.reset_timeout", "duration"),
        ("policy.timeout.total * policy.retry.max_attempts", "duration"),
        ("2 * 3 + 1", "number"),
        ("0", "zero"),
        ("0 + 5s", "duration"),
        ("(baseline.end - 1s) * 2", "duration"),
    ],
)
def test_an_expression_has_a_kind(text: str, kind: str) -> None:
    """Numbers scale durations."""
    assert _kind(text) == kind


@pytest.mark.parametrize(
    ("text", "index"), [("10s + 5", 4), ("5 - baseline.end", 2), ("2s * 3s", 3), ("(1s + 2) * 2", 4)]
)
def test_unlike_things_are_not_added(text: str, index: int) -> None:
    """The refusal points at the sign."""
    with pytest.raises(TextError) as caught:
        _kind(text)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("text", "index"), [("10s / 2", 4), ("1s +", 4), ("(1s", 0), ("1s 2s", 3), ("", 0), ("5 sec", 2), ("a..b ^", 5)]
)
def test_a_broken_expression_is_refused_at_its_place(text: str, index: int) -> None:
    """The index is where reading stopped."""
    with pytest.raises(TextError) as caught:
        expr.parse(text)
    assert caught.value.index == index


def test_deep_brackets_are_refused_not_recursed_into() -> None:
    """A thousand brackets end in words."""
    with pytest.raises(TextError, match="too long"):
        expr.parse("(" * 1000 + "1s" + ")" * 1000)
