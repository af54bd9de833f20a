"""The benchmark of imports measures what it says, small."""

import asyncio
from pathlib import Path

from core.infrastructure.embedded_postgres import EmbeddedPostgres
from scripts.bench.import_ import measure


def test_every_way_is_measured(postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    rates = asyncio.run(measure(1000, postgres_server.url, tmp_path))

    assert rates.rows == 1000
    assert min(rates.bare_copy_seconds, rates.csv_seconds, rates.parquet_seconds, rates.again_seconds) > 0
    assert rates.csv_ratio == rates.bare_copy_seconds / rates.csv_seconds
    assert rates.parquet_ratio == rates.bare_copy_seconds / rates.parquet_seconds
