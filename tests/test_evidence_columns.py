"""Columns in little memory: kept up to a number of bytes, made again when asked for, equal whatever way they came."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.evidence import parquet
from harness.evidence.history import History, table
from harness.evidence.ids import by_call
from harness.evidence.shelf import Shelf, nbytes
from harness.evidence.table import CHUNK, FEW, Words, by_chunks
from harness.laws.case import Case, Picked, Tries
from harness.policy import merge


class Columns:
    """Ten numbers by name, each of which takes a second to make, `slow` ten; `made` is what was made."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.now_s = 0.0
        self.shelf = Shelf(2 * 80, lambda: self.now_s)

    def ask(self, *names: str) -> list[str]:
        for name in names:
            self.shelf.get(name, partial(self._make, name))
        return self.made

    def _make(self, name: str) -> NDArray[np.float64]:
        self.made.append(name)
        self.now_s += 10 if name == "slow" else 1
        return np.zeros(0 if name == "empty" else 10)


def test_a_shelf_lets_go_what_was_asked_for_longest_ago_and_makes_it_again() -> None:
    """Three columns on a shelf for two, all of which take as long to make."""
    assert Columns().ask("a", "b", "c", "b", "a", "b") == ["a", "b", "c", "a"]


def test_what_takes_long_to_make_stays_though_others_were_asked_for_since() -> None:
    """It leaves once ten times its share was made beside it."""
    columns = Columns()
    assert columns.ask("slow", "a", "b", "a", "slow") == ["slow", "a", "b", "a"]
    columns.made.clear()
    assert columns.ask(*"cdefghijklm", "slow")[-1] == "slow"


def test_what_takes_no_room_stays() -> None:
    """However little it took to make."""
    assert Columns().ask("empty", "a", "b", "c", "d", "empty") == ["empty", "a", "b", "c", "d"]


def test_a_value_takes_what_its_arrays_do() -> None:
    """In tuples, mappings and records; a table's columns count where they are kept."""
    row, words = np.zeros(10, np.int32), Words(np.zeros(10, np.uint8), ("a",))
    tries = Tries(Picked(table("canary", {"start_ns": range(10)}), slice(0, 10), Shelf()), row, np.zeros(4))
    assert nbytes((row, "word", {"words": words, "tries": [tries]})) == 40 + 10 + 40 + 32


def test_a_column_has_its_length_before_it_is_read(tmp_path: Path) -> None:
    """Whoever asks how many rows there are has no column read."""
    parquet.write_table(tmp_path / "canary.parquet", table("canary", {"start_ns": range(7)}))
    read = parquet.read_table(tmp_path / "canary.parquet", "canary", Shelf())
    (tmp_path / "canary.parquet").unlink()
    assert len(read) == 7


def test_words_are_found_whether_few_or_many_are_asked_for() -> None:
    """By comparison and by look-up."""
    names = tuple("abcdefghijklmnop")
    words = Words(np.arange(16), names)
    for asked in (names[:FEW], names[: FEW + 1], ("zz",), ()):
        assert words.among(*asked).tolist() == [name in asked for name in names]


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
