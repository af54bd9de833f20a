"""Where imported interactions go."""

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

Rows_contra = TypeVar("Rows_contra", contravariant=True)


class InteractionStore(Protocol[Rows_contra]):
    """Keeps each interaction once, known by its content. Raises ArchiveUnavailable, InvalidInput for refused rows."""

    async def add_all(self, batches: AsyncIterator[Rows_contra]) -> int:
        """Add what is new, all or nothing, and tell how many rows that was; an error of `batches` undoes everything."""
        ...
