"""The texts of ids that are not UUIDs in the app."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID


class ExternalIds(Protocol):
    """Empty for an app whose ids are UUIDs. Raises ArchiveUnavailable."""

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The text of each of these ids that has one."""
        ...

    def last_told(self, ids: Collection[UUID]) -> Mapping[UUID, str | None]:
        """What earlier answers said of these ids, None where one has no text; may have forgotten any, never fails."""
        ...
