"""Batches made up beforehand."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.application.ports.interaction_source import InteractionBatch

Rows = TypeVar("Rows")


@dataclass
class FakeInteractionSource(Generic[Rows]):
    """Gives the batches, then the error if there is one; `closed` tells that the reader has let go of it."""

    given: Sequence[InteractionBatch[Rows]]
    error: Exception | None = None
    closed: bool = False

    async def batches(self) -> AsyncGenerator[InteractionBatch[Rows], None]:
        try:
            for batch in self.given:
                yield batch
            if self.error is not None:
                raise self.error
        finally:
            self.closed = True
