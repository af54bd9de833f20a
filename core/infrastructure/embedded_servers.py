"""PostgreSQL and Valkey, started and stopped together, for a machine that has neither."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.embedded_valkey import EmbeddedValkey


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """Where the two running servers are."""

    database_url: str
    redis_url: str
    broker_url: str


@asynccontextmanager
async def embedded_servers(data_dir: Path, durable: bool = True) -> AsyncIterator[EmbeddedServers]:
    """Both servers, their data kept under `data_dir`, so that the next run finds everything again."""
    postgres = EmbeddedPostgres(data_dir / "postgres", durable=durable)
    valkey = EmbeddedValkey(data_dir / "valkey")
    try:
        await _both(postgres.start(), valkey.start())
        yield EmbeddedServers(postgres.url, valkey.url(0), valkey.url(1))
    finally:
        await valkey.stop()
        await postgres.stop()


async def _both(*starts: Coroutine[None, None, None]) -> None:
    """Wait for both starts to end before the first error is raised, so that what did start can be stopped."""
    for outcome in await asyncio.gather(*starts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
