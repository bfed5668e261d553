"""Columns: a table is a mapping from names to equally long arrays, never an object a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

CHUNK = 1 << 18
"""Rows that a long calculation takes at a time: 2 MB of each column."""

FEW = 8


@dataclass(frozen=True, slots=True)
class Words:
    """A category column: integer `codes` (shape n) into `names`; null is the empty name."""

    codes: NDArray[np.integer[Any]]
    names: tuple[str, ...]

    @staticmethod
    def of(values: Sequence[str]) -> Words:
        """The category column of plain texts, names in order of first appearance."""
        names: dict[str, int] = {}
        codes = [names.setdefault(value, len(names)) for value in values]
        return Words(np.array(codes, dtype=np.int32), tuple(names))

    def __len__(self) -> int:
        return len(self.codes)

    def compact(self) -> Words:
        """The same column with the names that occur, and codes as narrow as they allow."""
        occurs = np.bincount(self.codes, minlength=len(self.names)) > 0
        names = tuple(name for name, there in zip(self.names, occurs, strict=True) if there)
        codes = (np.cumsum(occurs) - 1).astype(np.min_scalar_type(len(names)))
        return Words(codes[self.codes], names or ("",))

    def __getitem__(self, rows: Any) -> Any:
        picked = self.codes[rows]
        return Words(picked, self.names) if isinstance(picked, np.ndarray) else self.names[picked]

    def among(self, *names: str) -> Mask:
        """True where the row's name is one of `names`."""
        return self._coded(code for code, name in enumerate(self.names) if name in names)

    def starting(self, prefix: str) -> Mask:
        """True where the row's name starts with `prefix`."""
        return self._coded(code for code, name in enumerate(self.names) if name.startswith(prefix))

    def _coded(self, codes: Iterable[int]) -> Mask:
        """True where the row has one of `codes`; a few comparisons of narrow numbers take less than a look-up."""
        wanted = list(codes)
        if len(wanted) > FEW:
            chosen = np.zeros(len(self.names), np.bool_)
            chosen[wanted] = True
            found: Mask = chosen[self.codes]
            return found
        found = np.zeros(len(self.codes), np.bool_)
        for code in wanted:
            found |= self.codes == code
        return found

    def tolist(self) -> list[str]:
        """The names, one a row."""
        return [self.names[code] for code in self.codes.tolist()]


Column = NDArray[Any] | Words

Keep = Literal["all", "newest", "none"]


class LazyColumns(Mapping[str, Column]):
    """Columns that are made when they are asked for: of ten million rows a law needs four columns, not twenty.

    `keep`: all that were made, the newest, or none (where `make` has a shelf of its own). `rows`: how long each is,
    where that is known before one is made.
    """

    def __init__(
        self, names: Iterable[str], make: Callable[[str], Column], keep: Keep = "all", rows: int | None = None
    ) -> None:
        self.rows = rows
        self._names = tuple(names)
        self._make = make
        self._keep = keep
        self._kept: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        if name not in self._names:
            raise KeyError(name)
        if self._keep == "none":
            return self._make(name)
        if name not in self._kept:
            if self._keep == "newest":
                self._kept.clear()
            self._kept[name] = self._make(name)
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def ascend(keys: Sequence[NDArray[Any]]) -> bool:
    """Whether rows with those keys, the first one counting most, are in order."""
    equal = np.ones(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        if (equal & (key[1:] < key[:-1])).any():
            return False
        equal &= key[1:] == key[:-1]
    return True


def by_chunks(fold: Callable[..., NDArray[Any]], *columns: NDArray[Any]) -> NDArray[Any]:
    """`fold` of equally long columns, row by row, without temporaries of their length."""
    found = fold(*(column[:CHUNK] for column in columns))
    if len(columns[0]) <= CHUNK:
        return found
    whole = np.empty(len(columns[0]), found.dtype)
    whole[:CHUNK] = found
    for at in range(CHUNK, len(whole), CHUNK):
        whole[at : at + CHUNK] = fold(*(column[at : at + CHUNK] for column in columns))
    return whole


def _is_order(rows: Any) -> bool:
    return isinstance(rows, np.ndarray) and rows.dtype.kind != "b"


@dataclass(frozen=True, slots=True)
class Table:
    """Equally long columns; `table[name]` is a column, `table.where(mask)` the rows that remain.

    `pick` gives the rows of an index array where that takes less than making whole columns first.
    """

    columns: Mapping[str, Column]
    pick: Callable[[Any], Table] | None = None

    def __len__(self) -> int:
        known = self.columns.rows if isinstance(self.columns, LazyColumns) else None
        if known is not None:
            return known
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def where(self, rows: Any, keep: Keep = "all") -> Table:
        """The rows that a boolean mask keeps or an index array names, in that order; `keep` is that of LazyColumns."""
        pick = (lambda part: self._picked(rows[part])) if _is_order(rows) else None
        return Table(LazyColumns(self.columns, lambda name: self.columns[name][rows], keep), pick)

    def having(self, **columns: Column) -> Table:
        """The same rows with these columns, in place of what they had by that name."""
        names = dict.fromkeys((*self.columns, *columns))
        every = LazyColumns(names, lambda name: columns[name] if name in columns else self.columns[name], "newest")
        return Table(every, lambda rows: self._picked(rows).having(**{n: c[rows] for n, c in columns.items()}))

    def parts(self, size: int) -> Iterator[Table]:
        """The rows, so many at a time, in memory for so many; one part where there are none."""
        for at in range(0, max(len(self), 1), size):
            yield self._picked(np.arange(at, min(at + size, len(self))))

    def _picked(self, rows: NDArray[np.integer[Any]]) -> Table:
        return self.where(rows) if self.pick is None else self.pick(rows)

    def sorted_by(self, *names: str) -> Table:
        """The rows in ascending order of the named numeric columns, the first one counting most; stable."""
        keys = [np.asarray(self.columns[name]) for name in names]
        return self if ascend(keys) else self.where(np.lexsort(keys[::-1]))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Plain rows, for witnesses and printing; not for judging."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        for values in zip(*lists.values(), strict=True):
            yield dict(zip(lists, values, strict=True))
