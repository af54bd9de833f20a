"""Where interactions are imported from."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

Rows_co = TypeVar("Rows_co", covariant=True)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that is no interaction, as the source has it; `line` counts from 1, a header included."""

    line: int
    reason: str
    user: str = ""
    post: str = ""
    type: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class InteractionBatch(Generic[Rows_co]):
    """Some rows of the source; the form of the accepted ones is the adapters' own affair."""

    accepted: Rows_co
    accepted_count: int
    rejected: Sequence[RejectedRow]
    bytes_read: int


class InteractionSource(Protocol[Rows_co]):
    """Gives every row once, in order, in constant memory. Raises InvalidInput where the source cannot be read."""

    def batches(self) -> AsyncGenerator[InteractionBatch[Rows_co], None]:
        """Batches until the end; an error may come after some of them."""
        ...
