"""Readers of the view get no hidden post either."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_VIEW = """
    create or replace view user_recommendation as
    select md5(feed.user_id::text || item.post_id::text)::uuid as id,
        feed.user_id,
        item.post_id,
        item.score::text::double precision as score,
        feed.generated_at at time zone 'utc' as generated_at,
        feed.expires_at at time zone 'utc' as expires_at
    from feed cross join lateral unnest(feed.post_ids, feed.scores) as item(post_id, score)
"""
_UNLESS_HIDDEN = """
    where not exists (
        select from post_state
        where post_state.id = item.post_id and (post_state.hidden or post_state.expires_at <= now())
    )
"""


def upgrade() -> None:
    op.execute(_VIEW + _UNLESS_HIDDEN)


def downgrade() -> None:
    op.execute(_VIEW)
