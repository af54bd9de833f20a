"""Ask for the feeds of all active users, and follow how far the workers have got."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from core.application.ports.active_users import ActiveUsers
from core.application.ports.feed_archive import FeedArchive
from core.application.ports.job_queue import JobQueue
from core.application.ports.popular_posts import PopularPosts
from core.domain.job import GenerateMessage, Queue


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The users whose feeds were asked for, each of which is done once it has a feed newer than the generation."""

    user_ids: tuple[UUID, ...]
    after_generation: int


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """How many of the users are done, and whether any message is still under way."""

    done: int
    total: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class EnqueueActiveUsers:
    """Renews the popular posts, then puts one message a user into the bulk queue."""

    active_users: ActiveUsers
    popular: PopularPosts
    archive: FeedArchive
    queue: JobQueue
    min_posts: int

    async def __call__(
        self, within_days: int | None, request_id: str, on_enqueued: Callable[[int], None] = lambda _: None
    ) -> BulkRequest:
        """`within_days` counts back from data-now, None means all users ever; `on_enqueued` hears the count so far."""
        await self.popular.refresh()
        after_generation = await self.archive.newest_generation()
        user_ids: list[UUID] = []
        async for batch in self.active_users.batches(within_days, self.min_posts):
            await self.queue.submit_bulk([GenerateMessage(user_id, request_id) for user_id in batch])
            user_ids.extend(batch)
            on_enqueued(len(user_ids))
        return BulkRequest(tuple(user_ids), after_generation)


@dataclass(frozen=True, slots=True)
class FollowBulk:
    """Counts what is in the archive, not what workers say of themselves."""

    archive: FeedArchive
    queue: JobQueue

    async def __call__(self, request: BulkRequest) -> BulkProgress:
        """One look; it is over when all are done, or nothing is left in the queue (then the rest have failed)."""
        queued = (await self.queue.depths())[Queue.FEEDS_BULK]
        # Counted after the queue: a message leaves it only once its feed is stored.
        done = await self.archive.count_built_after(request.after_generation, request.user_ids)
        total = len(request.user_ids)
        return BulkProgress(done, total, is_over=done >= total or queued == 0)
