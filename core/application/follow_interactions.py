"""Follow what is written to the interactions, so that it counts within seconds."""

from contextlib import suppress
from dataclasses import dataclass

from core.application.ports.freshness_meter import FreshnessMeter
from core.application.ports.new_interactions import NewInteractions
from core.application.ports.seen_posts import SeenPosts
from core.application.renew_due_feeds import RenewDueFeeds
from core.domain.errors import CacheUnavailable


@dataclass(frozen=True, slots=True)
class FollowInteractions:
    """One look; killed anywhere, it is repeated by the next. Raises ArchiveUnavailable.

    Posts are seen before anything is committed: a process that dies in between leaves more marks, not fewer.
    """

    interactions: NewInteractions
    seen_posts: SeenPosts
    renew: RenewDueFeeds
    meter: FreshnessMeter

    async def __call__(self) -> int:
        """The number of users who have become due; 0 where another process looks."""
        async with self.interactions.read() as reading:
            if reading is None:
                return 0
            # Where that fails the cached feeds cannot be served either; once they can, the marks renew them.
            with suppress(CacheUnavailable):
                await self.seen_posts.add([change for change in reading.changes if change.post_ids])
        for seconds in reading.lags_seconds:
            self.meter.noticed(seconds)
        self.renew.note(change.user_id for change in reading.changes)
        self.renew.has_missed |= not reading.is_whole
        return len(reading.changes)
