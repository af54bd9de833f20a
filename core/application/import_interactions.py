"""Bring interactions in from a file."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.application.ports.interaction_source import InteractionBatch, InteractionSource, RejectedRow
from core.application.ports.interaction_store import InteractionStore
from core.domain.errors import InvalidInput

Rows = TypeVar("Rows")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of the rows; a duplicate was in the database already or earlier in the file."""

    added: int
    duplicate: int
    rejected: int
    first_rejected: RejectedRow | None = None

    @property
    def read(self) -> int:
        """All rows of the source."""
        return self.added + self.duplicate + self.rejected


@dataclass(slots=True)
class _Tally:
    accepted: int = 0
    rejected: int = 0
    first_rejected: RejectedRow | None = None

    def count(self, batch: InteractionBatch[Rows]) -> None:
        self.accepted += batch.accepted_count
        self.rejected += len(batch.rejected)
        if batch.rejected and self.first_rejected is None:
            self.first_rejected = batch.rejected[0]


@dataclass(frozen=True, slots=True)
class ImportInteractions(Generic[Rows]):
    """Adds the rows that are interactions and tells of the others; a second time it adds nothing."""

    source: InteractionSource[Rows]
    store: InteractionStore[Rows]

    async def __call__(
        self, *, strict: bool = False, on_batch: Callable[[InteractionBatch[Rows]], None] = lambda _: None
    ) -> ImportReport:
        """Strict, it raises InvalidInput and adds nothing if any row is bad; `on_batch` hears of all rows anyway."""
        tally = _Tally()
        async with aclosing(self._accepted(tally, on_batch, strict=strict)) as accepted:
            added = await self.store.add_all(accepted)
        return ImportReport(added, tally.accepted - added, tally.rejected, tally.first_rejected)

    async def _accepted(
        self, tally: _Tally, on_batch: Callable[[InteractionBatch[Rows]], None], *, strict: bool
    ) -> AsyncGenerator[Rows, None]:
        async with aclosing(self.source.batches()) as batches:
            async for batch in batches:
                tally.count(batch)
                on_batch(batch)
                if not strict or tally.first_rejected is None:
                    yield batch.accepted
        # Raised from within the store's transaction, at the end, so that all bad rows have been told of.
        if strict and tally.first_rejected is not None:
            raise InvalidInput(_refusal(tally.rejected, tally.first_rejected))


def _refusal(rejected: int, first: RejectedRow) -> str:
    return f"nothing is imported: bad rows {rejected:,}, the first in line {first.line}: {first.reason}"
