"""Runs of bulk generation, their users in chunks, and the users who got no feed."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = (
    # users: written to chunks so far; enumerated_up_to: the last of them, null before the first; tended_at: when the
    # process that writes chunks or enqueues them last did so.
    """
    create table run (
        id uuid primary key,
        kind text not null,
        request jsonb not null,
        started_by text not null,
        state text not null check (state in ('running', 'completed', 'completed_with_failures', 'cancelled')),
        started_at timestamptz not null,
        finished_at timestamptz,
        tended_at timestamptz not null,
        after_generation bigint not null,
        users bigint not null default 0,
        enumerated_up_to uuid,
        is_enumerated boolean not null default false
    )
    """,
    "create index run_active on run (kind) where state = 'running'",
    """
    create table run_chunk (
        id uuid primary key,
        run_id uuid not null references run (id) on delete cascade,
        user_ids uuid[] not null,
        state text not null check (state in ('open', 'done', 'split', 'set_aside')),
        attempts integer not null default 0,
        enqueued_at timestamptz,
        started_at timestamptz,
        finished_at timestamptz,
        stored integer not null default 0,
        kept integer not null default 0,
        without_feed integer not null default 0,
        error text
    )
    """,
    "create index run_chunk_run_id on run_chunk (run_id)",
    "create index run_chunk_open on run_chunk (run_id, enqueued_at) where state = 'open'",
    # Whole histories without a look at the table, whose rows of one user lie far apart: seven times as fast.
    """
    create index threads_ml_user_interaction_history
    on user_interaction (user_id, created_at) include (post_id, interaction_type)
    """,
    "drop index if exists threads_ml_user_interaction_user_id_created_at",
    # A feed of 150 posts is beyond the 2 kB from which rows are taken apart: whole, it is written faster.
    "alter table feed set (toast_tuple_target = 8160)",
)
DOWN = (
    """
    create index if not exists threads_ml_user_interaction_user_id_created_at
    on user_interaction (user_id, created_at)
    """,
    "drop index threads_ml_user_interaction_history",
    "alter table feed reset (toast_tuple_target)",
    "drop table run_chunk",
    "drop table run",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
