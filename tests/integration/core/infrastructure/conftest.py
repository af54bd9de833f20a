"""Contract tests run twice: against the fake and against the real adapter."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.infrastructure.redis_client import open_redis


@pytest.fixture(params=["fake", "postgres"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the adapter's database is, None in the fake's turn."""
    url: str | None = request.getfixturevalue("migrated_database_url") if request.param == "postgres" else None
    return url


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    """Of the Redis that the test has for itself."""
    async with open_redis(redis_url, timeout_seconds=5) as opened:
        yield opened
