"""The registry of models, their bytes, and the pointer to the one that serves."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = (
    """
    create table model (
        number integer primary key,
        algorithm text not null,
        parameters jsonb not null,
        metrics jsonb not null,
        sha256 text not null,
        size_bytes bigint not null,
        status text not null check (status in ('candidate', 'champion', 'retired')),
        interaction_count bigint not null,
        user_count bigint not null,
        post_count bigint not null,
        data_from timestamptz not null,
        data_up_to timestamptz not null,
        trained_at timestamptz not null,
        promoted_at timestamptz,
        promoted_by text
    )
    """,
    "create unique index model_one_champion on model (status) where status = 'champion'",
    """
    create table serving (
        id smallint primary key check (id = 1),
        champion integer references model (number),
        epoch bigint not null
    )
    """,
    "insert into serving (id, champion, epoch) values (1, null, 0)",
    """
    create table model_artefact (
        sha256 text not null,
        ordinal integer not null,
        bytes bytea not null,
        primary key (sha256, ordinal)
    )
    """,
    # Numbers hardly compress: not trying is faster.
    "alter table model_artefact alter column bytes set storage external",
)
DOWN = ("drop table model_artefact", "drop table serving", "drop table model")


def upgrade() -> None:
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
