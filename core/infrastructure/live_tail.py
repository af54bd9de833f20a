"""A model's tail, kept up with the interactions that come in."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol, Self

import structlog

from core.domain.errors import ArchiveUnavailable
from core.domain.model import ModelRecord
from core.infrastructure.model_tail import ModelTail, can_have_tail
from core.infrastructure.postgres_interaction_tail import (
    PostgresInteractionTail,
    TailPosition,
    TailRead,
    Unheard,
    end_of_data,
)
from core.infrastructure.postgres_pool import Pool
from core.infrastructure.ranking_model import RankingModel


class ReadsTail(Protocol):
    """See PostgresInteractionTail."""

    async def read(self, position: TailPosition, fallback: datetime, unheard: Unheard) -> TailRead: ...


class TailLevels(NamedTuple):
    """held: interactions that count beside the model's; dropped: those too many; read_at: by the server's clock."""

    held: int = 0
    dropped: int = 0
    newest_at: datetime | None = None
    read_at: datetime | None = None


TellLevels = Callable[[TailLevels], None]


def tell_nobody(_: TailLevels) -> None:
    """Nobody asked."""


class Tails:
    """What makes a tail of each model in turn."""

    def __init__(self, source: ReadsTail, at_most: int, tell: TellLevels = tell_nobody) -> None:
        """at_most: interactions that may be held; tell: is told after every reading."""
        self._source = source
        self._at_most = at_most
        self._tell = tell

    @classmethod
    def in_postgres(
        cls, pool: Pool, at_most: int, overlap_seconds: float, tell: TellLevels = tell_nobody
    ) -> Self | None:
        """None where nothing may be held."""
        return cls(PostgresInteractionTail(pool, at_most, overlap_seconds), at_most, tell) if at_most else None

    def of(self, model: RankingModel, record: ModelRecord) -> "LiveTail | None":
        """The model's tail, yet to be read; None where its algorithm takes none."""
        return LiveTail(self._source, model, record, self._at_most, self._tell) if can_have_tail(model) else None

    async def model_at(self, moment: datetime | None, model: RankingModel, record: ModelRecord) -> RankingModel:
        """The model with what had happened by that moment, None for now; as it is where its algorithm takes no tail.

        Raises ArchiveUnavailable.
        """
        if not can_have_tail(model):
            return model
        tail = _tail_of(model, record, self._at_most)
        read = await self._source.read(end_of_data(record), record.data_up_to, tail.unheard)
        read = read if moment is None else read.until(moment)
        await asyncio.to_thread(tail.add, read.acts, read.histories)
        return await asyncio.to_thread(tail.tailed, read.now)


class LiveTail:
    """Whoever reads on waits for who does; while Postgres is away it stays as it was, and the log says so once."""

    def __init__(
        self, source: ReadsTail, model: RankingModel, record: ModelRecord, at_most: int, tell: TellLevels
    ) -> None:
        self._source = source
        self._version, self._data_up_to = record.version, record.data_up_to
        self._tail = _tail_of(model, record, at_most)
        self._position = end_of_data(record)
        self._tell = tell
        self._is_away = False
        self._reading = asyncio.Lock()

    async def read_on(self) -> RankingModel | None:
        """The model with all that is known by now; None where nothing new is."""
        # Two readings from one place would count what they find twice.
        async with self._reading:
            return await self._read_on()

    async def _read_on(self) -> RankingModel | None:
        try:
            read = await self._source.read(self._position, self._data_up_to, self._tail.unheard)
        except ArchiveUnavailable as error:
            self._note_outage(str(error))
            return None
        self._is_away = False
        if len(read.acts.moments):
            await asyncio.to_thread(self._tail.add, read.acts, read.histories)
        # Only now, and at once: what was read is neither lost nor taken in twice.
        self._position = read.position
        model = await asyncio.to_thread(self._tail.tailed, read.now) if len(read.acts.moments) else None
        self._tell(TailLevels(self._tail.held, self._tail.dropped, self._tail.newest, read.now))
        return model

    def _note_outage(self, reason: str) -> None:
        if not self._is_away:
            structlog.get_logger().warning("tail_not_read", model_version=self._version, error=reason)
        self._is_away = True


def _tail_of(model: RankingModel, record: ModelRecord, at_most: int) -> ModelTail:
    # Of a table with interactions of the future, ages were counted from the moment of training.
    return ModelTail(model, min(record.data_up_to, record.trained_at), at_most)
