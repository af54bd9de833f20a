"""Generated interactions, written by COPY."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from core.infrastructure.postgres_pool import Pool, transaction

InteractionRow = tuple[UUID, UUID, UUID, str, datetime]
"""Row id, user, post, type, and the moment as naive UTC."""

NO_HURRY_SECONDS = 3600.0
_COLUMNS = ("id", "user_id", "post_id", "interaction_type", "created_at")
_STAGE = "create temp table staged (like user_interaction including defaults) on commit drop"
_MERGE = f"""
    insert into user_interaction ({", ".join(_COLUMNS)})
    select {", ".join(_COLUMNS)} from staged on conflict do nothing
"""  # noqa: S608 - constants of this module


class PostgresInteractionWriter:
    """Adds rows by id: rows that are there already stay as they are."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, rows: Iterable[InteractionRow]) -> int:
        """Write all rows in one transaction; gives how many were new."""
        async with transaction(self._pool) as connection:
            await connection.execute(_STAGE)
            await connection.copy_records_to_table("staged", records=rows, columns=_COLUMNS, timeout=NO_HURRY_SECONDS)
            outcome: str = await connection.execute(_MERGE, timeout=NO_HURRY_SECONDS)
        return int(outcome.rpartition(" ")[2])
