"""Every revision goes up, down and up again, alone or raced, and the app's rows survive it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from core.domain.errors import ArchiveUnavailable, ConfigurationError
from core.infrastructure.alembic_migrations import alembic_config, head_revision, migrate
from tests.integration.migrations.asking import ask

PROJECT = Path(__file__).parents[3]
REVISIONS = [script.revision for script in ScriptDirectory.from_config(alembic_config("")).walk_revisions()][::-1]
VERSION = "select version_num from threads_ml_alembic_version"
ADD = """
    insert into user_interaction (user_id, post_id, interaction_type)
    values (gen_random_uuid(), gen_random_uuid(), 'like')
"""
COUNT = "select count(*) from user_interaction"
TABLES = """
    select coalesce(array_agg(table_name::text order by table_name), '{}') from information_schema.tables
    where table_schema = 'public'
"""


def alembic(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the program as an operator does, in the project's folder."""
    clean = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=PROJECT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("revision", REVISIONS)
def test_each_revision_goes_up_down_and_up_again(database_url: str, revision: str) -> None:
    config = alembic_config(database_url)

    for step in ("up", "down", "up"):
        if step == "up":
            command.upgrade(config, revision)
        else:
            command.downgrade(config, "-1")

    assert ask(database_url, VERSION) == revision


def test_all_the_way_down_leaves_nothing_of_ours(database_url: str) -> None:
    config = alembic_config(database_url)
    command.upgrade(config, "head")

    command.downgrade(config, "base")

    assert ask(database_url, TABLES) == ["threads_ml_alembic_version"]


def test_interactions_survive_a_downgrade(database_url: str) -> None:
    config = alembic_config(database_url)
    command.upgrade(config, "head")
    ask(database_url, ADD)

    command.downgrade(config, "base")
    command.upgrade(config, "head")

    assert ask(database_url, COUNT) == 1


def test_migrating_again_changes_nothing(database_url: str) -> None:
    asyncio.run(migrate(database_url))
    before = ask(database_url, TABLES)

    asyncio.run(migrate(database_url))

    assert ask(database_url, TABLES) == before
    assert ask(database_url, VERSION) == head_revision()


def test_migrations_of_one_process_at_once_do_no_harm(database_url: str) -> None:
    async def race() -> None:
        await asyncio.gather(*[migrate(database_url) for _ in range(3)])

    asyncio.run(race())

    assert ask(database_url, VERSION) == head_revision()


def test_migrations_of_several_processes_at_once_do_no_harm(database_url: str) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url}
    racers = [
        subprocess.Popen([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=PROJECT, env=environment)
        for _ in range(2)
    ]

    assert [racer.wait(60) for racer in racers] == [0, 0]
    assert ask(database_url, VERSION) == head_revision()


def test_a_failed_migration_leaves_the_schema_as_it_was(database_url: str) -> None:
    ask(database_url, "create table model (id int)", "select 1")

    with pytest.raises(ConfigurationError, match='refuses the migration: relation "model" already exists'):
        asyncio.run(migrate(database_url))

    assert ask(database_url, TABLES) == ["model"]


def test_a_database_that_is_away_is_told_from_one_that_is_wrong() -> None:
    with pytest.raises(ArchiveUnavailable):
        asyncio.run(migrate("postgresql://u:p@127.0.0.1:1/d"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_alembic_works_by_itself(database_url: str, scheme: str) -> None:
    url = f"{scheme}{database_url.removeprefix('postgresql')}?sslmode=prefer"

    completed = alembic("upgrade", "head", DATABASE_URL=url)

    assert completed.returncode == 0, completed.stderr
    assert ask(database_url, VERSION) == head_revision()


def test_alembic_without_a_database_says_so_in_one_line(tmp_path: Path) -> None:
    completed = alembic("upgrade", "head", DATABASE_URL="")

    assert completed.returncode != 0
    assert (completed.stdout + completed.stderr).strip().splitlines() == [
        "FAILED: DATABASE_URL is not set: expected postgresql://user:password@host:port/database"
    ]


def test_alembic_cannot_write_sql_without_looking_at_the_tables(database_url: str) -> None:
    completed = alembic("upgrade", "head", "--sql", DATABASE_URL=database_url)

    assert completed.returncode != 0
    assert "FAILED: the tables that are there must be looked at" in completed.stdout + completed.stderr
