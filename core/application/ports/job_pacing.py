"""How often a user's feed may be generated anew without anybody waiting for it."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class JobPacing(Protocol):
    """One job of a user per few seconds, over all processes. Raises CacheUnavailable."""

    async def admit(self, user_ids: Sequence[UUID]) -> set[UUID]:
        """Those of them for whom no job was admitted in the last seconds; one is now."""
        ...
