"""The texts of ids that are not UUIDs in the app."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID


class ExternalIds(Protocol):
    """Empty for an app whose ids are UUIDs. Raises ArchiveUnavailable."""

    async def texts_of(self, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """The text of each of these ids that has one."""
        ...
