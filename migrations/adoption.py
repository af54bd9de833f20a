"""The one table that belongs to the app: made when it is missing, checked and left alone when it is not."""

from sqlalchemy import Connection, text

from core.domain.errors import ConfigurationError

OURS = "made by threads-ml"
TEXT = ("character varying", "text")
TIMES = ("timestamp without time zone", "timestamp with time zone")
COLUMNS = {
    "id": ("uuid",),
    "user_id": ("uuid",),
    "post_id": ("uuid",),
    "interaction_type": TEXT,
    "created_at": TIMES,
}
CREATE = """
    create table user_interaction (
        id uuid primary key default gen_random_uuid(),
        user_id uuid not null,
        post_id uuid not null,
        interaction_type varchar not null,
        metadata jsonb,
        created_at timestamp not null default timezone('utc', now())
    )
"""
INDEXES = {
    "threads_ml_user_interaction_user_id_created_at": "(user_id, created_at)",
    "threads_ml_user_interaction_created_at": "(created_at)",
}
FOUND = """
    select column_name, data_type from information_schema.columns
    where table_schema = any(current_schemas(false)) and table_name = 'user_interaction'
"""


def adopt_or_create_interactions(connection: Connection) -> None:
    """Leave behind a table that can be read, and the indexes that the queries need."""
    found = {row.column_name: row.data_type for row in connection.execute(text(FOUND))}
    if found:
        _check(found)
    else:
        connection.execute(text(CREATE))
        connection.execute(text(f"comment on table user_interaction is '{OURS}'"))
    for name, columns in INDEXES.items():
        connection.execute(text(f"create index if not exists {name} on user_interaction {columns}"))


def drop_interactions_if_ours_and_empty(connection: Connection) -> None:
    """What the app has written stays, and so does a table that was there before."""
    comment = connection.scalar(text("select obj_description('user_interaction'::regclass)"))
    if comment == OURS and not connection.scalar(text("select exists (select from user_interaction)")):
        connection.execute(text("drop table user_interaction"))
        return
    for name in INDEXES:
        connection.execute(text(f"drop index if exists {name}"))


def _check(found: dict[str, str]) -> None:
    for name, kinds in COLUMNS.items():
        if name not in found:
            raise ConfigurationError(f"the table user_interaction has no column {name}: expected {name} {kinds[0]}")
        if found[name] not in kinds:
            raise ConfigurationError(
                f"the column {name} of the table user_interaction is {found[name]}: expected {' or '.join(kinds)}"
            )
