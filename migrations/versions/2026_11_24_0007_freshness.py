"""What has changed since a user's feed was built, and how far the interactions have been read."""

from alembic import op

from migrations.adoption import announce_interactions_if_ours

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    "create sequence interaction_sequence as bigint",
    # sequence: drawn while the row was held, so that a user's sequences rise in the order of commits.
    """
    create table user_change (
        user_id uuid primary key,
        sequence bigint not null,
        changed_at timestamptz not null,
        is_due boolean not null
    ) with (fillfactor = 80)
    """,
    "create index user_change_due on user_change (changed_at) where is_due",
    # What transactions have marked by themselves; a reader does not mark it again, and finds here whose feeds to renew.
    """
    create table accepted_batch (
        transaction xid8 primary key,
        sequence bigint not null,
        accepted_at timestamptz not null,
        user_ids uuid[] not null
    )
    """,
    # all_before: what transactions before this one wrote has been read; floor: nothing unread was begun before.
    """
    create table interaction_watermark (
        id smallint primary key check (id = 1),
        all_before xid8 not null,
        floor timestamptz not null,
        read_at timestamptz not null
    )
    """,
    # Those from the watermark on whose rows have been read, as older ones were still open.
    "create table read_transaction (transaction xid8 primary key)",
    """
    insert into interaction_watermark (id, all_before, floor, read_at)
    select 1, pg_snapshot_xmin(pg_current_snapshot()),
        least(now(), (select min(xact_start) from pg_stat_activity), (select min(prepared) from pg_prepared_xacts)),
        now()
    """,
    "alter table feed add column built_sequence bigint not null default 0",
    # The trigger that calls it is ours to make on a table of ours alone; elsewhere the operator may.
    """
    create function threads_ml_interactions_written() returns trigger language plpgsql as $$
    begin
        perform pg_notify('threads_ml_interactions', '');
        return null;
    end
    $$
    """,
)
DOWN = (
    "drop function threads_ml_interactions_written cascade",
    "alter table feed drop column built_sequence",
    "drop table read_transaction",
    "drop table interaction_watermark",
    "drop table accepted_batch",
    "drop table user_change",
    "drop sequence interaction_sequence",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)
    announce_interactions_if_ours(op.get_bind())


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
