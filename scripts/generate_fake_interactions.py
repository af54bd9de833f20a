"""`threads-ml generate-fake-interactions`: something to learn from where there is nothing yet."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from core.domain.ids import to_uuid
from core.domain.interaction import InteractionType
from core.infrastructure.alembic_migrations import migrate
from core.infrastructure.postgres_interaction_writer import InteractionRow, PostgresInteractionWriter
from core.infrastructure.postgres_pool import open_pool
from core.recommender.synthetic_interactions import synthetic_interactions
from core.settings import Settings
from scripts.command import DEFAULT_DATA_DIR, DataDir, command_app, console, run_to_end
from scripts.wiring import open_platform

DEMO_USER = UUID("027baf23-101f-48d2-b7d1-4a23e6cf8e4a")
app = command_app()


@app.command()
def generate_fake_interactions(
    count: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many interactions.")] = 5000,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Over how many days until now.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same users, posts and tastes.")] = 0,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Add made-up interactions: communities of taste, skewed popularity, short-lived posts."""
    run_to_end(_generate(count, days, seed, data_dir))


async def _generate(count: int, days: int, seed: int, data_dir: Path) -> None:
    async with open_platform(data_dir) as settings:
        await migrate(settings.database_url)
        await add_fake_interactions(settings, count, days, seed)


async def add_fake_interactions(settings: Settings, count: int, days: int, seed: int) -> None:
    """Make them and say how many; the demo user is the first of the users."""
    async with open_pool(settings.database_url, settings.database_pool_size) as pool:
        added = await PostgresInteractionWriter(pool).add(_rows(count, days, seed))
    console.print(f"added {added:,} made-up interactions of {days} days; one of the users is {DEMO_USER}")


def _rows(count: int, days: int, seed: int) -> Iterator[InteractionRow]:
    made = synthetic_interactions(count, days, seed)
    kinds = tuple(InteractionType)
    now = datetime.now(UTC).replace(tzinfo=None)
    columns = zip(made.users.tolist(), made.posts.tolist(), made.types.tolist(), made.ages_days.tolist(), strict=True)
    for number, (user, post, kind, age_days) in enumerate(columns):
        # The day is part of the row's id: the same seed on another day adds that day's interactions.
        row_id = to_uuid(f"fake interaction {seed} {count} {days} {now:%Y-%m-%d} {number}")
        moment = now - timedelta(days=age_days)
        yield row_id, _user_id(seed, user), to_uuid(f"fake post {seed} {post}"), kinds[kind].value, moment


def _user_id(seed: int, number: int) -> UUID:
    return to_uuid(f"fake user {seed} {number}") if number else DEMO_USER


if __name__ == "__main__":
    app()
