"""The registry of models in Postgres."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import msgspec

from core.application.ports.training import TrainedModel
from core.domain.errors import ConfigurationError, NotFound, PromotionRefused, PruneRefused
from core.domain.gate import Verdict
from core.domain.model import ModelRecord, ModelStatus, Serving, version_name
from core.domain.trial import Trial
from core.infrastructure.postgres_pool import Connection, Pool, borrowed, retried_after_migration, transaction

_SERVING = "select epoch, model.* from serving left join model on number = coalesce($1, champion)"
_REGISTER = """
    insert into model (number, algorithm, parameters, metrics, sha256, size_bytes, status, interaction_count,
        user_count, post_count, data_from, data_up_to, trained_at, training_seconds, data_digest, code_revision,
        trial, verdict, data_snapshot, data_open_since)
    select greatest(coalesce(max(number) + 1, $1), $1), $2, $3, $4, $5, $6, 'candidate', $7, $8, $9, $10, $11, now(),
        $12, $13, $14, $15, $16, $17, $18
    from model returning *
"""
_RETIRE = "update model set status = 'retired' where status = 'champion'"
_WITHDRAW = """
    update model set status = 'retired', withdrawn_at = now(), withdrawn_by = $1 where status = 'champion'
"""
_CROWN = """
    update model
    set status = 'champion', promoted_at = now(), promoted_by = $2, withdrawn_at = null, withdrawn_by = null
    where number = $1
"""
_FLIP = "update serving set champion = $1, epoch = epoch + 1"
# Going back twice goes back two steps: what was withdrawn is not gone back to.
_BEFORE = """
    select number from model
    where status = 'retired' and promoted_at is not null and withdrawn_at is null and pruned_at is null
    order by promoted_at desc, number desc limit 1
"""
_STALE = "select number from model where case when $1::int is null then withdrawn_at is not null else number <> $1 end"


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
    async def register(
        self, trained: TrainedModel, sha256: str, size_bytes: int, trial: Trial | None, verdict: Verdict
    ) -> ModelRecord:
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
                trained.seconds,
                trained.data_digest,
                trained.code_revision,
                msgspec.to_builtins(trial),
                msgspec.to_builtins(verdict),
                trained.data_snapshot,
                trained.data_open_since,
            )
        return _record_of(row)

    @retried_after_migration
    async def promote(self, number: int, by: str, seen_epoch: int) -> Serving:
        """Flip the pointer; promoting the champion changes nothing."""
        self._check_unpinned()
        async with transaction(self._pool) as connection:
            pointer = await connection.fetchrow("select champion, epoch from serving for update")
            record = await _found(connection, number)
            if record.pruned_at is not None:
                raise PromotionRefused(f"the bytes of {record.version} were pruned: train anew")
            if number != pointer["champion"]:
                await _check_unchanged(connection, pointer, seen_epoch)
                await connection.execute(_RETIRE)
                await self._crown(connection, number, by)
            return await self._serving(connection)

    @retried_after_migration
    async def roll_back(self, by: str, seen_epoch: int) -> Serving:
        """Flip the pointer to the model that served before, and mark the one that did."""
        self._check_unpinned()
        async with transaction(self._pool) as connection:
            pointer = await connection.fetchrow("select champion, epoch from serving for update")
            await _check_unchanged(connection, pointer, seen_epoch)
            before = await connection.fetchval(_BEFORE)
            if pointer["champion"] is None or before is None:
                raise PromotionRefused("there is no earlier model to go back to")
            await connection.execute(_WITHDRAW, by)
            await self._crown(connection, before, by)
            return await self._serving(connection)

    async def find(self, number: int) -> ModelRecord | None:
        """The model's row."""
        async with borrowed(self._pool) as connection:
            row = await connection.fetchrow("select * from model where number = $1", number)
        return None if row is None else _record_of(row)

    async def all(self) -> Sequence[ModelRecord]:
        """Every row, the newest first."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch("select * from model order by number desc")
        return [_record_of(row) for row in rows]

    @retried_after_migration
    async def mark_pruned(self, number: int) -> None:
        """Under the pointer's lock: what is being promoted is not pruned, and what is pruned not promoted."""
        async with transaction(self._pool) as connection:
            champion = await connection.fetchval("select champion from serving for update")
            record = await _found(connection, number)
            if number in (champion, self._pin):
                raise PruneRefused(f"{record.version} serves: promote another model first")
            await connection.execute(
                "update model set pruned_at = coalesce(pruned_at, now()) where number = $1", number
            )

    async def stale_versions(self) -> frozenset[str]:
        """Withdrawn models, or under a pin all but the pinned one."""
        async with borrowed(self._pool) as connection:
            rows = await connection.fetch(_STALE, self._pin)
        return frozenset(version_name(row["number"]) for row in rows)

    def _check_unpinned(self) -> None:
        if self._pin is not None:
            raise PromotionRefused(f"MODEL_PIN names {version_name(self._pin)}: unset it to let another model serve")

    async def _crown(self, connection: Connection, number: int, by: str) -> None:
        await connection.execute(_CROWN, number, by)
        await connection.execute(_FLIP, number)

    async def _serving(self, connection: Connection) -> Serving:
        row = await connection.fetchrow(_SERVING, self._pin)
        if self._pin is not None and row["number"] is None:
            raise ConfigurationError(f"MODEL_PIN names {version_name(self._pin)}, which does not exist")
        return Serving(None if row["number"] is None else _record_of(row), row["epoch"])


async def _found(connection: Connection, number: int) -> ModelRecord:
    row = await connection.fetchrow("select * from model where number = $1", number)
    if row is None:
        raise NotFound(f"there is no model {version_name(number)}: `threads-ml models list` shows which there are")
    return _record_of(row)


async def _check_unchanged(connection: Connection, pointer: Any, seen_epoch: int) -> None:
    if pointer["epoch"] == seen_epoch:
        return
    champion = await _found(connection, pointer["champion"])
    raise PromotionRefused(
        f"{champion.promoted_by} has let {champion.version} serve meanwhile ({champion.promoted_at:%Y-%m-%d %H:%M:%S} "
        "UTC): look at it, then ask again"
    )


def _record_of(row: Any) -> ModelRecord:
    """Columns that a later revision has added are left alone, and those that this one has yet to add are None."""
    values = {field.name: row.get(field.name) for field in fields(ModelRecord)}
    values["status"] = ModelStatus(row["status"])
    values["trial"] = values["trial"] and msgspec.convert(values["trial"], Trial)
    values["verdict"] = values["verdict"] and msgspec.convert(values["verdict"], Verdict)
    return ModelRecord(**values)
