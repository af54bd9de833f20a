"""Users that a process notes for the others, until it tells of them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from uuid import UUID

NOTED_AT_MOST = 50_000
USERS_A_SCRIPT = 500
"""Half a millisecond of Redis: answers that wait for it do not show it."""


class NotedUsers:
    """Each once, as long as there is room; whoever takes them forgets them."""

    def __init__(self) -> None:
        self._noted: set[UUID] = set()

    def __len__(self) -> int:
        return len(self._noted)

    def note(self, user_id: UUID) -> None:
        """Keep the user until they are taken."""
        if len(self._noted) < NOTED_AT_MOST:
            self._noted.add(user_id)

    def taken(self) -> Iterator[Sequence[UUID]]:
        """All that were noted, so many a script: other clients of Redis come in between."""
        noted, self._noted = iter(self._noted), set()
        while some := list(islice(noted, USERS_A_SCRIPT)):
            yield some
