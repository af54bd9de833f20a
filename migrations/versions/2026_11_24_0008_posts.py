"""Posts that the app hides, or that expire."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = (
    """
    create table post_state (
        id uuid primary key,
        hidden boolean not null default false,
        expires_at timestamptz,
        changed_at timestamptz not null default clock_timestamp()
    )
    """,
    "create index post_state_changed_at on post_state (changed_at)",
    "create index post_state_expires_at on post_state (expires_at) where expires_at is not null",
    # The app may write the table itself: those who read what has changed must find it, whatever it wrote here.
    """
    create function threads_ml_post_state_changed() returns trigger language plpgsql as $$
    begin
        new.changed_at := clock_timestamp();
        return new;
    end
    $$
    """,
    "create trigger post_state_changed before insert or update on post_state "
    "for each row execute function threads_ml_post_state_changed()",
)
DOWN = ("drop table post_state", "drop function threads_ml_post_state_changed")


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
