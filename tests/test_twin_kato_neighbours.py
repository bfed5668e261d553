"""Neighbours are those that Qdrant's search finds: in single precision, by the order in which its code adds up."""

from __future__ import annotations

from array import array
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.twin.kato.neighbours import Collection, squared_distance

NARROW = st.floats(-(2.0**56), 2.0**56, width=32)


def collection(*vectors: list[float]) -> Collection:
    made = Collection()
    for number, vector in enumerate(vectors):
        made.add(str(number), vector)
    return made


@given(st.lists(st.tuples(NARROW, NARROW), min_size=1, max_size=15))
def test_a_short_distance_is_added_up_one_element_after_the_other(pairs: list[tuple[float, float]]) -> None:
    """As numpy does it in single precision when it has to keep the order."""
    a, b = (np.array(side, np.float32) for side in zip(*pairs, strict=True))
    squares = (a - b) * (a - b)
    assert squared_distance(array("f", a), array("f", b)) == np.add.accumulate(squares)[-1]


@pytest.mark.parametrize("size", [16, 20, 31, 32, 40, 64, 100])
@given(data=st.data())
def test_a_long_distance_is_near_the_exact_one(size: int, data: st.DataObject) -> None:
    """Whatever the order, so many roundings of a single are all that it may be off by."""
    vectors = st.lists(NARROW, min_size=size, max_size=size)
    a, b = (array("f", data.draw(vectors)) for _ in range(2))
    exact = sum((Fraction(x) - Fraction(y)) ** 2 for x, y in zip(a, b, strict=True))
    assert abs(Fraction(squared_distance(a, b)) - exact) <= exact * size / 2**23 + Fraction(1, 2**120)


@pytest.mark.parametrize(
    ("size", "expected"), [(8, 2.0**24), (16, 2.0**24 + 14), (24, 2.0**24 + 16), (32, 2.0**24 + 30), (64, 2.0**24 + 62)]
)
def test_lanes_keep_what_is_lost_one_after_the_other(size: int, expected: float) -> None:
    """Ones beside a square of 2^24: lost where they are added to it singly, kept where lanes add them to each other."""
    assert squared_distance(array("f", [4096.0] + [1.0] * (size - 1)), array("f", [0.0] * size)) == expected


def test_small_vectors_beside_large_ones_are_equally_near_and_the_first_ones_stay() -> None:
    """A 1e9 swallows what tells the others apart, where exact distances would tell."""
    assert collection([0.0], [3.0], [2.0], [1.0]).nearest([1e9]) == ["0", "1", "2"]


def test_a_neighbour_without_a_finite_distance_leaves_none_at_all() -> None:
    """Qdrant answers null for its score, and KATO takes the whole answer for a failure."""
    assert collection([1.0], [2.0], [3.0]).nearest([1e20]) == []
    assert {*collection([1.0], [2.0], [3.0], [1e20]).nearest([1.0])} == {"0", "1", "2"}
    assert collection([1e300], [1.0], [2.0], [3.0]).nearest([1e300]) == []


def test_what_json_cannot_say_is_not_stored_and_has_no_neighbours() -> None:
    """KATO's client sends null for it, which Qdrant refuses."""
    assert collection([float("inf")], [float("nan")], [1.0]).nearest([1.0]) == ["2"]
    assert collection([1.0]).nearest([float("inf")]) == []
