"""Parquet: some columns, as text where they are ids or types."""

import os
from collections.abc import Iterator, Sequence
from uuid import UUID

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from core.domain.errors import InvalidInput
from core.infrastructure.tabular_file import OpenFile, TableBatch

BATCH_ROWS = 1 << 16


def read_parquet(file: OpenFile, names: Sequence[str]) -> Iterator[TableBatch]:
    """All rows; the last column, the time, keeps its type where that is no text."""
    table = parquet.ParquetFile(file.raw, pre_buffer=False)
    _check(names, table.schema_arrow)
    size_bytes = file.raw.seek(0, os.SEEK_END)
    row = 1
    for batch in table.iter_batches(BATCH_ROWS, columns=list(names)):
        texts = [_text(batch.column(name), name) for name in names[:-1]]
        lines = np.arange(row, row + len(batch))
        row += len(batch)
        bytes_read = size_bytes * row // (table.metadata.num_rows + 1)
        yield TableBatch(lines, [*texts, _plain(batch.column(names[-1]))], bytes_read)


def _check(names: Sequence[str], schema: pa.Schema) -> None:
    for name in names:
        if schema.names.count(name) != 1:
            problem = "there are two columns" if name in schema.names else "there is no column"
            raise InvalidInput(f"{problem} {name!r} in the file: {', '.join(schema.names)[:500]}")


def _text(column: pa.Array, name: str) -> pa.StringArray:
    plain = _plain(column)
    kind = plain.type
    if kind == pa.binary(16):
        return pa.array([None if value is None else str(UUID(bytes=value)) for value in plain.to_pylist()], pa.string())
    if pa.types.is_string(kind) or pa.types.is_integer(kind):
        texts = plain.cast(pa.string())
        texts.validate(full=True)
        return texts
    raise InvalidInput(f"column {name!r} holds {kind}: expected text, whole numbers or UUIDs")


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionary, extension type, view or 64-bit offsets."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.string())
    return column
