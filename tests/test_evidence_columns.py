"""Columns in little memory: kept up to a number of bytes, made again when asked for, equal whatever way they came."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evidence import parquet
from harness.evidence.history import History, table
from harness.evidence.packed import BLOCK, nbytes, pack
from harness.evidence.pairing import by_call
from harness.evidence.shelf import Shelf
from harness.evidence.table import CHUNK, Words, by_chunks
from harness.laws.case import Case
from harness.policy import merge


def test_a_shelf_lets_go_what_was_not_asked_for_longest_and_makes_it_again() -> None:
    """Three columns on a shelf for two."""
    made: list[str] = []
    shelf = Shelf(2 * 80)

    def make(name: str) -> NDArray[np.float64]:
        made.append(name)
        return np.zeros(10)

    for name in ("a", "b", "a", "c", "a", "b"):
        shelf.get(name, partial(make, name))
    assert made == ["a", "b", "c", "b"]


def test_what_leaves_the_hand_is_packed_and_comes_back_equal() -> None:
    """Times, rows that lie far apart, small numbers, masks and categories, in a value with words: made only once."""
    size, rng = 3 * BLOCK + 7, np.random.default_rng(7)
    arrays = {
        "times": np.cumsum(rng.integers(0, 2_000_000, size)), "far": rng.integers(-(2**63), 2**63 - 1, size),
        "rows": rng.integers(-1, 9, size).astype(np.int32), "mask": rng.random(size) < 0.5, "shares": rng.random(size),
        "one": np.full(size, 3), "few": np.arange(5),
    }  # fmt: skip
    shelf, made = Shelf(0, np.inf), []
    shelf.get("value", lambda: made.append(1) or (arrays, "word", Words(np.zeros(size, np.uint8), ("a",))))
    shelf.get("other", lambda: np.zeros(1))
    back, word, words = shelf.get("value", lambda: pytest.fail("made again"))
    assert (made, word, words.names) == ([1], "word", ("a",))
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array), name


def test_packed_times_take_half_their_memory() -> None:
    """A thousand a second: what a block exceeds its least by fits into 32 bits."""
    times = np.cumsum(np.random.default_rng(7).integers(0, 2_000_000, 50 * BLOCK))
    assert nbytes(pack(times)) < 0.51 * times.nbytes


def test_compact_words_read_the_same() -> None:
    """Names that don't occur are left out, and codes are as narrow as the rest allows."""
    words = Words(np.array([5, 2, 5, 0]), tuple("abcdef"))
    compact = words.compact()
    assert compact.tolist() == words.tolist()
    assert set(compact.names) == {"a", "c", "f"}
    assert compact.codes.dtype == np.uint8


def test_a_fold_by_chunks_is_the_fold_of_the_whole() -> None:
    """Also where the length is no multiple of a chunk."""
    values = np.arange(2 * CHUNK + 3)
    assert (by_chunks(lambda some: some * 3, values) == values * 3).all()


def test_a_table_in_groups_of_rows_reads_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers and words, over several groups and a torn last one."""
    monkeypatch.setattr(parquet, "GROUP", 3)
    written = table("canary", {"listener": list("aabcbca"), "start_ns": range(7), "outcome": ["ok"] * 7})
    parquet.write_table(tmp_path / "canary.parquet", written)
    assert list(parquet.read_table(tmp_path / "canary.parquet", "canary", Shelf()).rows()) == list(written.rows())


def test_laws_see_the_same_attempts_in_whichever_order_they_were_written() -> None:
    """By time, or by call and time as the finaliser writes them; attempts of no call are left out."""
    history = History.literal(
        calls="call start_ns end_ns\n7 0 9\n3 1 9\n5 2 9",
        attempts="call attempt start_ns end_ns\n3 1 1 2\n0 1 2 3\n7 1 3 4\n3 2 4 5\n5 1 5 6",
    )
    by_time = Case(history, merge({}, {}, {})).attempts
    ordered = by_call(history.attempts, history.calls, "start_ns")
    as_written = Case(History(history.calls, ordered), merge({}, {}, {})).attempts
    assert isinstance(as_written.table.order, slice)
    assert not isinstance(by_time.table.order, slice)
    for name in ("call", "attempt", "start_ns"):
        assert as_written.table[name].tolist() == by_time.table[name].tolist()
    assert as_written.table["call"].tolist() == [7, 3, 3, 5]
    assert as_written.first.tolist() == by_time.first.tolist() == [0, 1, 3]
    assert as_written.opens.tolist() == [True, True, False, True]
