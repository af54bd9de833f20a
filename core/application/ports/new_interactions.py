"""What was written to the interactions since the last look, by whomever."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from core.domain.user_change import UserChange


@dataclass(frozen=True, slots=True)
class Reading:
    """Users with new interactions, the newest first of each; `is_whole`: False where there were too many to tell.

    lags_seconds: how long ago, by their time, those were that nobody had marked; one a user.
    """

    changes: Sequence[UserChange]
    is_whole: bool = True
    lags_seconds: Sequence[float] = ()


class NewInteractions(Protocol):
    """Each interaction is read at least once, whenever it was committed and by whom. Raises ArchiveUnavailable."""

    def read(self) -> AbstractAsyncContextManager[Reading | None]:
        """In one transaction that ends with the block: what is new, its users marked due, the watermark moved.

        None where another process reads, or has just done so; an error in the block leaves all of it to the next one.
        """
        ...
