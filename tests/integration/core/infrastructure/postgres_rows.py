"""Rows as the app and the import write them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from core.domain.interaction import Interaction, InteractionType
from core.infrastructure.postgres_pool import Pool


def user(number: int) -> UUID:
    return UUID(int=1000 + number)


def post(number: int) -> UUID:
    return UUID(int=2000 + number)


def act(
    by: int, on: int, at: datetime, kind: InteractionType = InteractionType.LIKE, hours_ago: float = 0.0
) -> Interaction:
    return Interaction(user(by), post(on), kind, at - timedelta(hours=hours_ago))


async def add_interactions(pool: Pool, *interactions: Interaction) -> None:
    """Times go in naive, as an app writes them."""
    rows = [(it.user_id, it.post_id, it.type.value, it.created_at.replace(tzinfo=None)) for it in interactions]
    await pool.executemany(
        "insert into user_interaction (user_id, post_id, interaction_type, created_at) values ($1, $2, $3, $4)", rows
    )


async def add_change(pool: Pool, user_id: UUID, sequence: int, *, is_due: bool = True) -> None:
    """As whoever records interactions marks their user."""
    await pool.execute(
        "insert into user_change (user_id, sequence, changed_at, is_due) values ($1, $2, now(), $3) "
        "on conflict (user_id) do update set sequence = excluded.sequence, is_due = excluded.is_due",
        *(user_id, sequence, is_due),
    )


async def is_due(pool: Pool, user_id: UUID) -> bool:
    due: bool = await pool.fetchval("select is_due from user_change where user_id = $1", user_id)
    return due


async def add_texts(pool: Pool, texts: Mapping[UUID, str]) -> None:
    await pool.executemany("insert into external_id (id, text) values ($1, $2)", list(texts.items()))
