"""How often a user's feed is made anew without anybody waiting for it."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Admission:
    """Whose turn it is: `together` with others, or `alone`, because a batch came to a bad end that held them."""

    together: Set[UUID] = frozenset()
    alone: Set[UUID] = frozenset()


class RenewalPacing(Protocol):
    """One renewal of a user per few seconds, over all processes. Raises CacheUnavailable."""

    async def admit(self, user_ids: Sequence[UUID]) -> Admission:
        """Those of them who were not admitted in the last seconds; now they are, and in hand until `done`."""
        ...

    async def done(self, user_ids: Collection[UUID]) -> None:
        """Nothing bad came of it. Of whom that is not said is alone next time, within the hour."""
        ...
