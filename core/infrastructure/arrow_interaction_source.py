"""Interactions read from a CSV, JSON Lines or Parquet file by the column, with Arrow and NumPy."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.application.ports.interaction_source import InteractionBatch, RejectedRow
from core.domain.errors import InvalidInput
from core.domain.interaction import InteractionType
from core.infrastructure.csv_table import read_csv
from core.infrastructure.id_columns import IdColumns, id_problems
from core.infrastructure.interaction_rows import TYPES, Codes, InteractionRows, Microseconds
from core.infrastructure.json_lines_table import read_json_lines
from core.infrastructure.moment_columns import to_microseconds
from core.infrastructure.parquet_table import read_parquet
from core.infrastructure.tabular_file import OpenFile, TableBatch, open_table

_READERS: Mapping[str, Callable[[OpenFile, Sequence[str]], Iterator[TableBatch]]] = {
    "CSV": read_csv,
    "JSON Lines": read_json_lines,
    "Parquet": read_parquet,
}
_UNKNOWN_TYPE = len(TYPES)
_MOST_SHOWN_CHARACTERS = 40
_CLOCKS_MAY_DIFFER = timedelta(days=1)
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InteractionColumns:
    """The names of the columns, or keys, that hold an interaction."""

    user: str
    post: str
    type: str
    at: str

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise InvalidInput(f"user, post, type and time must be four columns, not {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, str, str, str]:
        """Always in this order, the time last."""
        return self.user, self.post, self.type, self.at


def parse_type_map(text: str) -> dict[str, InteractionType]:
    """What `VIEW=view,LIKE=like` says: the file's word, exactly as written there, and one of the four types."""
    pairs = [pair.rpartition("=") for pair in text.split(",") if pair.strip()]
    known = ", ".join(TYPES)
    mapped: dict[str, InteractionType] = {}
    for word, equals, name in pairs:
        if not (equals and word.strip() and name.strip() in list(TYPES)):
            raise InvalidInput(f"type map: {word}{equals}{name} is not WORD=TYPE with a type of {known}")
        if mapped.setdefault(word.strip(), InteractionType(name.strip())) != name.strip():
            raise InvalidInput(f"type map: {word.strip()} is mapped to two types")
    return mapped


@dataclass(frozen=True, slots=True)
class ArrowInteractionSource:
    """One file; reading stays one batch ahead, in a thread. Types not in the map must be one of the four themselves."""

    path: Path
    columns: InteractionColumns
    type_map: Mapping[str, InteractionType] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def size_bytes(self) -> int:
        """What `bytes_read` grows to; 0 where that cannot be known."""
        return self.path.stat().st_size if self.path.is_file() else 0

    async def check(self) -> None:
        """Raise InvalidInput for what the first rows show already: no such file, another format, no such column."""
        await asyncio.to_thread(self._read_first)

    async def batches(self) -> AsyncGenerator[InteractionBatch[InteractionRows], None]:
        """All rows of the file; raises InvalidInput where it is not, or no longer, what it should be."""
        with closing(self._read()) as reader:
            ahead = asyncio.create_task(asyncio.to_thread(next, reader, None))
            try:
                while (batch := await asyncio.shield(ahead)) is not None:
                    ahead = asyncio.create_task(asyncio.to_thread(next, reader, None))
                    yield batch
            finally:
                # A generator cannot be closed while a thread is inside it: hence the shield above, and the wait here.
                await asyncio.gather(ahead, return_exceptions=True)

    def _read_first(self) -> None:
        with closing(self._read()) as reader:
            next(reader, None)

    def _read(self) -> Generator[InteractionBatch[InteractionRows], None, None]:
        conversion = _Conversion(self.columns, self.type_map, self.now)
        with open_table(self.path) as file:
            for batch in _READERS[file.format](file, self.columns.names):
                yield conversion.convert(batch)


class _Conversion:
    """From text to interactions, a batch at a time."""

    def __init__(self, columns: InteractionColumns, type_map: Mapping[str, InteractionType], now: datetime) -> None:
        self._columns = columns
        codes = {kind.value: code for code, kind in enumerate(TYPES)}
        self._codes = codes | {word: codes[kind] for word, kind in type_map.items()}
        self._latest = int((now + _CLOCKS_MAY_DIFFER).timestamp()) * 1_000_000
        self._ids = IdColumns()

    def convert(self, batch: TableBatch) -> InteractionBatch[InteractionRows]:
        """Rows that break a rule are told of by the first one they break."""
        users, posts, types, times = batch.columns
        codes = self._type_codes(types)
        moments, are_times = to_microseconds(times)
        problems = [
            *id_problems(users, "user"),
            *id_problems(posts, "post"),
            (codes == _UNKNOWN_TYPE, "unknown type"),
            (~are_times, "no time"),
            (are_times & (moments < 0), "time before 1970"),
            (are_times & (moments > self._latest), "time more than a day ahead of now"),
        ]
        is_bad = np.logical_or.reduce([mask for mask, _ in problems])
        rows = self._rows(users, posts, codes, moments, ~is_bad)
        return InteractionBatch(rows, len(rows), _rejected(batch, is_bad, problems), batch.bytes_read)

    def _type_codes(self, types: pa.StringArray) -> Codes:
        encoded = types.dictionary_encode(null_encoding="encode")
        codes = [self._codes.get(text, _UNKNOWN_TYPE) for text in encoded.dictionary.to_pylist()]
        rows: NDArray[np.int32] = encoded.indices.to_numpy()
        return np.array(codes, np.uint8)[rows]

    def _rows(
        self, users: pa.StringArray, posts: pa.StringArray, codes: Codes, moments: Microseconds, is_good: Mask
    ) -> InteractionRows:
        if not is_good.all():
            users, posts = (texts.filter(pa.array(is_good)) for texts in (users, posts))
            codes, moments = codes[is_good], moments[is_good]
        user_ids, post_ids = self._ids.to_uuids(users), self._ids.to_uuids(posts)
        return InteractionRows(user_ids, post_ids, codes, moments, self._ids.take_external())


def _rejected(batch: TableBatch, is_bad: Mask, problems: Sequence[tuple[Mask, str]]) -> list[RejectedRow]:
    rejected = [RejectedRow(bad.line, bad.reason) for bad in batch.bad_lines]
    for row in np.flatnonzero(is_bad).tolist():
        reason = next(reason for mask, reason in problems if mask[row])
        user, post, kind, at = (
            "" if value is None else str(value) for value in (c[row].as_py() for c in batch.columns)
        )
        rejected.append(RejectedRow(int(batch.lines[row]), _detailed(reason, kind, at), user, post, kind, at))
    return sorted(rejected, key=lambda row: row.line)


def _detailed(reason: str, kind: str, at: str) -> str:
    if reason == "unknown type" and kind:
        return f"unknown type {kind[:_MOST_SHOWN_CHARACTERS]!r}"
    if reason == "no time" and at:
        return f"not a time: {at[:_MOST_SHOWN_CHARACTERS]!r}"
    return {"unknown type": "no type"}.get(reason, reason)
