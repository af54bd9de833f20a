"""The stock of a fake archive."""

from dataclasses import dataclass, field
from datetime import datetime

from core.domain.errors import ArchiveUnavailable
from core.domain.levels import FeedStock
from tests.fakes.feed_archive import FakeFeedArchive


@dataclass
class FakeStoredFeeds:
    """Counts all of them."""

    archive: FakeFeedArchive = field(default_factory=FakeFeedArchive)
    unavailable: bool = False

    async def take_stock(self, now: datetime, stale_versions: frozenset[str] = frozenset()) -> FeedStock:
        if self.unavailable:
            raise ArchiveUnavailable("Postgres does not answer: it is a fake")
        counts = await self.archive.count(now, stale_versions)
        oldest = min((feed.generated_at for feed in self.archive.feeds.values()), default=None)
        return FeedStock(counts.fresh, counts.stale, oldest)
