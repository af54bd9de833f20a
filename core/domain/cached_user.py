"""What the cache tells about a user in one look."""

from typing import NamedTuple

from core.domain.feed import Feed
from core.domain.user_change import UserChange


class CachedUser(NamedTuple):
    """The feed, fresh or not; what the user has done lately; and whether no history was found a short while ago.

    A tuple: each cached answer makes one.
    """

    feed: Feed | None = None
    change: UserChange | None = None
    is_cold: bool = False
