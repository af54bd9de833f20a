"""What a model was tried and judged by, who took it back, and whether its bytes are still there."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = {
    "training_seconds": "double precision",
    "data_digest": "text",
    "code_revision": "text",
    "trial": "jsonb",
    "verdict": "jsonb",
    "withdrawn_at": "timestamptz",
    "withdrawn_by": "text",
    "pruned_at": "timestamptz",
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(f"alter table model add column {name} {kind}")


def downgrade() -> None:
    for name in COLUMNS:
        op.execute(f"alter table model drop column {name}")
