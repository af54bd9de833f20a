"""Which interactions a model was trained on: the snapshot that was read."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = {"data_snapshot": "text", "data_open_since": "timestamptz"}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.execute(f"alter table model add column {name} {kind}")


def downgrade() -> None:
    for name in COLUMNS:
        op.execute(f"alter table model drop column {name}")
