"""`threads-ml bench import`: the rate of an import against a bare COPY of the same rows."""

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import typer
from pyarrow import parquet
from rich.table import Table

from core.application.import_interactions import ImportInteractions
from core.infrastructure.arrow_interaction_source import ArrowInteractionSource, InteractionColumns
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.interaction_rows import TYPES, UUID_BYTES, InteractionRows
from core.infrastructure.postgres_interaction_store import PostgresInteractionStore
from core.infrastructure.postgres_pool import Connection, connect, open_pool
from core.settings import load_settings
from scripts.bench.own_database import own_database
from scripts.command import command_app, console, run_to_end

TARGET_RATIO = 0.5
_COLUMNS = InteractionColumns("user", "post", "type", "at")
_TABLE_COLUMNS = ("id", "user_id", "post_id", "interaction_type", "created_at")
_SECONDS_2000, _SECONDS_30_DAYS = 946_684_800, 30 * 86_400

app = command_app()


@dataclass(frozen=True, slots=True)
class ImportRates:
    """Seconds for the same rows: copied into an empty table with the same indexes, and imported from two files."""

    rows: int
    bare_copy_seconds: float
    csv_seconds: float
    parquet_seconds: float
    again_seconds: float

    @property
    def csv_ratio(self) -> float:
        """The rate of the CSV import as a share of the bare COPY's."""
        return self.bare_copy_seconds / self.csv_seconds

    @property
    def parquet_ratio(self) -> float:
        """The rate of the Parquet import as a share of the bare COPY's."""
        return self.bare_copy_seconds / self.parquet_seconds


@app.command()
def import_(
    rows: Annotated[int, typer.Option(min=1, help="How many interactions to generate.")] = 1_000_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Compare imports with a bare COPY, on DATABASE_URL in a database of its own, or on a server of its own."""
    rates = run_to_end(_measure(rows))
    if as_json:
        ratios = {"csv_ratio": rates.csv_ratio, "parquet_ratio": rates.parquet_ratio}
        print(msgspec.json.encode(asdict(rates) | ratios).decode())
    else:
        console.print(_table(rates))


async def _measure(rows: int) -> ImportRates:
    with TemporaryDirectory(prefix="threads-ml-bench-") as name:
        folder = Path(name)
        url = load_settings().database_url
        if url:
            return await measure(rows, url, folder)
        async with EmbeddedPostgres(folder / "postgres") as server:
            return await measure(rows, server.url, folder)


async def measure(rows: int, server_url: str, folder: Path) -> ImportRates:
    """All figures in one sitting; the files go to the folder, the tables to a new database that is dropped again."""
    generated = _generated(rows)
    csv_path, parquet_path = folder / "rows.csv", folder / "rows.parquet"
    table = _as_text(generated)
    arrow_csv.write_csv(table, csv_path, arrow_csv.WriteOptions(quoting_style="none"))
    parquet.write_table(table, parquet_path)
    prepared = _to_bare_copy_format(generated)
    async with own_database(server_url) as url:
        bare_copy_seconds = await _copy_seconds(url, prepared)
        csv_seconds = await _import_seconds(url, csv_path, empty=True)
        parquet_seconds = await _import_seconds(url, parquet_path, empty=True)
        again_seconds = await _import_seconds(url, csv_path, empty=False)
    return ImportRates(rows, bare_copy_seconds, csv_seconds, parquet_seconds, again_seconds)


def _generated(rows: int) -> InteractionRows:
    """A month of interactions in the order of time, UUIDs for ids, some users and posts much busier than others."""
    random = np.random.default_rng(0)
    users, posts = (
        np.frombuffer(random.bytes(16 * count), UUID_BYTES)[(random.random(rows) ** 2 * count).astype(np.int64)]
        for count in (rows // 20 + 1, rows // 10 + 1)
    )
    seconds = np.sort(random.integers(0, _SECONDS_30_DAYS, rows)) + datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    types = random.choice(len(TYPES), rows, p=(0.7, 0.15, 0.1, 0.05)).astype(np.uint8)
    return InteractionRows(users, posts, types, seconds.astype(np.int64) * 1_000_000)


def _as_text(rows: InteractionRows) -> pa.Table:
    moments = pa.array(rows.moments // 1_000_000).cast(pa.timestamp("s"))
    columns = {
        "user": _uuid_texts(rows.user_ids),
        "post": _uuid_texts(rows.post_ids),
        "type": pa.array(np.array(TYPES, object)[rows.types], pa.string()),
        "at": pc.strftime(moments, "%Y-%m-%dT%H:%M:%SZ"),
    }
    return pa.table(columns)


def _uuid_texts(uuids: "np.ndarray[Any, np.dtype[np.void]]") -> pa.Array:
    digits = (value.hex() for value in uuids.tolist())
    return pa.array([f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits])


def _to_bare_copy_format(rows: InteractionRows) -> bytes:
    """What COPY needs to write the rows into the table itself, prepared before any clock runs."""
    names = np.array(TYPES, "S5")[rows.types].tolist()
    moments = (rows.moments - _SECONDS_2000 * 1_000_000).astype(">i8").view("V8").tolist()
    ids = (rows.content_ids().tolist(), rows.user_ids.tolist(), rows.post_ids.tolist())
    sixteen, eight = (16).to_bytes(4, "big"), (8).to_bytes(4, "big")
    records = (
        b"\0\x05"
        + b"".join((sixteen, row_id, sixteen, user, sixteen, post, len(name).to_bytes(4, "big"), name, eight, moment))
        for row_id, user, post, name, moment in zip(*ids, names, moments, strict=True)
    )
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"".join(records) + b"\xff\xff"


async def _copy_seconds(url: str, prepared: bytes) -> float:
    async def chunks(size: int = 1 << 22) -> AsyncIterator[bytes]:
        for start in range(0, len(prepared), size):
            yield prepared[start : start + size]

    connection: Connection = await connect(url)
    await connection.execute("create table bare (like user_interaction including all)")
    await connection.execute("checkpoint")
    start = time.perf_counter()
    await connection.copy_to_table("bare", source=chunks(), columns=_TABLE_COLUMNS, format="binary")
    seconds = time.perf_counter() - start
    await connection.execute("drop table bare")
    await connection.close()
    return seconds


async def _import_seconds(url: str, path: Path, *, empty: bool) -> float:
    connection = await connect(url)
    if empty:
        await connection.execute("truncate user_interaction")
    await connection.execute("checkpoint")
    await connection.close()
    start = time.perf_counter()
    async with open_pool(url, size=1) as pool:
        await ImportInteractions(ArrowInteractionSource(path, _COLUMNS), PostgresInteractionStore(pool))()
    return time.perf_counter() - start


def _table(rates: ImportRates) -> Table:
    table = Table(
        "way", "seconds", "rows/s", "of COPY", title=f"{rates.rows:,} rows; at least {TARGET_RATIO} is the aim"
    )
    for name, seconds in (
        ("bare COPY", rates.bare_copy_seconds),
        ("import of CSV", rates.csv_seconds),
        ("import of Parquet", rates.parquet_seconds),
        ("import of the CSV again", rates.again_seconds),
    ):
        table.add_row(
            name, f"{seconds:.2f}", f"{rates.rows / seconds:,.0f}", f"{rates.bare_copy_seconds / seconds:.2f}"
        )
    return table


if __name__ == "__main__":
    app()
