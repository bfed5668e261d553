"""Tables to and from Parquet; category columns are stored as dictionaries.

pyarrow is imported by who reads or writes: nobody does before a run, and its import would delay the first request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.evidence.history import SCHEMA, filled
from harness.evidence.shelf import Shelf
from harness.evidence.table import Column, LazyColumns, Table, Words

GROUP = 1 << 19
"""Rows that are written, and read, at a time."""


def write_table(path: Path, rows: Table) -> None:
    """Write a table, whole or not at all (temporary file, then rename)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    beside = path.with_suffix(".part")
    parts = rows.parts(GROUP)
    first = _arrow(next(parts))
    # rows are in order of time, so differences are small: a third of the bytes, and read in a third of the time
    whole = {field.name: "DELTA_BINARY_PACKED" for field in first.schema if pa.types.is_integer(field.type)}
    others = [name for name in first.schema.names if name not in whole]
    layout = {"compression": "zstd", "use_dictionary": others, "column_encoding": whole}
    with pq.ParquetWriter(beside, first.schema, **layout) as file:
        file.write_table(first)
        for part in parts:
            file.write_table(_arrow(part))
    beside.replace(path)


def _arrow(rows: Table) -> Any:
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name, column in rows.columns.items():
        if isinstance(column, Words):
            codes = pa.array(column.codes.astype(np.int32))
            arrays[name] = pa.DictionaryArray.from_arrays(codes, pa.array(column.names, pa.string()))
        else:
            arrays[name] = pa.array(column)
    return pa.table(arrays)


def read_table(path: Path, name: str, shelf: Shelf) -> Table:
    """The table `name` as the schema has it, each column read when it is asked for and kept on `shelf`; what the file
    lacks is empty."""
    import pyarrow.parquet as pq

    described = pq.read_metadata(path)
    stored = set(described.schema.names)

    def column(key: str) -> Column:
        kind = SCHEMA[name][key]
        if key not in stored:
            return filled(kind, described.num_rows)
        return _words(path, key, described.num_rows) if kind == "word" else _numbers(path, key, described.num_rows)

    def kept(key: str) -> Column:
        return shelf.get((path, key), lambda: column(key))  # type: ignore[no-any-return]

    return Table(LazyColumns(SCHEMA[name], kept, "none", described.num_rows))


def _parts(path: Path, key: str) -> Iterator[Any]:
    """A column in pieces: a whole one in Arrow beside its copy in numpy would be the largest thing in memory."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=[key], use_threads=False).column(0).chunks


def _numbers(path: Path, key: str, size: int) -> Column:
    found, at = None, 0
    for part in _parts(path, key):
        values = np.from_dlpack(part)  # to_numpy would import pandas, which takes a second
        found = np.empty(size, values.dtype) if found is None else found
        found[at : at + len(values)] = values
        at += len(values)
    return np.zeros(0, np.int64) if found is None else found


def _words(path: Path, key: str, size: int) -> Words:
    import pyarrow as pa

    if not size:
        return Words(np.zeros(0, np.uint8), ("",))
    parts = [part if pa.types.is_dictionary(part.type) else part.dictionary_encode() for part in _parts(path, key)]
    parts = pa.chunked_array(parts).unify_dictionaries().chunks
    names = tuple(parts[0].dictionary.to_pylist())
    narrow = np.min_scalar_type(len(names))
    return Words(np.concatenate([np.from_dlpack(part.indices).astype(narrow) for part in parts]), names)
