"""The texts of ids, kept in Postgres."""

from collections.abc import Collection, Mapping
from uuid import UUID

from core.domain.ids import may_stand_for_text
from core.infrastructure.postgres_pool import Pool, borrowed

MOST_REMEMBERED = 50_000

_TEXTS = "select id, text from external_id where id = any($1::uuid[])"


class PostgresExternalIds:
    """Written by whoever brings interactions in, read here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._told: dict[UUID, str | None] = {}

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The text of each of these ids that has one."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_TEXTS, list(ids))
        texts = {row["id"]: row["text"] for row in rows}
        self._remember(ids, texts)
        return texts

    def last_told(self, ids: Collection[UUID]) -> Mapping[UUID, str | None]:
        """What earlier answers of this process said of these ids."""
        return {id_: self._told[id_] for id_ in ids if id_ in self._told}

    def _remember(self, ids: Collection[UUID], texts: Mapping[UUID, str]) -> None:
        """The ids that can have a text, the oldest forgotten first; an app whose ids are UUIDs pays nothing."""
        self._told.update({id_: texts.get(id_) for id_ in ids if may_stand_for_text(id_)})
        while len(self._told) > MOST_REMEMBERED:
            del self._told[next(iter(self._told))]
