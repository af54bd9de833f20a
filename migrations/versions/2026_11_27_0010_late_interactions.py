"""How far the interactions have been gone through for those that were dated long before they were written."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = (
    # all_before: as in interaction_watermark; next_at: when to go through them again.
    """
    create table late_interaction_watermark (
        id smallint primary key check (id = 1),
        all_before xid8 not null,
        next_at timestamptz not null
    )
    """,
    "insert into late_interaction_watermark select id, all_before, now() from interaction_watermark",
)


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table late_interaction_watermark")
