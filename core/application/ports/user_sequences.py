"""How far the changes of users have got."""

from typing import NamedTuple, Protocol
from uuid import UUID


class LatestSequence(NamedTuple):
    """Numbers of the latest change: of the user, 0 where there is none, and of anybody."""

    of_user: int
    of_all: int


class UserSequences(Protocol):
    """What is committed in Postgres by now. Raises ArchiveUnavailable."""

    async def latest(self, user_id: UUID) -> LatestSequence: ...
