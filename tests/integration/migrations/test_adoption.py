"""A table `user_interaction` that the app made is checked, adopted and never dropped."""

import asyncio

import pytest
from alembic import command

from core.domain.errors import ConfigurationError
from core.infrastructure.alembic_migrations import alembic_config, migrate
from tests.integration.migrations.asking import ask

APP_TABLE = """
    create table user_interaction (
        id uuid primary key, user_id uuid, post_id uuid, interaction_type text, metadata json, created_at timestamptz
    )
"""
APP_HISTORY = "create table alembic_version (version_num varchar(32) primary key)"
ADD = "insert into user_interaction select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'like', '{}', now()"
INDEXES = """
    select coalesce(array_agg(indexname::text order by indexname), '{}') from pg_indexes
    where tablename = 'user_interaction'
"""
BOTH = ["threads_ml_user_interaction_created_at", "threads_ml_user_interaction_history"]


def test_rows_and_the_app_s_own_history_survive_up_and_down(database_url: str) -> None:
    ask(database_url, APP_TABLE, ADD, APP_HISTORY, "insert into alembic_version values ('theirs')", "select 1")
    config = alembic_config(database_url)

    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")

    assert ask(database_url, "select count(*) from user_interaction") == 1
    assert ask(database_url, "select version_num from alembic_version") == "theirs"
    assert set(ask(database_url, INDEXES)) == {"user_interaction_pkey", *BOTH}


def test_an_adopted_table_stays_even_when_it_is_empty_and_loses_our_indexes(database_url: str) -> None:
    ask(database_url, APP_TABLE, "select 1")
    config = alembic_config(database_url)
    command.upgrade(config, "head")

    command.downgrade(config, "base")

    assert ask(database_url, INDEXES) == ["user_interaction_pkey"]


def test_indexes_that_the_app_has_are_not_made_twice_and_not_dropped(database_url: str) -> None:
    ask(
        database_url,
        APP_TABLE,
        "create index theirs on user_interaction (user_id, created_at, post_id)",
        "create index not_for_all on user_interaction (created_at) where interaction_type = 'like'",
        "select 1",
    )
    config = alembic_config(database_url)

    command.upgrade(config, "head")
    assert ask(database_url, INDEXES) == ["not_for_all", "theirs", *BOTH, "user_interaction_pkey"]

    command.downgrade(config, "base")
    assert ask(database_url, INDEXES) == ["not_for_all", "theirs", "user_interaction_pkey"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("drop column post_id", "has no column post_id: expected uuid"),
        ("alter user_id type text", "column user_id of the table user_interaction is text: expected uuid"),
        ("alter created_at type date", "column created_at of the table user_interaction is date: expected timestamp"),
        ("alter interaction_type type int using 1", "is integer: expected character varying or text"),
        ("alter metadata type text", "column metadata of the table user_interaction is text: expected jsonb or json"),
        ("drop constraint user_interaction_pkey", "column id of the table user_interaction is not unique"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_and_left_alone(database_url: str, change: str, complaint: str) -> None:
    ask(database_url, APP_TABLE, f"alter table user_interaction {change}", "select 1")

    with pytest.raises(ConfigurationError, match=complaint) as raised:
        asyncio.run(migrate(database_url))

    assert "\n" not in str(raised.value)
    assert not set(ask(database_url, INDEXES)) & set(BOTH)
    assert ask(database_url, "select to_regclass('feed')") is None


@pytest.mark.parametrize(
    "change", ["drop column metadata", "add column session_id text", "alter interaction_type type varchar(20)"]
)
def test_what_nobody_here_reads_may_differ(database_url: str, change: str) -> None:
    ask(database_url, APP_TABLE, f"alter table user_interaction {change}", "select 1")

    asyncio.run(migrate(database_url))

    assert set(BOTH) <= set(ask(database_url, INDEXES))


def test_a_table_of_ours_is_as_the_contract_says(migrated_database_url: str) -> None:
    columns = ask(
        migrated_database_url,
        """
        select array_agg(concat_ws(' ', column_name, data_type, column_default) order by ordinal_position)
        from information_schema.columns where table_name = 'user_interaction'
        """,
    )

    assert columns == [
        "id uuid gen_random_uuid()",
        "user_id uuid",
        "post_id uuid",
        "interaction_type character varying",
        "metadata jsonb",
        "created_at timestamp without time zone timezone('utc'::text, now())",
    ]
