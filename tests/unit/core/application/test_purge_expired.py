"""What a purge takes, and what it leaves."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from core.application.prune_models import PruneModels
from core.application.purge_expired import RUNS_KEPT_AFTER_END, TICKETS_AT_ONCE, PurgeExpired
from core.domain.feed import Feed, FeedOrder
from core.domain.gate import BYPASSED
from core.domain.job import FeedRequest, Ticket
from core.domain.run import Run, RunRequest
from tests.builders import NOON, feed_of
from tests.fakes.artefact_store import FakeArtefactStore
from tests.fakes.clock import FakeClock
from tests.fakes.feed_cache import FakeFeedCache
from tests.fakes.idle_feeds import FakeIdleFeeds
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.run_ledger import FakeRunLedger
from tests.fakes.ticket_store import FakeTicketStore
from tests.fakes.training import FakeModelTraining

DAY = timedelta(days=1)
IDLE, ACTIVE = "idle", "active"


@dataclass
class Stock:
    """Feeds that expired ten days ago, of a user who did nothing for forty days and of one who acted lately."""

    folder: Path
    feeds: FakeIdleFeeds = field(default_factory=FakeIdleFeeds)
    cache: FakeFeedCache = field(default_factory=FakeFeedCache)
    tickets: FakeTicketStore = field(default_factory=FakeTicketStore)
    ledger: FakeRunLedger = field(default_factory=FakeRunLedger)
    registry: FakeModelRegistry = field(default_factory=FakeModelRegistry)

    def __post_init__(self) -> None:
        for user, acted_at in ((IDLE, NOON - 40 * DAY), (ACTIVE, NOON - DAY)):
            feed = replace(feed_of(user), expires_at=NOON - 10 * DAY)
            self.feeds.feeds[feed.user_id] = self.cache.feeds[feed.user_id] = feed
            self.feeds.acted_at[feed.user_id] = acted_at

    def purge(self, models_kept: int = 1) -> PurgeExpired:
        prune = PruneModels(self.registry, self.artefacts)
        return PurgeExpired(
            self.feeds,
            self.cache,
            self.tickets,
            self.ledger,
            prune,
            FakeClock(),
            active_days=30,
            expired_for=7 * DAY,
            models_kept=models_kept,
        )

    @property
    def artefacts(self) -> FakeArtefactStore:
        return FakeArtefactStore(self.folder / "cache")

    async def add_tickets(self, count: int, expired_for: timedelta) -> None:
        for number in range(count):
            expires_at = NOON - expired_for
            request = FeedRequest(IDLE, 10)
            await self.tickets.add(
                Ticket(UUID(int=number), request, FeedOrder(0, 0), created_at=expires_at - DAY, expires_at=expires_at)
            )

    async def add_run(self, ended_for: timedelta) -> Run:
        self.ledger.clock.moment = NOON - ended_for
        run = await self.ledger.begin_run(RunRequest(), "anna", [UUID(int=1)], beside_others=True)
        await self.ledger.cancel(run.id)
        return run

    async def add_models(self, *contents: str) -> None:
        for content in contents:
            trained = await FakeModelTraining(self.folder, content.encode()).train()
            await self.registry.register(trained, content, 1000, None, BYPASSED)


def is_of(user: str, feed: Feed) -> bool:
    return feed.user_id == feed_of(user).user_id


async def test_feeds_of_users_no_longer_active_go_from_both_copies(tmp_path: Path) -> None:
    stock = Stock(tmp_path)

    purged = await stock.purge()()

    assert purged.feeds == 1
    assert all(is_of(ACTIVE, feed) for feeds in (stock.feeds.feeds, stock.cache.feeds) for feed in feeds.values())
    assert len(stock.feeds.feeds) == len(stock.cache.feeds) == 1


async def test_a_feed_that_was_renewed_meanwhile_stays_in_the_cache(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    renewed = replace(feed_of(IDLE), order=FeedOrder(9, 9))
    stock.cache.feeds[renewed.user_id] = renewed

    await stock.purge()()

    assert stock.cache.feeds[renewed.user_id] == renewed


async def test_without_redis_the_rest_is_purged(tmp_path: Path) -> None:
    stock = Stock(tmp_path, cache=FakeFeedCache())
    stock.cache.unavailable = True
    await stock.add_tickets(1, expired_for=2 * DAY)

    purged = await stock.purge()()

    assert (purged.feeds, purged.tickets) == (1, 1)


async def test_tickets_go_a_day_after_their_expiry_however_many_there_are(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    await stock.add_tickets(TICKETS_AT_ONCE + 1, expired_for=2 * DAY)

    purged = await stock.purge()()

    assert purged.tickets == TICKETS_AT_ONCE + 1
    assert stock.tickets.tickets == {}


async def test_a_ticket_that_has_just_expired_is_still_answered(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    await stock.add_tickets(1, expired_for=DAY / 2)

    assert (await stock.purge()()).tickets == 0


async def test_runs_go_with_their_chunks_some_time_after_their_end_and_never_before(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    for _ in range(3):
        await stock.add_run(ended_for=RUNS_KEPT_AFTER_END + DAY)
    ended_lately = await stock.add_run(ended_for=RUNS_KEPT_AFTER_END - DAY)
    stock.ledger.clock.moment = NOON - 100 * DAY
    active = await stock.ledger.begin_run(RunRequest(), "anna")

    looked = await stock.purge().look()
    purged = await stock.purge()()

    assert (looked.runs, purged.runs) == (3, 3)
    assert set(stock.ledger.runs) == {ended_lately.id, active.id}
    assert {entry.chunk.run_id for entry in stock.ledger.entries.values()} == {ended_lately.id}


async def test_the_bytes_of_all_but_the_newest_models_go(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    await stock.add_models("first", "second", "third")

    purged = await stock.purge(models_kept=1)()

    assert [record.number for record in purged.models] == [2, 1]
    assert purged.model_bytes == 2000


async def test_bytes_that_a_newer_model_shares_are_not_said_to_go(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    await stock.add_models("same", "other", "other", "same")

    looked = await stock.purge(models_kept=1).look()
    purged = await stock.purge(models_kept=1)()

    assert [record.number for record in looked.models] == [record.number for record in purged.models] == [3, 2, 1]
    assert (looked.model_bytes, purged.model_bytes) == (1000, 1000)


async def test_a_look_tells_the_same_and_removes_nothing(tmp_path: Path) -> None:
    stock = Stock(tmp_path)
    await stock.add_tickets(2, expired_for=2 * DAY)
    await stock.add_models("first", "second", "third")

    looked = await stock.purge(models_kept=1).look()

    assert (looked.feeds, looked.tickets, len(looked.models)) == (1, 2, 2)
    assert (len(stock.feeds.feeds), len(stock.tickets.tickets)) == (2, 2)
    done = await stock.purge(models_kept=1)()
    assert (done.feeds, done.tickets, len(done.models)) == (1, 2, 2)
