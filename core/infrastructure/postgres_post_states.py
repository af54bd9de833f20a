"""What the app has said about its posts, in Postgres."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from core.domain.post_state import PostState
from core.infrastructure.postgres_pool import Pool, borrowed

LOOK_AHEAD = timedelta(days=1)
# A transaction that was open for so long when its row was looked for is found only by reading all of them.
OVERLAP = timedelta(seconds=5)
PAGE = 5000

_PUT = """
    insert into post_state (id, hidden, expires_at) values ($1, $2, $3)
    on conflict (id) do update set hidden = excluded.hidden, expires_at = excluded.expires_at
    returning id, hidden, expires_at
"""
_GET = "select id, hidden, expires_at from post_state where id = $1"
_PAGE = """
    select id, hidden, expires_at from post_state
    where id > $1 and (hidden or expires_at <= now() + $2) order by id limit $3
"""
# A row with the moment there always is.
_CHANGES = """
    select moment, id, hidden, expires_at from (select now() as moment) as reading left join post_state on
        changed_at >= $1 or (expires_at > $2 and expires_at <= moment + $3)
"""
_BEFORE_ALL = UUID(int=0)


class PostChanges(NamedTuple):
    """What was said about posts since another reading, as of `moment`, the server's; some of it may be known already.

    Of the posts that are to expire those that do so within a day are named, once their time has come this near.
    """

    states: Sequence[PostState]
    moment: datetime


class PostgresPostStates:
    """The moment of a change is Postgres's own, whoever writes the row."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, post_id: UUID, *, hidden: bool, expires_at: datetime | None) -> PostState:
        """One statement."""
        async with borrowed(self._pool) as connection:
            return _state_of(await connection.fetchrow(_PUT, post_id, hidden, expires_at))

    async def get(self, post_id: UUID) -> PostState | None:
        """What was said last."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow(_GET, post_id)
        return None if row is None else _state_of(row)

    async def moment(self) -> datetime:
        """Of the server."""
        async with borrowed(self._pool) as connection:
            moment: datetime = await connection.fetchval("select now()")
        return moment

    async def read_hidden(self) -> AsyncIterator[Sequence[PostState]]:
        """All that are hidden, or will have expired within a day, some thousand at a time."""
        after = _BEFORE_ALL
        while True:
            async with borrowed(self._pool) as connection:
                rows = await connection.fetch(_PAGE, after, LOOK_AHEAD, PAGE)
            yield [_state_of(row) for row in rows]
            if len(rows) < PAGE:
                return
            after = rows[-1]["id"]

    async def read_changes(self, since: datetime) -> PostChanges:
        """What was said since that moment, the server's at an earlier reading."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_CHANGES, since - OVERLAP, since - OVERLAP + LOOK_AHEAD, LOOK_AHEAD)
        return PostChanges([_state_of(row) for row in rows if row["id"] is not None], rows[0]["moment"])


def _state_of(row: Any) -> PostState:
    return PostState(row["id"], row["hidden"], row["expires_at"])
