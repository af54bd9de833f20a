"""The popular feed, counted by Postgres itself."""

from uuid import UUID

from core.domain.interaction import InteractionType, InteractionWeights
from core.domain.popular import PopularFeed
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, transaction

REFRESH_TIMEOUT_SECONDS = 300.0

_LOCK = 7_021_001  # the key of a lock in the database, any number that nobody else uses
# One user's acts on a post saturate (log2(1 + sum)), so that nobody makes a post popular alone. The exponent is kept
# from underflow, which Postgres calls an error; ln(1 + x) is x where double precision would make it 0; what has been
# counted keeps a score above zero, in single precision too.
_REFRESH = """
    with clock as materialized (
        select least(now() at time zone 'utc', max(created_at)) as data_now from user_interaction
    ),
    weights as (select * from unnest($1::text[], $2::float8[]) as weight_of(kind, weight)),
    acts as (
        select user_id, post_id, weight,
            extract(epoch from (select data_now from clock) - created_at)::float8 / 3600 / $3::float8 as half_lives
        from user_interaction join weights on interaction_type = kind
        where created_at > (select data_now from clock) - make_interval(days => $4)
            and created_at <= (select data_now from clock) and post_id is not null
    ),
    pairs as (
        select post_id, sum(weight * power(2::float8, greatest(-half_lives, -1000))) as weight
        from acts group by user_id, post_id
    ),
    posts as (
        select post_id, sum(case when weight < 1e-8 then weight else ln(1 + weight) end) as score
        from pairs
        where post_id not in (select id from post_state where hidden or expires_at <= now())
        group by post_id having sum(weight) > 0
    ),
    best as (
        select post_id, greatest(score / max(score) over (), 1e-30) as score
        from posts order by posts.score desc, post_id limit $5
    )
    insert into popular_feed (id, post_ids, scores, generation, computed_at)
    select 1, coalesce(array_agg(post_id order by score desc, post_id), '{}'),
        coalesce(array_agg(score order by score desc, post_id), '{}'), nextval('feed_generation'), now()
    from best
    on conflict (id) do update set post_ids = excluded.post_ids, scores = excluded.scores,
        generation = excluded.generation, computed_at = excluded.computed_at
"""
_READ = """
    select post_ids, scores, generation, computed_at,
        (select coalesce(jsonb_object_agg(id, text), '{}') from external_id where id = any(post_ids)) as external_ids
    from popular_feed
"""
_IS_YOUNG = "select exists (select from popular_feed where computed_at > now() - make_interval(secs => $1))"


class PostgresPopularPosts:
    """Popularity decays with age; a post's score is relative to the most popular one."""

    def __init__(
        self, pool: Pool, weights: InteractionWeights, half_life_hours: float, window_days: int, depth: int = 500
    ) -> None:
        self._pool = pool
        self._weights = weights
        self._half_life_hours = half_life_hours
        self._window_days = window_days
        self._depth = depth

    async def refresh(self) -> None:
        """Count anew; of two at once the later waits for the earlier."""
        async with transaction(self._pool) as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK, timeout=REFRESH_TIMEOUT_SECONDS)
            await self._refresh(connection)

    async def refresh_if_older_than(self, age_seconds: float) -> bool:
        """Count anew unless that was done within this age, or is being done at this moment."""
        async with transaction(self._pool) as connection:
            if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
                return False
            if await connection.fetchval(_IS_YOUNG, age_seconds):
                return False
            await self._refresh(connection)
        return True

    async def read(self) -> PopularFeed:
        """The stored feed; an empty one before the first refresh."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_READ)
        if row is None:
            return PopularFeed()
        return PopularFeed(
            post_ids=tuple(row["post_ids"]),
            scores=tuple(row["scores"]),
            generation=row["generation"],
            computed_at=row["computed_at"],
            external_ids={UUID(post_id): text for post_id, text in row["external_ids"].items()},
        )

    async def _refresh(self, connection: Connection) -> None:
        kinds = [kind.value for kind in InteractionType]
        weights = [self._weights.of(kind) for kind in InteractionType]
        parameters = (kinds, weights, self._half_life_hours, self._window_days, self._depth)
        await connection.execute(_REFRESH, *parameters, timeout=REFRESH_TIMEOUT_SECONDS)
