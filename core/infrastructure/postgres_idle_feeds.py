"""Idle feeds in Postgres, found along the table's key."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

from core.application.ports.idle_feeds import Idleness
from core.domain.feed import FeedOrder
from core.infrastructure.postgres_pool import Pool, borrowed

PAGE = 1000
TIMEOUT_SECONDS = 60.0
_FIRST_USER = UUID(int=0)

# Of a page of feeds, which is read along the key, those that are idle, and the user the next page begins with. $1: the
# user to begin with, $2: feeds of a page, $3: expired before, $4: active since.
_COUNT = """
    with page as (select user_id, expires_at from feed where user_id >= $1 order by user_id limit $2)
    select (
        select count(*) from page where expires_at < $3 and not exists (
            select from user_interaction where user_interaction.user_id = page.user_id and created_at >= $4
        )
    ) as count, (
        select user_id from feed where user_id > (select user_id from page order by user_id desc limit 1)
        order by user_id limit 1
    ) as next
"""
# The expiry is looked at again: the row of a feed that is being renewed is waited for, and then it is another's.
_REMOVE = """
    with page as (select user_id, expires_at from feed where user_id >= $1 order by user_id limit $2),
    removed as (
        delete from feed where expires_at < $3 and user_id in (
            select user_id from page where expires_at < $3 and not exists (
                select from user_interaction where user_interaction.user_id = page.user_id and created_at >= $4
            )
        ) returning user_id, epoch, generation
    )
    select array(select user_id from removed order by user_id) as users,
        array(select epoch from removed order by user_id) as epochs,
        array(select generation from removed order by user_id) as generations, (
        select user_id from feed where user_id > (select user_id from page order by user_id desc limit 1)
        order by user_id limit 1
    ) as next
"""
_ACTIVE_SINCE = """
    select least(now() at time zone 'utc', max(created_at)) - make_interval(days => $1) from user_interaction
"""


class PostgresIdleFeeds:
    """A page is one short statement: no lock and no snapshot is held from one to the next."""

    def __init__(self, pool: Pool, page: int = PAGE) -> None:
        self._pool = pool
        self._page = page

    async def count(self, idleness: Idleness) -> int:
        """Page by page."""
        total = 0
        async for row in self._pages(_COUNT, idleness):
            total += row["count"]
        return total

    async def removed(self, idleness: Idleness) -> AsyncIterator[Mapping[UUID, FeedOrder]]:
        """Page by page; a page without any gives nothing."""
        async for row in self._pages(_REMOVE, idleness):
            orders = map(FeedOrder, row["epochs"], row["generations"])
            if row["users"]:
                yield dict(zip(row["users"], orders, strict=True))

    async def _pages(self, statement: str, idleness: Idleness) -> AsyncIterator[Any]:
        since = await self._fetch(_ACTIVE_SINCE, idleness.days)
        user: UUID | None = _FIRST_USER
        while user is not None:
            row = await self._fetch(statement, user, self._page, idleness.expired_before, since[0])
            yield row
            user = row["next"]

    async def _fetch(self, statement: str, *arguments: object) -> Any:
        async with borrowed(self._pool) as connection:
            return await connection.fetchrow(statement, *arguments, timeout=TIMEOUT_SECONDS)
