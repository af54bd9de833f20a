"""When the clock last took up each of its tasks, and how that went."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table schedule (
            task text primary key,
            cron text not null,
            tick timestamptz not null,
            attempts integer not null,
            started_at timestamptz,
            ended_at timestamptz,
            has_failed boolean not null,
            says text not null,
            succeeded_at timestamptz
        )
        """
    )


def downgrade() -> None:
    op.execute("drop table schedule")
