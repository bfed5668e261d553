"""Columns: a table is a mapping from names to equally long arrays, never an object a row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


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

    def __getitem__(self, rows: Any) -> Any:
        picked = self.codes[rows]
        return Words(picked, self.names) if isinstance(picked, np.ndarray) else self.names[picked]

    def among(self, *names: str) -> Mask:
        """True where the row's name is one of `names`."""
        found: Mask = np.array([name in names for name in self.names], np.bool_)[self.codes]
        return found

    def starting(self, prefix: str) -> Mask:
        """True where the row's name starts with `prefix`."""
        found: Mask = np.array([name.startswith(prefix) for name in self.names], np.bool_)[self.codes]
        return found

    def tolist(self) -> list[str]:
        """The names, one a row."""
        return [self.names[code] for code in self.codes.tolist()]


Column = NDArray[Any] | Words


class LazyColumns(Mapping[str, Column]):
    """Columns that are made when they are first asked for: of ten million rows a law needs four columns, not twenty."""

    def __init__(self, names: Iterable[str], make: Callable[[str], Column]) -> None:
        self._names = tuple(names)
        self._make = make
        self._made: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        column = self._made.get(name)
        if column is None:
            if name not in self._names:
                raise KeyError(name)
            column = self._made[name] = self._make(name)
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Table:
    """Equally long columns; `table[name]` is a column, `table.where(mask)` the rows that remain."""

    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def where(self, rows: Any) -> Table:
        """The rows that a boolean mask keeps or an index array names, in that order."""
        return Table(LazyColumns(self.columns, lambda name: self.columns[name][rows]))

    def sorted_by(self, *names: str) -> Table:
        """The rows in ascending order of the named numeric columns, the first one counting most; stable."""
        return self.where(np.lexsort([np.asarray(self.columns[name]) for name in reversed(names)]))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Plain rows, for witnesses and printing; not for judging."""
        lists = {name: column.tolist() for name, column in self.columns.items()}
        for values in zip(*lists.values(), strict=True):
            yield dict(zip(lists, values, strict=True))
