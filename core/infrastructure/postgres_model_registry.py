"""The registry of models in Postgres."""

from dataclasses import fields
from typing import Any

from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotFound, PromotionRefused
from core.domain.model import ModelRecord, ModelStatus, Serving, version_name
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, retried_after_migration, transaction

_SERVING = "select epoch, model.* from serving left join model on number = coalesce($1, champion)"
_REGISTER = """
    insert into model (number, algorithm, parameters, metrics, sha256, size_bytes, status, interaction_count,
        user_count, post_count, data_from, data_up_to, trained_at)
    select greatest(coalesce(max(number) + 1, $1), $1), $2, $3, $4, $5, $6, 'candidate', $7, $8, $9, $10, $11, now()
    from model returning *
"""
_RETIRE = "update model set status = 'retired' where status = 'champion'"
_CROWN = "update model set status = 'champion', promoted_at = now(), promoted_by = $2 where number = $1"
_FLIP = "update serving set champion = $1, epoch = epoch + 1"


class PostgresModelRegistry:
    """One row a model, and one row that points at the champion."""

    def __init__(self, pool: Pool, first_number: int = 1, pin: int | None = None) -> None:
        self._pool = pool
        self._first_number = first_number
        self._pin = pin

    async def serving(self) -> Serving:
        """The champion and its epoch, or the pinned model."""
        async with borrowed(self._pool) as connection:
            return await self._serving(connection)

    @retried_after_migration
    async def register(self, trained: TrainedModel, sha256: str, size_bytes: int) -> ModelRecord:
        """Add a candidate under the next free number; two at once get two."""
        async with transaction(self._pool) as connection:
            await connection.execute("lock table model in share row exclusive mode")
            row = await connection.fetchrow(
                _REGISTER,
                self._first_number,
                trained.algorithm,
                dict(trained.parameters),
                dict(trained.metrics),
                sha256,
                size_bytes,
                trained.interaction_count,
                trained.user_count,
                trained.post_count,
                trained.data_from,
                trained.data_up_to,
            )
        return _record_of(row)

    @retried_after_migration
    async def promote(self, number: int, by: str) -> Serving:
        """Flip the pointer; promoting the champion changes nothing."""
        if self._pin is not None:
            raise PromotionRefused(f"MODEL_PIN names {version_name(self._pin)}: unset it to let another model serve")
        async with transaction(self._pool) as connection:
            champion = await connection.fetchval("select champion from serving for update")
            if not await connection.fetchval("select exists (select from model where number = $1)", number):
                raise NotFound(f"there is no model {version_name(number)}")
            if number != champion:
                await connection.execute(_RETIRE)
                await connection.execute(_CROWN, number, by)
                await connection.execute(_FLIP, number)
            return await self._serving(connection)

    async def find(self, number: int) -> ModelRecord | None:
        """The model's row."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow("select * from model where number = $1", number)
        return None if row is None else _record_of(row)

    async def _serving(self, connection: Connection) -> Serving:
        row = await connection.fetchrow(_SERVING, self._pin)
        if self._pin is not None and row["number"] is None:
            raise ConfigurationError(f"MODEL_PIN names {version_name(self._pin)}, which does not exist")
        return Serving(None if row["number"] is None else _record_of(row), row["epoch"])


def _record_of(row: Any) -> ModelRecord:
    """Columns that a later revision may have added while this program still serves are left alone."""
    values = {field.name: row[field.name] for field in fields(ModelRecord)}
    return ModelRecord(**{**values, "status": ModelStatus(row["status"])})
