"""Tables to and from Parquet; category columns are stored as dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.evidence.history import SCHEMA, table
from harness.evidence.table import Table, Words


def write_table(path: Path, rows: Table) -> None:
    """Write a table, whole or not at all (temporary file, then rename)."""
    arrays: dict[str, Any] = {}
    for name, column in rows.columns.items():
        if isinstance(column, Words):
            arrays[name] = pa.DictionaryArray.from_arrays(
                pa.array(column.codes.astype(np.int32)), pa.array(column.names, pa.string())
            )
        else:
            arrays[name] = pa.array(column)
    beside = path.with_suffix(".part")
    pq.write_table(pa.table(arrays), beside, compression="zstd")
    beside.replace(path)


def read_table(path: Path, name: str) -> Table:
    """The table `name` as the schema has it; columns that the file lacks are empty."""
    stored = pq.read_table(path)
    values: dict[str, Any] = {}
    for column in SCHEMA[name]:
        if column in stored.column_names:
            chunk = stored.column(column).combine_chunks()
            values[column] = _words(chunk) if SCHEMA[name][column] == "word" else chunk.to_numpy(zero_copy_only=False)
    return table(name, values)


def _words(chunk: Any) -> Words:
    if isinstance(chunk, pa.ChunkedArray):
        chunk = chunk.combine_chunks() if chunk.num_chunks != 1 else chunk.chunk(0)
    if not pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_encode()
    return Words(
        chunk.indices.to_numpy(zero_copy_only=False).astype(np.int32), tuple(chunk.dictionary.to_pylist()) or ("",)
    )
