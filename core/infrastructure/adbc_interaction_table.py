"""All interactions of one moment, read from Postgres through ADBC, batch by batch."""

from collections.abc import Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import StatementOptions, dbapi
from numpy.typing import NDArray

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionType
from core.infrastructure.postgres_interaction_tail import OPEN_SINCE
from core.infrastructure.postgres_pool import to_asyncpg_dsn

UNDEFINED_TABLE = "42P01"
BATCH_BYTES = 4 * 1024 * 1024

COLUMNS = "user_id, post_id, interaction_type, created_at"
_TYPES = tuple(kind.value for kind in InteractionType)
_WHOLE_ROWS = f"""
    from user_interaction where interaction_type in ('{"','".join(_TYPES)}')
        and user_id is not null and post_id is not null and created_at is not null"""
_SNAPSHOT = "set transaction isolation level repeatable read, read only"
# The index would be followed from row to row all over the table: sorting is five times as fast.
_SORT = "set local enable_indexscan = off"
_NOW = "select extract(epoch from now())::float8"
_NAME = "select pg_current_snapshot()::text"
_OPEN_SINCE = f"select extract(epoch from {OPEN_SINCE})::float8"  # noqa: S608 - made of constants
_COUNT = f"select count(*) {_WHOLE_ROWS}"
# Moments that Python cannot say, infinity too, are none. The newest is the first that the index on the column names.
_FIRST_DAY, _LAST_DAY = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
_NEWEST = f"""
    select extract(epoch from created_at)::float8 {_WHOLE_ROWS}
        and created_at >= '{_FIRST_DAY.isoformat()}' and created_at < '{_LAST_DAY.isoformat()}'
    order by created_at desc limit 1
"""  # noqa: S608 - made of constants
_FIRST_MICRO, _LAST_MICRO = (int(day.timestamp()) * 1_000_000 for day in (_FIRST_DAY, _LAST_DAY))
_UNKNOWN_TYPE = len(_TYPES)


class InteractionColumns(NamedTuple):
    """Parallel columns of n interactions.

    user_keys, post_keys: shape (n,), S16, UUID bytes; type_codes: uint8, places in InteractionType; times: float64,
    Unix seconds; now: Unix seconds by the server's clock.
    """

    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    type_codes: NDArray[np.uint8]
    times: NDArray[np.float64]
    now: float

    def of(self, wanted: NDArray[np.bool_]) -> "InteractionColumns":
        """Those interactions alone."""
        user_keys, post_keys, type_codes, times, now = self
        return InteractionColumns(user_keys[wanted], post_keys[wanted], type_codes[wanted], times[wanted], now)


class InteractionSnapshot:
    """The table as it was at one moment, however often and slowly it is read.

    now: Unix seconds by the server's clock; name: which transactions it sees, as Postgres tells it; open_since: Unix
    seconds from which the others may date what they add.
    """

    def __init__(self, cursor: Any, reading_ahead: Executor) -> None:
        """reading_ahead: has one thread, and ends before the cursor is closed."""
        self._cursor = cursor
        self._reading_ahead = reading_ahead
        cursor.execute(_SNAPSHOT)
        self.now = float(self._first(_NOW))
        self.name = str(self._first(_NAME))
        self.open_since = float(self._first(_OPEN_SINCE))

    def count(self) -> int:
        """Interactions that `batches` gives at the most, at the price of a look at every row."""
        return int(self._first(_COUNT))

    def data_now(self) -> float:
        """min(now, newest interaction) in Unix seconds."""
        newest = self._first(_NEWEST)
        return self.now if newest is None else min(self.now, float(newest))

    def batches(self) -> Generator[InteractionColumns, None, None]:
        """Every interaction of a known type that lacks nothing, in any order. Closed early, the rest is not read."""
        return self._batches(f"select {COLUMNS} {_WHOLE_ROWS}", BATCH_BYTES)

    def batches_by_user(self, batch_bytes: int) -> Generator[InteractionColumns, None, None]:
        """The same in the order of user ids, the server having sorted them, in batches of so many bytes."""
        self._cursor.execute(_SORT)
        return self._batches(f"select {COLUMNS} {_WHOLE_ROWS} order by user_id", batch_bytes)

    def _first(self, query: str) -> Any:
        """The first value, None where there is no row."""
        self._cursor.execute(query)
        row = self._cursor.fetchone()
        return None if row is None else row[0]

    def _batches(self, query: str, batch_bytes: int) -> Generator[InteractionColumns, None, None]:
        self._cursor.adbc_statement.set_options(**{StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(batch_bytes)})
        self._cursor.execute(query)
        reader = self._cursor.fetch_record_batch()
        following = self._reading_ahead.submit(_next_batch, reader)
        try:
            while (batch := following.result()) is not None:
                # The driver reads the next batch while this one is worked on.
                following = self._reading_ahead.submit(_next_batch, reader)
                yield _columns_of(batch, self.now)
        finally:
            wait([following])
            reader.close()


@contextmanager
def interaction_snapshot(database_url: str) -> Iterator[InteractionSnapshot]:
    """The interactions as they are when the block begins. Raises ArchiveUnavailable."""
    try:
        with (
            dbapi.connect(to_asyncpg_dsn(database_url)) as connection,
            connection.cursor() as cursor,
            ThreadPoolExecutor(1) as reading_ahead,
        ):
            yield InteractionSnapshot(cursor, reading_ahead)
    except AdbcError as error:
        if error.sqlstate == UNDEFINED_TABLE:
            raise ArchiveUnavailable("there is no table user_interaction: run `threads-ml migrate`") from error
        raise ArchiveUnavailable(f"the interactions cannot be read: {_one_line(error)}") from error


def _next_batch(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, pa.ArrowException) as error:
        raise ArchiveUnavailable(f"the interactions cannot be read on: {_one_line(error)}") from error


def _columns_of(batch: pa.RecordBatch, now: float) -> InteractionColumns:
    users, posts, kinds, moments = batch.columns
    type_codes, micros = _type_codes(kinds), _fixed_width(moments, np.dtype(np.int64))
    columns = InteractionColumns(_keys(users), _keys(posts), type_codes, micros / 1_000_000, now)
    whole = (type_codes != _UNKNOWN_TYPE) & (micros >= _FIRST_MICRO) & (micros < _LAST_MICRO)
    return columns if whole.all() else columns.of(whole)


def _keys(column: pa.Array) -> NDArray[np.bytes_]:
    storage = column.storage if isinstance(column, pa.ExtensionArray) else column
    return _fixed_width(storage, np.dtype("S16"))


def _fixed_width(column: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The values as they lie in memory, without a copy; anything where there is none."""
    values = column.buffers()[1]
    if not len(column):
        return np.empty(0, dtype=dtype)
    return np.frombuffer(values, dtype=dtype, count=len(column), offset=column.offset * dtype.itemsize)


def _type_codes(column: pa.Array) -> NDArray[np.uint8]:
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    codes = np.array([_TYPES.index(text) if text in _TYPES else _UNKNOWN_TYPE for text in texts], dtype=np.uint8)
    type_codes: NDArray[np.uint8] = codes[encoded.indices.to_numpy()]
    return type_codes


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
