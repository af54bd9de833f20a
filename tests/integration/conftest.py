"""The servers of one test, as a process of the service sees them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.infrastructure import postgres_pool
from core.infrastructure.postgres_pool import Pool, open_pool
from core.infrastructure.redis_client import open_redis


@dataclass(frozen=True)
class Servers:
    """Connections to look with, and the environment that names the servers to a process."""

    pool: Pool
    cache: Any
    broker: Any
    environment: dict[str, str]


@pytest.fixture(autouse=True)
def _patient_with_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a busy machine takes to open a connection says nothing about the code."""
    monkeypatch.setattr(postgres_pool, "CONNECT_TIMEOUT_SECONDS", 30.0)


@pytest.fixture
async def servers(
    migrated_database_url: str, redis_url: str, broker_url: str, tmp_path: Path
) -> AsyncIterator[Servers]:
    environment = {
        "DATABASE_URL": migrated_database_url,
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "REDIS_TIMEOUT_SECONDS": "5",
        "MODEL_PATH": str(tmp_path / "models"),
    }
    async with (
        open_pool(migrated_database_url) as pool,
        open_redis(redis_url, timeout_seconds=5) as cache,
        open_redis(broker_url, timeout_seconds=5) as broker,
    ):
        yield Servers(pool, cache, broker, environment)
