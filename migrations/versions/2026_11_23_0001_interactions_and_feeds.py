"""The app's interactions, checked or made, and everything that is made from them."""

from alembic import op

from migrations.adoption import adopt_or_create_interactions, drop_interactions_if_ours_and_empty

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = (
    "create table external_id (id uuid primary key, text text not null)",
    "create sequence feed_generation as bigint",
    """
    create table feed (
        user_id uuid primary key,
        post_ids uuid[] not null,
        scores real[] not null,
        reasons smallint[] not null,
        model_version text not null,
        epoch bigint not null,
        generation bigint not null,
        generated_at timestamptz not null,
        expires_at timestamptz not null,
        built_up_to timestamptz
    )
    """,
    # By way of text a score stays what it was: 0.85 as a real is 0.8500000238 in double precision.
    """
    create view user_recommendation as
    select md5(feed.user_id::text || item.post_id::text)::uuid as id,
        feed.user_id,
        item.post_id,
        item.score::text::double precision as score,
        feed.generated_at at time zone 'utc' as generated_at,
        feed.expires_at at time zone 'utc' as expires_at
    from feed cross join lateral unnest(feed.post_ids, feed.scores) as item(post_id, score)
    """,
    """
    create table popular_feed (
        id smallint primary key check (id = 1),
        post_ids uuid[] not null,
        scores double precision[] not null,
        generation bigint not null,
        computed_at timestamptz not null
    )
    """,
    """
    create table ticket (
        id uuid primary key,
        user_id uuid not null,
        request bytea not null,
        epoch bigint not null,
        generation bigint not null,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        failure text
    )
    """,
    "create index ticket_user_id on ticket (user_id)",
    "create index ticket_expires_at on ticket (expires_at)",
)
DOWN = (
    "drop table ticket",
    "drop table popular_feed",
    "drop view user_recommendation",
    "drop table feed",
    "drop sequence feed_generation",
    "drop table external_id",
)


def upgrade() -> None:
    adopt_or_create_interactions(op.get_bind())
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
    drop_interactions_if_ours_and_empty(op.get_bind())
