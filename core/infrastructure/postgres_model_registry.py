"""The registry of models in Postgres."""

from typing import Any

from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotFound, PromotionRefused
from core.domain.model import ModelRecord, ModelStatus, Serving, version_name
from core.infrastructure.postgres_pool import Pool, borrowed, transaction

_ADD = """
    insert into model (number, algorithm, parameters, metrics, sha256, size_bytes, status, interaction_count,
        user_count, post_count, data_from, data_up_to, trained_at)
    select greatest(coalesce(max(number) + 1, 1), $1), $2, $3, $4, $5, $6, 'candidate', $7, $8, $9, $10, $11, now()
    from model returning *
"""


class PostgresModelRegistry:
    """One row a model, and one row that points at the champion."""

    def __init__(self, pool: Pool, first_number: int = 1, pin: int | None = None) -> None:
        self._pool = pool
        self._first_number = first_number
        self._pin = pin

    async def serving(self) -> Serving:
        """The champion and its epoch, or the pinned model."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow("select champion, epoch from serving")
        number = self._pin or row["champion"]
        model = None if number is None else await self.find(number)
        if self._pin and model is None:
            raise ConfigurationError(f"MODEL_PIN names {version_name(self._pin)}, which does not exist")
        return Serving(model, row["epoch"])

    async def register(self, trained: TrainedModel, sha256: str, size_bytes: int) -> ModelRecord:
        """Add a candidate under the next free number."""
        async with transaction(self._pool) as connection:
            await connection.execute("lock table model in share row exclusive mode")
            row = await connection.fetchrow(
                _ADD,
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

    async def promote(self, number: int, by: str) -> Serving:
        """Flip the pointer."""
        if self._pin:
            raise PromotionRefused(f"MODEL_PIN names {version_name(self._pin)}: unset it to let another model serve")
        async with transaction(self._pool) as connection:
            await connection.execute("select from serving for update")
            promoted = await connection.fetchrow(
                "update model set status = 'champion', promoted_at = now(), promoted_by = $2 where number = $1 returning *",
                number,
                by,
            )
            if promoted is None:
                raise NotFound(f"there is no model {version_name(number)}")
            await connection.execute(
                "update model set status = 'retired' where status = 'champion' and number <> $1", number
            )
            epoch = await connection.fetchval(
                "update serving set champion = $1, epoch = epoch + 1 returning epoch", number
            )
        return Serving(_record_of(promoted), epoch)

    async def find(self, number: int) -> ModelRecord | None:
        """The model's row."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow("select * from model where number = $1", number)
        return None if row is None else _record_of(row)


def _record_of(row: Any) -> ModelRecord:
    return ModelRecord(**{**dict(row), "status": ModelStatus(row["status"])})
