"""The one table that belongs to the app: made when it is missing, checked and left alone when it is not."""

from sqlalchemy import Connection, text

from core.domain.errors import ConfigurationError

OURS = "made by threads-ml"
COLUMNS = {
    "id": ("uuid",),
    "user_id": ("uuid",),
    "post_id": ("uuid",),
    "interaction_type": ("character varying", "text"),
    "created_at": ("timestamp without time zone", "timestamp with time zone"),
}
# Nobody here reads it: the app may have left it out.
OPTIONAL_COLUMNS = {"metadata": ("jsonb", "json")}
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
    # One user's history, and the user's distinct posts up to a limit.
    "threads_ml_user_interaction_user_id_created_at": ("user_id", "created_at"),
    # The newest interaction of all, the window of popular posts, users active since.
    "threads_ml_user_interaction_created_at": ("created_at",),
}
ANNOUNCE = """
    create trigger threads_ml_interactions_written after insert on user_interaction
    for each statement execute function threads_ml_interactions_written()
"""
FOUND = """
    select attname, format_type(atttypid, null) as kind from pg_attribute
    where attrelid = to_regclass('user_interaction') and attnum > 0 and not attisdropped
"""
INDEXED = """
    select exists (
        select from pg_index
        where indrelid = 'user_interaction'::regclass and indisvalid and indpred is null
            and array(select pg_get_indexdef(indexrelid, place, true) from generate_series(1, :count) as place)
                = cast(:columns as text[])
            and (indisunique and indnkeyatts = :count or not :unique)
    )
"""


def adopt_or_create_interactions(connection: Connection) -> None:
    """Leave behind a table that can be read, and the indexes that the queries need."""
    found = {row.attname: row.kind for row in connection.execute(text(FOUND))}
    if found:
        _check(connection, found)
    else:
        connection.execute(text(CREATE))
        connection.execute(text(f"comment on table user_interaction is '{OURS}'"))
    for name, columns in INDEXES.items():
        if not _is_indexed(connection, columns):
            connection.execute(text(f"create index if not exists {name} on user_interaction ({', '.join(columns)})"))


def announce_interactions_if_ours(connection: Connection) -> None:
    """Have each statement that adds rows wake who listens; on a table of the app's the operator decides."""
    if _is_ours(connection):
        connection.execute(text(ANNOUNCE))


def drop_interactions_if_ours_and_empty(connection: Connection) -> None:
    """What the app has written stays, and so does a table that was there before."""
    connection.execute(text("lock table user_interaction in access exclusive mode"))
    if _is_ours(connection) and not connection.scalar(text("select exists (select from user_interaction)")):
        connection.execute(text("drop table user_interaction"))
        return
    for name in INDEXES:
        connection.execute(text(f"drop index if exists {name}"))


def _is_ours(connection: Connection) -> bool:
    comment = connection.scalar(text("select obj_description('user_interaction'::regclass, 'pg_class')"))
    return bool(comment == OURS)


def _check(connection: Connection, found: dict[str, str]) -> None:
    for name, kinds in COLUMNS.items():
        if name not in found:
            raise ConfigurationError(f"the table user_interaction has no column {name}: expected {kinds[0]}")
    for name, kinds in (COLUMNS | OPTIONAL_COLUMNS).items():
        if name in found and found[name] not in kinds:
            raise ConfigurationError(
                f"the column {name} of the table user_interaction is {found[name]}: expected {' or '.join(kinds)}"
            )
    if not _is_indexed(connection, ("id",), unique=True):
        raise ConfigurationError("the column id of the table user_interaction is not unique: make it the primary key")


def _is_indexed(connection: Connection, columns: tuple[str, ...], *, unique: bool = False) -> bool:
    """Whether some index begins with these columns or, for a unique one, consists of them."""
    parameters = {"columns": list(columns), "count": len(columns), "unique": unique}
    return bool(connection.scalar(text(INDEXED), parameters))
