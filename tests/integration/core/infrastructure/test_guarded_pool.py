"""What a breaker spares the callers of a Postgres that is away or silent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from core.domain.errors import ArchiveUnavailable
from core.infrastructure.circuit_breaker import CircuitBreaker, CircuitState
from core.infrastructure.embedded_postgres import EmbeddedPostgres
from core.infrastructure.guarded_pool import GuardedPool
from core.infrastructure.postgres_pool import borrowed, open_pool
from scripts.bench.silenced import silenced_postgres

NOWHERE = "postgresql://u:p@127.0.0.1:1/d"
WITHIN_SECONDS = 20


async def ask(pool: GuardedPool, statement: str = "select 1") -> object:
    async with borrowed(pool) as connection:
        return await connection.fetchval(statement)


@pytest.fixture
async def own_postgres(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server that may be stopped."""
    async with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        yield server


async def test_failures_in_a_row_open_it_and_then_nothing_is_tried() -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=2, rest_seconds=3600)
    async with open_pool(NOWHERE) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=5)
        for _ in range(2):
            with pytest.raises(ArchiveUnavailable):
                await ask(guarded)

        with pytest.raises(ArchiveUnavailable, match="left alone"):
            await ask(guarded)


async def test_what_the_server_refuses_leaves_it_closed(migrated_database_url: str) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=1)
    async with open_pool(migrated_database_url) as pool:
        with pytest.raises(asyncpg.PostgresSyntaxError):
            await ask(GuardedPool(pool, breaker, at_most_seconds=5), "selekt")

    assert breaker.state is CircuitState.CLOSED


async def test_a_caller_who_leaves_says_nothing_about_the_server(migrated_database_url: str) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=1)
    async with open_pool(migrated_database_url, size=1) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=60)
        asking = asyncio.create_task(ask(guarded, "select pg_sleep(60)"))
        async with asyncio.timeout(WITHIN_SECONDS):
            while not pool.get_size() or pool.get_idle_size():  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])

        assert await ask(guarded) == 1
    assert breaker.state is CircuitState.CLOSED


async def test_who_waits_in_vain_for_a_place_in_a_busy_pool_says_nothing_about_the_server(
    migrated_database_url: str,
) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=1)
    async with open_pool(migrated_database_url, size=1) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=1.5)
        await ask(guarded)

        asked = [ask(guarded, "select pg_sleep(0.6)") for _ in range(6)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert ArchiveUnavailable in map(type, outcomes)
    assert breaker.state is CircuitState.CLOSED


async def test_nobody_waits_for_the_place_of_the_call_that_sees_whether_the_server_is_back(
    migrated_database_url: str,
) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=1, rest_seconds=0)
    with pytest.raises(OSError, match="silent"), breaker.call(OSError("refused"), OSError):
        raise OSError("silent")
    async with open_pool(migrated_database_url, size=1) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=60)
        seeing = asyncio.create_task(ask(guarded, "select pg_sleep(60)"))
        async with asyncio.timeout(WITHIN_SECONDS):
            while not pool.get_size() or pool.get_idle_size():  # noqa: ASYNC110 - the pool tells nobody
                await asyncio.sleep(0.01)
            with pytest.raises(ArchiveUnavailable, match="left alone"):
                await ask(guarded)
        seeing.cancel()
        await asyncio.wait([seeing])


async def test_a_silent_server_is_noticed_once_and_used_again_when_it_speaks(own_postgres: EmbeddedPostgres) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=2, rest_seconds=0.05)
    async with open_pool(own_postgres.url) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=0.2)
        await asyncio.gather(*[ask(guarded, "select pg_sleep(0.01)") for _ in range(3)])
        async with silenced_postgres(own_postgres):
            outcomes = await asyncio.gather(*[ask(guarded) for _ in range(3)], return_exceptions=True)
            is_open = breaker.state is CircuitState.OPEN

        async with asyncio.timeout(WITHIN_SECONDS):
            while breaker.state is CircuitState.OPEN:
                await asyncio.gather(ask(guarded), asyncio.sleep(0.02), return_exceptions=True)
        assert await ask(guarded) == 1

    assert is_open
    assert [type(outcome) for outcome in outcomes] == [ArchiveUnavailable] * 3


async def test_a_server_that_speaks_again_is_used_again_though_nobody_asked(own_postgres: EmbeddedPostgres) -> None:
    breaker = CircuitBreaker("postgres", failures_in_a_row=1, rest_seconds=0.05)
    async with open_pool(own_postgres.url) as pool:
        guarded = GuardedPool(pool, breaker, at_most_seconds=0.2)
        async with breaker.probed(guarded.ping):
            async with silenced_postgres(own_postgres):
                with pytest.raises(ArchiveUnavailable):
                    await ask(guarded)
                was_open = breaker.state is CircuitState.OPEN

            async with asyncio.timeout(WITHIN_SECONDS):
                while breaker.state is CircuitState.OPEN:  # noqa: ASYNC110 - it tells the log alone
                    await asyncio.sleep(0.02)

    assert was_open
