"""Tables to and from Parquet; category columns are stored as dictionaries.

pyarrow is imported by who reads or writes: nobody does before a run, and its import would delay the first request.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.evidence.history import SCHEMA, filled
from harness.evidence.table import Column, LazyColumns, Table, Words


def write_table(path: Path, rows: Table) -> None:
    """Write a table, whole or not at all (temporary file, then rename)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

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
    """The table `name` as the schema has it, each column read when it is asked for; what the file lacks is empty."""
    import pyarrow.parquet as pq

    described = pq.read_metadata(path)
    stored = set(described.schema.names)

    def column(key: str) -> Column:
        if key not in stored:
            return filled(SCHEMA[name][key], described.num_rows)
        chunk = pq.read_table(path, columns=[key]).column(key).combine_chunks()
        return _words(chunk) if SCHEMA[name][key] == "word" else chunk.to_numpy(zero_copy_only=False)

    return Table(LazyColumns(SCHEMA[name], column))


def _words(chunk: Any) -> Words:
    import pyarrow as pa

    if isinstance(chunk, pa.ChunkedArray):
        chunk = chunk.combine_chunks() if chunk.num_chunks != 1 else chunk.chunk(0)
    if not pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_encode()
    return Words(
        chunk.indices.to_numpy(zero_copy_only=False).astype(np.int32), tuple(chunk.dictionary.to_pylist()) or ("",)
    )
