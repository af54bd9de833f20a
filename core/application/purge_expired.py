"""Remove what nobody needs any more, so that space follows active users."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from core.application.ports.clock import Clock
from core.application.ports.feed_cache import FeedCache
from core.application.ports.idle_feeds import IdleFeeds, Idleness
from core.application.ports.run_ledger import RunLedger
from core.application.ports.ticket_store import TicketStore
from core.application.prune_models import PruneModels
from core.domain.errors import CacheUnavailable
from core.domain.model import ModelRecord

TICKETS_KEPT_AFTER_EXPIRY = timedelta(days=1)
TICKETS_AT_ONCE = 1000
# A run names each of its users: of a million they take 16 MB, or 280 with a message each.
RUNS_KEPT_AFTER_END = timedelta(days=30)
RUNS_AT_ONCE = 1


@dataclass(frozen=True, slots=True)
class Purge:
    """How many feeds, tickets and runs, models whose bytes go, how many those are, and bytes that no model names.

    stray_bytes: None where they were not looked for.
    """

    feeds: int
    tickets: int
    runs: int
    models: Sequence[ModelRecord]
    model_bytes: int
    stray_bytes: int | None


@dataclass(frozen=True, slots=True)
class PurgeExpired:
    """In short steps: killed at any moment, it is done by the next one.

    active_days: within which a user has acted whose feed stays; expired_for: how long a feed is stale before it goes;
    models_kept: so many of the newest keep their bytes.
    """

    feeds: IdleFeeds
    cache: FeedCache
    tickets: TicketStore
    ledger: RunLedger
    prune: PruneModels
    clock: Clock
    active_days: int
    expired_for: timedelta
    models_kept: int

    async def __call__(self) -> Purge:
        """What was removed. Raises ArchiveUnavailable."""
        feeds, tickets, runs = await self._remove_feeds(), await self._remove_tickets(), await self._remove_runs()
        models = await self.prune.all_but(self.models_kept)
        return Purge(
            feeds=feeds,
            tickets=tickets,
            runs=runs,
            models=models,
            model_bytes=await self.prune.bytes_of(models),
            stray_bytes=await self.prune.strays(),
        )

    async def look(self) -> Purge:
        """What would be removed; nothing is."""
        now, models = self.clock.now(), await self.prune.unneeded(self.models_kept)
        return Purge(
            feeds=await self.feeds.count(self._idleness()),
            tickets=await self.tickets.count_expired(now - TICKETS_KEPT_AFTER_EXPIRY),
            runs=await self.ledger.count_ended(now - RUNS_KEPT_AFTER_END),
            models=models,
            model_bytes=await self.prune.bytes_of(models),
            stray_bytes=None,
        )

    async def _remove_feeds(self) -> int:
        count = 0
        async for orders in self.feeds.removed(self._idleness()):
            # From a cache that is away they go by themselves: none is kept for long after its expiry.
            with suppress(CacheUnavailable):
                await self.cache.forget(orders)
            count += len(orders)
        return count

    async def _remove_tickets(self) -> int:
        before, count = self.clock.now() - TICKETS_KEPT_AFTER_EXPIRY, 0
        while removed := await self.tickets.remove_expired(before, TICKETS_AT_ONCE):
            count += removed
        return count

    async def _remove_runs(self) -> int:
        before, count = self.clock.now() - RUNS_KEPT_AFTER_END, 0
        while removed := await self.ledger.remove_ended(before, RUNS_AT_ONCE):
            count += removed
        return count

    def _idleness(self) -> Idleness:
        return Idleness(self.clock.now() - self.expired_for, self.active_days)
