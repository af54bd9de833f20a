"""The stock of feeds in Postgres."""

from datetime import datetime

from core.domain.levels import FeedStock
from core.infrastructure.postgres_pool import Pool, borrowed

TIMEOUT_SECONDS = 10.0
# 80 MB of the table: some hundred thousand feeds, whose share tells that of all to a fifth of a percent.
PAGES_AT_MOST = 10_000

# Every feed of a small table, feeds of pages drawn by lot of a large one. An index on the times would cost more than it
# saves: every feed that is stored moves both of them.
_TAKE_STOCK = """
    with part as (
        select least(1, $3::float8 * current_setting('block_size')::int / greatest(1, pg_relation_size('feed')))
            as share
    ),
    drawn as (
        select generated_at, expires_at > $1 and model_version <> all($2::text[]) as is_fresh
        from feed tablesample system (100 * (select share from part))
    )
    select round(count(*) filter (where is_fresh) / (select share from part))::bigint as fresh,
        round(count(*) filter (where not is_fresh) / (select share from part))::bigint as stale,
        min(generated_at) as oldest
    from drawn
"""


class PostgresStoredFeeds:
    """Counts all up to some hundred thousand feeds, and estimates beyond."""

    def __init__(self, pool: Pool, pages_at_most: int = PAGES_AT_MOST) -> None:
        """pages_at_most: pages of the table, usually of 8 KB, that are read."""
        self._pool = pool
        self._pages_at_most = pages_at_most

    async def take_stock(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedStock:
        """Fresh and stale feeds."""
        arguments = (now, list(stale_versions), self._pages_at_most)
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_TAKE_STOCK, *arguments, timeout=TIMEOUT_SECONDS)
        return FeedStock(row["fresh"], row["stale"], row["oldest"])
