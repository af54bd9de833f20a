"""All interactions at once, read from Postgres through ADBC into arrays."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi
from numpy.typing import NDArray

from core.domain.errors import ArchiveUnavailable
from core.domain.interaction import InteractionType
from core.infrastructure.postgres_pool import to_asyncpg_dsn

_COLUMNS = """
    select uuid_send(user_id) as user_key, uuid_send(post_id) as post_key,
        array_position(array['{types}'], interaction_type::text)::int2 - 1 as type_code,
        extract(epoch from created_at)::float8 as created_at
    from user_interaction where interaction_type in ('{types_in}')
        and user_id is not null and post_id is not null and created_at is not null
"""
UNDEFINED_TABLE = "42P01"
_NOW = "select extract(epoch from now())::float8"


class InteractionColumns(NamedTuple):
    """Parallel columns of n interactions.

    user_keys, post_keys: shape (n,), S16, UUID bytes; type_codes: int64, places in InteractionType; times: float64,
    Unix seconds; now: Unix seconds by the server's clock.
    """

    user_keys: NDArray[np.bytes_]
    post_keys: NDArray[np.bytes_]
    type_codes: NDArray[np.int64]
    times: NDArray[np.float64]
    now: float


def read_interactions(database_url: str) -> InteractionColumns:
    """Every interaction of a known type, in one snapshot; blocks until done. Raises ArchiveUnavailable."""
    names = [kind.value for kind in InteractionType]
    query = _COLUMNS.format(types="','".join(names), types_in="','".join(names))
    try:
        with dbapi.connect(to_asyncpg_dsn(database_url)) as connection, connection.cursor() as cursor:
            cursor.execute("set timezone to 'UTC'")
            cursor.execute(_NOW)
            now = float(cursor.fetchone()[0])
            cursor.execute(query)
            table = cursor.fetch_arrow_table()
    except AdbcError as error:
        if error.sqlstate == UNDEFINED_TABLE:
            raise ArchiveUnavailable("there is no table user_interaction: run `threads-ml migrate`") from error
        reason = " ".join(str(error).split())
        raise ArchiveUnavailable(f"the interactions cannot be read: {reason}") from error
    return InteractionColumns(
        _fixed_bytes(table["user_key"]),
        _fixed_bytes(table["post_key"]),
        table["type_code"].to_numpy().astype(np.int64),
        table["created_at"].to_numpy(),
        now,
    )


def _fixed_bytes(column: pa.ChunkedArray) -> NDArray[np.bytes_]:
    """A binary column of 16 bytes an item as (n,) S16."""
    parts = [np.frombuffer(_values_of(chunk), dtype="S16") for chunk in column.chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.empty(0, dtype="S16")


def _values_of(chunk: pa.Array) -> bytes:
    fixed = chunk.cast(pa.binary()).cast(pa.binary(16))
    buffer = fixed.buffers()[1]
    start = fixed.offset * 16
    return bytes(memoryview(buffer)[start : start + 16 * len(fixed)])
